// Turns every view of a chart when one has been turned.
"use strict";
function turnTogether(chart, change) {
  const turned = Object.keys(change).filter((key) => key.endsWith(".camera"));
  const scenes = Object.keys(chart.layout).filter((key) => /^scene[0-9]*$/.test(key));
  // More than one: that is what we have turned.
  if (turned.length !== 1 || scenes.length < 2) return;
  const cameras = scenes.map((scene) => [`${scene}.camera`, change[turned[0]]]);
  Plotly.relayout(chart, Object.fromEntries(cameras));
}
