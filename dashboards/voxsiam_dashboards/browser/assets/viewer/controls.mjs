// What stands around the slices: choices, sliders, the legend, and what is at the crosshair.

import { asText } from "./address.mjs";
import { button, make, pressed, title } from "./elements.mjs";
import { HELP, drag, turn } from "./hands.mjs";

const MANY_ORGANS = 12; // above it the legend names those of the slice, and one can be searched

export class Controls {
  constructor(viewer) {
    this.viewer = viewer;
    this.sliders = viewer.planes.map((plane) => this.slider(plane));
    const figures = viewer.planes.map((plane, index) => this.figure(plane, this.sliders[index]));
    this.place = make("output", { className: "place-told" });
    this.legend = make("div", { className: "legend" });
    this.told = make("p", { className: "told", role: "status" });
    viewer.element.replaceChildren(
      make("div", { className: "bar" }, this.caseChoice(), this.seedChoice(), this.rowButtons(),
        this.organSearch()),
      this.windowBar(), make("div", { className: "slices" }, ...figures), this.place, this.legend,
      this.told, make("details", {}, make("summary", {}, "Mouse and keys"), make("p", {}, HELP)));
  }

  figure(plane, slider) {
    const { viewer } = this;
    const { canvas } = plane;
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      drag(viewer, plane, event);
    };
    canvas.onpointermove = (event) => drag(viewer, plane, event);
    canvas.addEventListener("wheel", (event) => turn(viewer, plane, event), { passive: false });
    const sides = ["left", "right", "above", "below"];
    const letters = plane.letters.map(
      (letter, i) => make("span", { className: `letter ${sides[i]}` }, letter));
    return make("figure", { className: `plane ${plane.name}` },
      make("div", { className: "frame" }, canvas, ...letters), slider);
  }

  slider(plane) {
    const [along] = plane.axes;
    const input = make("input", { type: "range", min: 0, max: plane.slices - 1, step: 1 });
    input.setAttribute("aria-label", `${plane.name} slice`);
    input.oninput = () => this.viewer.move(along, Number(input.value));
    return make("label", { className: "slider" }, make("span", {}), input);
  }

  caseChoice() {
    const { facts } = this.viewer;
    const select = make("select", { name: "case" }, ...facts.cases.map(
      (name) => make("option", { value: name, selected: name === facts.case }, name)));
    select.onchange = () => this.openCase(select.value);
    return make("label", {}, "Case ", select);
  }

  openCase(name) {
    const { viewer } = this;
    const url = new URL(window.location);
    url.search = "";
    url.searchParams.set("case", name);
    url.searchParams.set("rows", asText(viewer.shown));
    if (viewer.seed !== undefined) url.searchParams.set("seed", viewer.seed);
    clearTimeout(viewer.writing);
    window.history.pushState({}, "", url);
    // What Dash's own links tell its location.
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
  }

  seedChoice() {
    const { facts } = this.viewer;
    const seeds = [...new Set(facts.predictions.map((each) => each.seed))].sort((a, b) => a - b);
    if (seeds.length < 2) return "";
    this.seedSelect = make("select", { name: "seed" },
      ...seeds.map((seed) => make("option", { value: seed }, String(seed))));
    this.seedSelect.onchange = () => this.viewer.chooseSeed(Number(this.seedSelect.value));
    return make("label", {}, "Seed ", this.seedSelect);
  }

  rowButtons() {
    const { viewer } = this;
    this.truthButton = button("Ground truth", "T", () => viewer.toggle("truthShown"));
    this.rowParts = viewer.rows.map((row, index) => this.rowPart(row, index));
    return make("div", { className: "rows" }, this.truthButton, ...this.rowParts.map(
      ({ show, errors, told }) => make("span", { className: "row" }, show, errors, told)));
  }

  rowPart(row, index) {
    const { viewer } = this;
    const key = index < 9 ? String(index + 1) : "";
    const show = button(row, key, () => viewer.toggleRow(row));
    show.prepend(swatch(viewer.prediction(row).colour));
    const errors = button("errors", "", () => viewer.toggleErrors(row));
    errors.setAttribute("aria-label", `errors of ${row}`);
    return { row, show, errors, told: make("small", {}) };
  }

  organSearch() {
    const { viewer } = this;
    const { organs } = viewer.facts;
    if (organs.length <= MANY_ORGANS) return "";
    const titles = organs.map((organ) => make("option", { value: organ.title }));
    const input = make("input", { type: "search", placeholder: `one of ${organs.length}` });
    input.setAttribute("list", "viewer-organs");
    input.onchange = () => {
      const asked = input.value.trim().toLowerCase();
      const organ = organs.find((each) => each.title.toLowerCase() === asked);
      const there = organ ? viewer.toOrgan(organ) : !asked;
      this.told.replaceChildren(there ? "" : `${input.value}: not in the ground truth of this case`);
    };
    return make("label", {}, "Organ ", input, make("datalist", { id: "viewer-organs" }, ...titles));
  }

  windowBar() {
    const { viewer } = this;
    const { grey, windows } = viewer.facts;
    const span = grey.high - grey.low;
    this.levelInput = range(grey.low, grey.high, (level) => {
      const half = (viewer.high - viewer.low) / 2;
      viewer.setWindow(level - half, level + half);
    });
    this.widthInput = range(span / 255 || 1, span, (width) => {
      const level = (viewer.low + viewer.high) / 2;
      viewer.setWindow(level - width / 2, level + width / 2);
    });
    this.opacityInput = range(0, 100, (opacity) => viewer.setOpacity(Math.round(opacity)));
    this.windowTold = make("output", {});
    const presets = windows.map(({ title: name, low, high }) =>
      button(name, "", () => viewer.setWindow(low, high)));
    this.crossButton = button("Crosshair", "C", () => viewer.toggle("crosshair"));
    return make("div", { className: "bar" },
      make("label", {}, "Level ", this.levelInput), make("label", {}, "Width ", this.widthInput),
      this.windowTold, ...presets,
      make("label", {}, "Opacity ", this.opacityInput),
      button("Most errors", "M", () => viewer.toWorstSlice()), this.crossButton);
  }

  // ---- what changes

  tell() {
    this.tellSlices();
    this.tellRows();
    this.tellWindow();
    this.tellPlace();
    this.tellLegend();
  }

  tellSlices() {
    const { planes, at } = this.viewer;
    planes.forEach((plane, index) => {
      const [text, input] = this.sliders[index].childNodes;
      const place = at[plane.axes[0]];
      text.textContent = `${title(plane.name)} ${place + 1} of ${plane.slices}`;
      input.value = place;
      plane.canvas.dataset.slice = place;
    });
  }

  tellRows() {
    const { viewer } = this;
    pressed(this.truthButton, viewer.truthShown);
    pressed(this.crossButton, viewer.crosshair);
    for (const { row, show, errors, told } of this.rowParts) {
      pressed(show, viewer.shown.has(row));
      pressed(errors, viewer.errorsOf === row);
      const { dsc, seed } = viewer.prediction(row);
      const other = seed === viewer.seed ? "" : ` (seed ${seed})`;
      told.textContent = `${dsc === null ? "" : `DSC ${dsc.toFixed(3)}`}${other}`;
    }
    if (this.seedSelect) this.seedSelect.value = viewer.seed;
  }

  tellWindow() {
    const { low, high, opacity, facts } = this.viewer;
    this.levelInput.value = (low + high) / 2;
    this.widthInput.value = high - low;
    this.opacityInput.value = opacity;
    const digits = facts.grey.high - facts.grey.low > 20 ? 0 : 2;
    this.windowTold.textContent =
      `${low.toFixed(digits)} to ${high.toFixed(digits)} ${facts.grey.unit}`;
  }

  tellPlace() {
    const { viewer } = this;
    const { facts, at, image, truth } = viewer;
    const index = (at[0] * facts.shape[1] + at[1]) * facts.shape[2] + at[2];
    const organ = (value) => facts.organs[value - 1]?.title ?? "no organ";
    const said = [...viewer.shown].filter((row) => viewer.found(row))
      .map((row) => `${row}: ${organ(viewer.found(row)[index])}`);
    const { low, high, unit } = facts.grey;
    const intensity = low + (image[index] * (high - low)) / 255;
    this.place.textContent = [`d ${at[0]}, h ${at[1]}, w ${at[2]}`,
      `intensity ${intensity.toFixed(unit ? 0 : 2)} ${unit}`.trim(),
      `ground truth: ${organ(truth[index])}`, ...said].join("  |  ");
  }

  tellLegend() {
    const { errorsOf, facts, at } = this.viewer;
    const counts = errorsOf && this.viewer.errors(errorsOf);
    if (!counts) {
      const many = facts.organs.length > MANY_ORGANS;
      const listed = many ? this.viewer.organsInSlice() : facts.organs;
      const organs = listed.map((organ) => entry(organ.colour, organ.title));
      this.legend.replaceChildren(...organs);
      return;
    }
    const inCase = [0, 0, 0, 0];
    counts.forEach((count, index) => (inCase[index % 4] += count));
    const kinds = facts.errors.map(({ title: name, colour }, index) => {
      const [here, all] = [counts[4 * at[0] + index + 1], inCase[index + 1]];
      const told = entry(colour, `${name}: ${here} in this axial slice, ${all} in all`);
      Object.assign(told.dataset, { kind: name, here, all });
      return told;
    });
    this.legend.replaceChildren(make("b", {}, `Errors of ${errorsOf}, voxels: `), ...kinds);
  }
}

function range(min, max, set) {
  const input = make("input", { type: "range", min, max, step: "any" });
  input.oninput = () => set(Number(input.value));
  return input;
}

function swatch(colour) {
  const made = make("i", { className: "swatch" });
  made.style.background = colour;
  return made;
}

function entry(colour, text) {
  return make("span", { className: "entry" }, swatch(colour), text);
}
