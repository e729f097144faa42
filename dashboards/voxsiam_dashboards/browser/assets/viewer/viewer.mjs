// One case in three planes: what is chosen, the voxels that it needs, and when it is drawn.

import { choicesIn, organIn, placeIn, writeChoices } from "./address.mjs";
import { Controls } from "./controls.mjs";
import { clamp, colourTable } from "./elements.mjs";
import { RIGHT, errorCounts, errorKinds, worstPlace } from "./errors.mjs";
import { press } from "./hands.mjs";
import { Plane } from "./plane.mjs";
import { sceneOf } from "./scene.mjs";
import { bytesAt } from "./voxels.mjs";

const MOST_HEIGHT = 460;
const ADDRESS_AFTER_MS = 200;

export class Viewer {
  constructor(element, facts) {
    Object.assign(this, { element, facts, path: window.location.pathname });
    this.count = facts.shape.reduce((a, b) => a * b);
    this.planes = facts.planes.map((plane) => new Plane(plane, facts.shape, facts.spacingMm));
    this.rows = [...new Set(facts.predictions.map((each) => each.row))];
    this.organColours = colourTable(facts.organs.map((o) => [o.value, o.colour]));
    this.errorColours = colourTable(facts.errors.map((e, i) => [i + 1, e.colour]));
    this.kinds = errorKinds(facts.organs);
    this.voxels = new Map(); // address of a prediction -> bytes
    this.counts = new Map(); // the same -> errors by slice
    Object.assign(this, choicesIn(window.location.search, this));
  }

  async open() {
    const { facts, count } = this;
    [this.image, this.truth] = await Promise.all(
      [facts.image, facts.label].map((address) => bytesAt(address, count)));
    const loading = this.loadChosen();
    const isLinked = organIn(window.location.search, facts.organs) !== undefined;
    if (isLinked) await loading;
    this.at = this.placeAsked();
    this.build();
    this.draw();
    this.reached("drawn");
    if (isLinked) this.element.scrollIntoView({ block: "nearest" });
    await loading;
    this.changed();
    await new Promise(requestAnimationFrame); // until that is drawn
    this.reached("ready");
  }

  // For style sheets, tests and benchmarks.
  reached(state) {
    this.element.dataset.state = state;
    performance.mark(`case ${state}`);
  }

  // After the address was changed by a link to this very case.
  async restore() {
    Object.assign(this, choicesIn(window.location.search, this));
    await this.loadChosen();
    this.at = this.placeAsked();
    this.changed();
  }

  leave() {
    clearTimeout(this.writing);
    cancelAnimationFrame(this.drawing);
    this.sizes?.disconnect();
  }

  // Where the address says; else where the chosen row is most wrong about an organ; else where
  // most organs are.
  placeAsked() {
    const { shape, organs } = this.facts;
    const { search } = window.location;
    const [organ, truth] = [organIn(search, organs), this.truth];
    const found = this.found([...this.shown][0]);
    const isWrong = (i) => (truth[i] === organ.value) !== (found[i] === organ.value);
    const isThere = organ ? (i) => truth[i] === organ.value : (i) => truth[i] > 0;
    return placeIn(search, shape) ?? (organ && found ? worstPlace(isWrong, shape) : null)
      ?? worstPlace(isThere, shape, 7) ?? shape.map((n) => n >> 1);
  }

  // ---- voxels of predictions

  prediction(row) {
    const own = this.facts.predictions.filter((each) => each.row === row);
    return own.find((each) => each.seed === this.seed) ?? own[0];
  }

  found(row) {
    return row ? this.voxels.get(this.prediction(row)?.address) : undefined;
  }

  async load(row) {
    const { address } = this.prediction(row);
    try {
      this.voxels.set(address, await bytesAt(address, this.count));
    } catch (error) {
      this.shown.delete(row);
      if (this.errorsOf === row) this.errorsOf = "";
      this.controls?.told.replaceChildren(`${row}: ${error.message}`);
    }
  }

  async loadChosen() {
    const rows = [...new Set([...this.shown, this.errorsOf])].filter(Boolean);
    await Promise.all(rows.map((row) => this.load(row)));
  }

  errors(row) {
    const found = this.found(row);
    if (!found) return null;
    const { address } = this.prediction(row);
    if (!this.counts.has(address)) {
      this.counts.set(address, errorCounts(this.truth, found, this.kinds, this.facts.shape));
    }
    return this.counts.get(address);
  }

