// What is chosen of a case, as the page's address holds it.

import { clamp, numberOf } from "./elements.mjs";

const OPACITY = 45;
const NONE = "-"; // no row
const BETWEEN_ROWS = "\n";

// Everything but the place: that may need voxels.
export function choicesIn(search, { facts, rows }) {
  const asked = new URLSearchParams(search);
  const { low, high } = facts.grey;
  const seeds = facts.predictions.map((each) => each.seed);
  const seed = Number(asked.get("seed") ?? NaN);
  return {
    seed: seeds.includes(seed) ? seed : seeds[0],
    shown: rowsIn(asked.get("rows"), rows),
    errorsOf: rows.includes(asked.get("errors")) ? asked.get("errors") : "",
    truthShown: asked.get("truth") !== "0",
    crosshair: asked.get("crosshair") !== "0",
    opacity: numberOf(asked.get("opacity"), 0, 100, OPACITY),
    low: numberOf(asked.get("low"), low, high, low),
    high: numberOf(asked.get("high"), low, high, high),
  };
}

function rowsIn(text, rows) {
  if (text === null) return new Set(rows.slice(0, 1));
  if (rows.includes(text)) return new Set([text]);
  return new Set(text.split(BETWEEN_ROWS).filter((row) => rows.includes(row)));
}

export function asText(shown) {
  return [...shown].join(BETWEEN_ROWS) || NONE;
}

// The voxel that is named; null where none is.
export function placeIn(search, shape) {
  const asked = new URLSearchParams(search);
  const given = ["d", "h", "w"].map((axis) => asked.get(axis));
  if (!given.every((text) => text !== null && /^\d{1,6}$/.test(text))) return null;
  return given.map((text, axis) => clamp(Number(text), 0, shape[axis] - 1));
}

// The organ that has led here, whose worst slice is wanted.
export function organIn(search, organs) {
  const name = new URLSearchParams(search).get("organ");
  return organs.find((each) => each.name === name);
}

// Writes what is chosen into an address; what is as always is left out.
export function writeChoices(url, viewer) {
  const { facts, at, opacity } = viewer;
  const set = (name, value) =>
    value === null ? url.searchParams.delete(name) : url.searchParams.set(name, value);
  const { low, high } = facts.grey;
  set("case", facts.case);
  set("organ", null); // it has led to a slice, which is named below
  set("rows", asText(viewer.shown));
  set("seed", viewer.seed ?? null);
  set("errors", viewer.errorsOf || null);
  set("truth", viewer.truthShown ? null : "0");
  set("crosshair", viewer.crosshair ? null : "0");
  set("opacity", opacity === OPACITY ? null : opacity);
  set("low", viewer.low === low ? null : viewer.low);
  set("high", viewer.high === high ? null : viewer.high);
  ["d", "h", "w"].forEach((axis, index) => set(axis, at[index]));
}
