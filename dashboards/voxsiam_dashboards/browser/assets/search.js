// Shows the lines of a long table whose first cell holds what is typed into the search above it.
"use strict";
document.addEventListener("input", ({ target }) => {
  if (!target.classList.contains("search")) return;
  const asked = target.value.trim().toLowerCase();
  for (const line of target.closest("section").querySelectorAll("tbody tr")) {
    line.hidden = !line.cells[0].textContent.toLowerCase().includes(asked);
  }
});