  // ---- drawing

  build() {
    this.controls = new Controls(this);
    this.element.onkeydown = (event) => press(this, event);
    this.fit();
    this.sizes = new ResizeObserver(() => {
      if (this.fit()) this.draw();
    });
    this.sizes.observe(this.element);
    this.controls.tell();
    this.planes[0].canvas.focus({ preventScroll: true });
  }

  // One scale for all three planes: a mm is as long in each.
  fit() {
    const width = this.element.clientWidth - 24 * this.planes.length;
    const inMm = this.planes.reduce((sum, plane) => sum + plane.widthMm, 0);
    const tallest = Math.max(...this.planes.map((plane) => plane.heightMm));
    const scale = Math.min(Math.max(width, 320) / inMm, MOST_HEIGHT / tallest);
    if (scale === this.scale) return false;
    this.scale = scale;
    for (const plane of this.planes) plane.resize(scale);
    return true;
  }

  draw() {
    this.known ??= sceneOf(this);
    for (const plane of this.planes) plane.draw(this.at, this.known);
  }

  // What is shown is another, not only the place.
  changed() {
    this.known = null;
    this.moved();
  }

  // Draws once however far it has moved, tells what is where, and writes the address.
  moved() {
    this.drawing ||= requestAnimationFrame(() => {
      this.drawing = 0;
      this.draw();
      this.controls.tell();
    });
    clearTimeout(this.writing);
    this.writing = setTimeout(() => this.writeAddress(), ADDRESS_AFTER_MS);
  }

  writeAddress() {
    const url = new URL(window.location);
    // The reader has gone elsewhere.
    if (!this.element.isConnected || url.pathname !== this.path) return;
    if ((url.searchParams.get("case") ?? this.facts.case) !== this.facts.case) return;
    writeChoices(url, this);
    window.history.replaceState(window.history.state, "", url);
  }

  // ---- what a reader does

  move(axis, place) {
    const within = clamp(place, 0, this.facts.shape[axis] - 1);
    if (within === this.at[axis]) return;
    this.at[axis] = within;
    this.moved();
  }

  async toggleRow(row) {
    if (!this.shown.delete(row)) {
      this.shown.add(row);
      await this.load(row);
    }
    this.changed();
  }

  async toggleErrors(row) {
    this.errorsOf = this.errorsOf === row ? "" : row;
    if (this.errorsOf) await this.load(row);
    this.changed();
  }

  async chooseSeed(seed) {
    this.seed = seed;
    await this.loadChosen();
    this.changed();
  }

  toWorstSlice() {
    const found = this.found(this.errorsOf || [...this.shown][0]);
    if (!found) return;
    const { truth, kinds } = this;
    const place = worstPlace((i) => kinds[256 * truth[i] + found[i]] !== RIGHT, this.facts.shape);
    if (place) this.at = place;
    this.moved();
  }

  // Where the ground truth shows most of an organ.
  toOrgan({ value }) {
    const { truth, facts } = this;
    const place = worstPlace((i) => truth[i] === value, facts.shape);
    if (place) this.at = place;
    this.moved();
    return place !== null;
  }

  // The organs that the shown axial slice has, in the ground truth or in what is laid over it.
  organsInSlice() {
    const { facts, at, truth, shown } = this;
    const [, height, width] = facts.shape;
    const start = at[0] * height * width;
    const seen = new Set();
    for (const labels of [truth, ...[...shown].map((row) => this.found(row))].filter(Boolean)) {
      for (let i = start; i < start + height * width; i++) seen.add(labels[i]);
    }
    return facts.organs.filter((organ) => seen.has(organ.value));
  }

  setWindow(low, high) {
    const { grey } = this.facts;
    const least = (grey.high - grey.low) / 255;
    this.low = clamp(low, grey.low, grey.high - least);
    this.high = clamp(high, this.low + least, grey.high);
    this.changed();
  }

  nextWindow() {
    const { windows } = this.facts;
    const now = windows.findIndex((each) => each.low === this.low && each.high === this.high);
    const next = windows[(now + 1) % windows.length];
    this.setWindow(next.low, next.high);
  }

  setOpacity(opacity) {
    this.opacity = opacity;
    this.changed();
  }

  toggle(name) {
    this[name] = !this[name];
    this.changed();
  }
}
