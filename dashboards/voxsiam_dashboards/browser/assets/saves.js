// The buttons over a chart: the browser writes what it shows, as SVG or as PNG.
document.addEventListener("click", (event) => {
  const button = event.target.closest("button.save");
  if (!button) return;
  const chart = document.querySelector(`#${CSS.escape(button.name)} .js-plotly-plot`);
  if (!chart) return;
  const { width, height } = chart.getBoundingClientRect();
  const name = `${document.title}-${button.name}`.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  window.Plotly.downloadImage(chart, {
    format: button.value, width, height, filename: name,
    scale: button.value === "png" ? 2 : 1,
  });
});
