// What the surfaces show follows from the address as it is now, slice and rows included; all their
// views turn together.
window.dash_clientside = window.dash_clientside || {};
window.dash_clientside.surfaces = {
  search: (clicks) => {
    if (!clicks) return window.dash_clientside.no_update;
    document.querySelector(".voxel-viewer")?.viewer?.writeAddress();
    return window.location.search;
  },
  turn: (change) => {
    const chart = document.querySelector("#chart-surfaces .js-plotly-plot");
    if (chart && change) turnTogether(chart, change);
  },
};
