// Shows the lines of a table whose first cell holds what is typed into its search.
"use strict";
for (const search of document.querySelectorAll("input[data-filters]")) {
  search.addEventListener("input", () => {
    const asked = search.value.trim().toLowerCase();
    for (const line of document.querySelectorAll(`#${search.dataset.filters} tbody tr`)) {
      line.hidden = !line.cells[0].textContent.toLowerCase().includes(asked);
    }
  });
}
