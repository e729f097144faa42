// What the slices show, from what is chosen: grey values, colours, outlines.

import { clamp } from "./elements.mjs";

export function sceneOf(viewer) {
  const { image, crosshair, truth } = viewer;
  const shown = [...viewer.shown].filter((row) => viewer.found(row));
  // One row needs no outline of its own, and errors are told apart by their colours alone.
  const outlined = shown.length > 1 && !viewer.found(viewer.errorsOf) ? shown : [];
  const outlines = outlined.map(
    (row) => ({ voxels: viewer.found(row), colour: viewer.prediction(row).colour }));
  // Last, so that it lies on top.
  if (viewer.truthShown) outlines.push({ voxels: truth, colour: "#ffffff" });
  return { greys: greysOf(viewer), image, crosshair, outlines, layers: layersOf(viewer, shown) };
}

// The grey of each byte of the image within the window.
function greysOf({ facts, low, high }) {
  const toUnit = (facts.grey.high - facts.grey.low) / 255 || 1;
  return Uint8Array.from({ length: 256 }, (_, byte) => {
    const share = (facts.grey.low + byte * toUnit - low) / Math.max(high - low, toUnit);
    return clamp(Math.round(255 * share), 0, 255);
  });
}

function layersOf(viewer, shown) {
  const errors = viewer.found(viewer.errorsOf);
  if (errors) {
    const { truth, kinds, errorColours } = viewer;
    return [{ found: errors, truth, kinds, colours: errorColours, opacity: 0.85 }];
  }
  // Rows that agree look as one: together they cover as much as one does.
  const opacity = 1 - (1 - viewer.opacity / 100) ** (1 / Math.max(1, shown.length));
  return shown.map(
    (row) => ({ found: viewer.found(row), colours: viewer.organColours, opacity }));
}
