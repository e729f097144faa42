// The volume viewer: three planes of one case, drawn on canvases. Every text is set as text.
// Arrays are d h w in the patient's frame: d runs to superior, h to anterior, w to the right.
// All three planes show rows and columns from the high end of their axes (dashboards/overlays.py).
"use strict";

(() => {
  const MOST_HEIGHT = 460;
  const MOST_KEPT_BYTES = 2 ** 30;
  const ADDRESS_AFTER_MS = 200;
  const NONE = "-"; // in an address: no row
  const BETWEEN_ROWS = "\n";

  const HELP =
    "Wheel or PageUp, PageDown: slice (Shift: ten). Click, drag or arrow keys: move the " +
    "crosshair. Shift and drag: window. T ground truth, 1 to 9 rows, Shift and 1 to 9 errors of " +
    "a row, E errors, M slice with most errors, C crosshair, W next window.";

  // ---- voxels over the network -----------------------------------------------------------------

  const kept = new Map(); // address -> promise of bytes; the oldest go first

  function bytesAt(address, count) {
    if (!kept.has(address)) {
      const loading = fetchBytes(address, count);
      loading.catch(() => kept.delete(address));
      kept.set(address, loading);
      while (kept.size > Math.max(4, MOST_KEPT_BYTES / count)) kept.delete(kept.keys().next().value);
    }
    return kept.get(address);
  }

  async function fetchBytes(address, count) {
    const bytes = new Uint8Array(await (await fetched(address)).arrayBuffer());
    if (bytes.length !== count) throw new Error("the voxels are not as many as the case has");
    return bytes;
  }

  async function fetched(address) {
    const response = await fetch(address);
    if (!response.ok) throw new Error((await response.text()).trim().slice(0, 200));
    return response;
  }

  // ---- what follows from voxels ----------------------------------------------------------------

  const [RIGHT, MISSED, INVENTED, WRONG] = [0, 1, 2, 3];

  // Kind of error by 16 * truth + prediction; an organ that nobody annotated is not invented.
  function errorKinds(organs) {
    const scored = new Set(organs.filter((organ) => organ.scored).map((organ) => organ.value));
    const kinds = new Uint8Array(256);
    for (let truth = 0; truth < 16; truth++) {
      for (let found = 0; found < 16; found++) {
        const said = scored.has(found) ? found : 0;
        kinds[16 * truth + found] =
          said === truth ? RIGHT : said === 0 ? MISSED : truth === 0 ? INVENTED : WRONG;
      }
    }
    return kinds;
  }

  // Voxels of each kind of error in each axial slice: counts[4 * d + kind].
  function errorCounts(truth, found, kinds, [depth, height, width]) {
    const counts = new Uint32Array(4 * depth);
    const area = height * width;
    for (let d = 0; d < depth; d++) {
      for (let i = d * area, end = i + area; i < end; i++) {
        if (truth[i] | found[i]) counts[4 * d + kinds[16 * truth[i] + found[i]]]++;
      }
      counts[4 * d] = 0;
    }
    return counts;
  }

  // The axial slice with most voxels that `wrong` names, and such a voxel near their middle; of
  // every so many voxels one is looked at.
  function worstPlace(wrong, [depth, height, width], every = 1) {
    const area = height * width;
    let most = 0, worst = -1;
    for (let d = 0; d < depth; d++) {
      let count = 0;
      for (let i = d * area, end = i + area; i < end; i += every) if (wrong(i)) count++;
      if (count > most) [most, worst] = [count, d];
    }
    return worst < 0 ? null : [worst, ...nearestToMiddle(wrong, worst * area, height, width)];
  }

  function nearestToMiddle(wrong, start, height, width) {
    const places = [];
    for (let i = 0; i < height * width; i++) if (wrong(start + i)) places.push(i);
    const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const [h, w] = [mean(places.map((i) => Math.floor(i / width))), mean(places.map((i) => i % width))];
    const distance = (i) => (Math.floor(i / width) - h) ** 2 + ((i % width) - w) ** 2;
    const best = places.reduce((a, b) => (distance(b) < distance(a) ? b : a));
    return [Math.floor(best / width), best % width];
  }

  // ---- one plane -------------------------------------------------------------------------------

  class Plane {
    constructor({ name, axes, letters }, shape, spacing) {
      const strides = [shape[1] * shape[2], shape[2], 1];
      const [along, down, across] = axes;
      Object.assign(this, { name, axes, letters, slices: shape[along] });
      [this.rows, this.columns] = [shape[down], shape[across]];
      [this.step, this.rowStep, this.columnStep] = axes.map((axis) => strides[axis]);
      [this.heightMm, this.widthMm] = [this.rows * spacing[down], this.columns * spacing[across]];
      this.voxels = make("canvas", { width: this.columns, height: this.rows });
      this.pixels = this.voxels.getContext("2d").createImageData(this.columns, this.rows);
      this.still = make("canvas", {}); // all but the crosshair
      this.canvas = make("canvas", { tabIndex: 0, className: "slice" });
      this.canvas.dataset.plane = name;
      this.canvas.setAttribute("aria-label", `${name} slices`);
    }

    // Index of the voxel that is shown at the upper left.
    first(at) {
      const [along] = this.axes;
      return at[along] * this.step + (this.rows - 1) * this.rowStep
        + (this.columns - 1) * this.columnStep;
    }

    // Place a point of the canvas in the case: the two axes that the plane shows.
    locate(event) {
      const box = this.canvas.getBoundingClientRect();
      const [, down, across] = this.axes;
      const share = (offset, size, count) =>
        count - 1 - clamp(Math.floor((offset / size) * count), 0, count - 1);
      return [[down, share(event.clientY - box.top, box.height, this.rows)],
              [across, share(event.clientX - box.left, box.width, this.columns)]];
    }

    resize(scale) {
      const [width, height] = [Math.round(this.widthMm * scale), Math.round(this.heightMm * scale)];
      const dense = Math.min(window.devicePixelRatio || 1, 2);
      Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
      for (const canvas of [this.canvas, this.still]) {
        [canvas.width, canvas.height] = [width * dense, height * dense];
      }
      this.dense = dense;
      this.drawn = null;
    }

    // Paints the slice anew only where it is another one, or shows something else.
    draw(at, scene) {
      const place = at[this.axes[0]];
      if (this.drawn !== scene || this.drawnAt !== place) this.paint(this.first(at), scene);
      [this.drawn, this.drawnAt] = [scene, place];
      const pen = this.canvas.getContext("2d");
      pen.drawImage(this.still, 0, 0);
      if (scene.crosshair) this.cross(pen, at);
    }

    paint(first, { greys, image, layers, outlines }) {
      this.shade(first, image, greys);
      for (const layer of layers) this.blend(first, layer);
      this.voxels.getContext("2d").putImageData(this.pixels, 0, 0);
      const pen = this.still.getContext("2d");
      pen.imageSmoothingEnabled = false;
      pen.drawImage(this.voxels, 0, 0, this.still.width, this.still.height);
      for (const { voxels, colour } of outlines) this.outline(pen, first, voxels, colour);
    }

    shade(first, image, greys) {
      const out = new Uint32Array(this.pixels.data.buffer);
      for (let y = 0, o = 0; y < this.rows; y++) {
        let i = first - y * this.rowStep;
        for (let x = 0; x < this.columns; x++, i -= this.columnStep) {
          out[o++] = 0xff000000 | (0x010101 * greys[image[i]]);
        }
      }
    }

    // Lays the colours of a label map over it; those of its errors where there is a truth.
    blend(first, { found, truth, kinds, colours, opacity }) {
      const out = this.pixels.data;
      for (let y = 0, o = 0; y < this.rows; y++) {
        let i = first - y * this.rowStep;
        for (let x = 0; x < this.columns; x++, i -= this.columnStep, o += 4) {
          const value = truth ? kinds[16 * truth[i] + found[i]] : found[i];
          if (!value) continue;
          for (let c = 0; c < 3; c++) out[o + c] += (colours[3 * value + c] - out[o + c]) * opacity;
        }
      }
    }

    // Lines between pixels of different labels: what lies in a row becomes one stroke.
    outline(pen, first, voxels, colour) {
      const path = new Path2D();
      const [toX, toY] = [this.canvas.width / this.columns, this.canvas.height / this.rows];
      const { rows, columns, rowStep, columnStep } = this;
      lines(rows - 1, columns, first, rowStep, columnStep, voxels, (y, start, end) => {
        path.moveTo(start * toX, (y + 1) * toY);
        path.lineTo(end * toX, (y + 1) * toY);
      });
      lines(columns - 1, rows, first, columnStep, rowStep, voxels, (x, start, end) => {
        path.moveTo((x + 1) * toX, start * toY);
        path.lineTo((x + 1) * toX, end * toY);
      });
      pen.lineCap = "square";
      for (const [style, width] of [["rgba(0, 0, 0, 0.65)", 3], [colour, 1.5]]) {
        [pen.strokeStyle, pen.lineWidth] = [style, width * this.dense];
        pen.stroke(path);
      }
    }

    cross(pen, at) {
      const [, down, across] = this.axes;
      const x = ((this.columns - at[across] - 0.5) / this.columns) * this.canvas.width;
      const y = ((this.rows - at[down] - 0.5) / this.rows) * this.canvas.height;
      const gap = 9 * this.dense;
      pen.beginPath();
      for (const [ax, ay, bx, by] of [
        [0, y, x - gap, y], [x + gap, y, this.canvas.width, y],
        [x, 0, x, y - gap], [x, y + gap, x, this.canvas.height],
      ]) {
        pen.moveTo(ax, ay);
        pen.lineTo(bx, by);
      }
      [pen.strokeStyle, pen.lineWidth] = ["rgba(255, 255, 255, 0.55)", this.dense];
      pen.stroke();
    }
  }

  // Tells each stretch along which the labels of two neighbouring lines of voxels differ.
  function lines(count, length, first, acrossStep, alongStep, voxels, tell) {
    for (let line = 0; line < count; line++) {
      let start = -1;
      for (let k = 0, i = first - line * acrossStep; k < length; k++, i -= alongStep) {
        const differs = voxels[i] !== voxels[i - acrossStep];
        if (differs && start < 0) start = k;
        if (!differs && start >= 0) {
          tell(line, start, k);
          start = -1;
        }
      }
      if (start >= 0) tell(line, start, length);
    }
  }

  // ---- the viewer ------------------------------------------------------------------------------

  class Viewer {
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
      this.readChoices();
    }

    // Everything in the address but the place: that may need voxels.
    readChoices() {
      const { facts } = this;
      const asked = new URLSearchParams(window.location.search);
      const rows = asked.get("rows");
      const seeds = facts.predictions.map((each) => each.seed);
      this.seed = seeds.includes(Number(asked.get("seed") ?? NaN))
        ? Number(asked.get("seed")) : seeds[0];
      this.shown = new Set(
        rows === null ? this.rows.slice(0, 1) : this.rows.includes(rows) ? [rows]
          : rows.split(BETWEEN_ROWS).filter((row) => this.rows.includes(row)));
      this.errorsOf = this.rows.includes(asked.get("errors")) ? asked.get("errors") : "";
      this.truthShown = asked.get("truth") !== "0";
      this.crosshair = asked.get("crosshair") !== "0";
      this.opacity = numberOf(asked.get("opacity"), 0, 100, 45);
      const { low, high } = facts.grey;
      this.low = numberOf(asked.get("low"), low, high, low);
      this.high = numberOf(asked.get("high"), low, high, high);
    }

    // Where the address says; else where the chosen row is most wrong about an organ; else where
    // most organs are.
    placeAsked() {
      const asked = new URLSearchParams(window.location.search);
      const { shape, organs } = this.facts;
      const given = ["d", "h", "w"].map((axis) => asked.get(axis));
      if (given.every((text) => text !== null && /^\d{1,6}$/.test(text))) {
        return given.map((text, axis) => clamp(Number(text), 0, shape[axis] - 1));
      }
      const organ = organs.find((each) => each.name === asked.get("organ"));
      const [truth, found] = [this.truth, this.found([...this.shown][0])];
      if (organ && found) {
        const isWrong = (i) => (truth[i] === organ.value) !== (found[i] === organ.value);
        const worst = worstPlace(isWrong, shape);
        if (worst) return worst;
      }
      const inOrgan = organ ? (i) => truth[i] === organ.value : (i) => truth[i] > 0;
      return worstPlace(inOrgan, shape, 7) ?? shape.map((n) => n >> 1);
    }

    async open() {
      const { facts, count } = this;
      [this.image, this.truth] = await Promise.all(
        [facts.image, facts.label].map((address) => bytesAt(address, count)));
      const rows = [...new Set([...this.shown, this.errorsOf])].filter(Boolean);
      const loading = rows.map((row) => this.load(row));
      const isLinked = new URLSearchParams(window.location.search).has("organ");
      if (isLinked) await Promise.all(loading);
      this.at = this.placeAsked();
      this.build();
      this.draw();
      this.reached("drawn");
      if (isLinked) this.element.scrollIntoView({ block: "nearest" });
      await Promise.all(loading);
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
      this.readChoices();
      await Promise.all([...this.shown, this.errorsOf].filter(Boolean).map((row) => this.load(row)));
      this.at = this.placeAsked();
      this.changed();
    }

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
        this.element.querySelector(".told")?.replaceChildren(`${row}: ${error.message}`);
      }
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

    draw() {
      this.known ??= this.scene();
      for (const plane of this.planes) plane.draw(this.at, this.known);
    }

    scene() {
      const { low, high } = this.facts.grey;
      const toUnit = (high - low) / 255 || 1;
      const greys = Uint8Array.from({ length: 256 }, (_, grey) => {
        const share = (low + grey * toUnit - this.low) / Math.max(this.high - this.low, toUnit);
        return clamp(Math.round(255 * share), 0, 255);
      });
      const shown = [...this.shown].filter((row) => this.found(row));
      // One row needs no outline of its own, and errors are told apart by their colours alone.
      const outlined = shown.length > 1 && !this.found(this.errorsOf) ? shown : [];
      const outlines = outlined.map(
        (row) => ({ voxels: this.found(row), colour: this.prediction(row).colour }));
      // Last, so that it lies on top.
      if (this.truthShown) outlines.push({ voxels: this.truth, colour: "#ffffff" });
      const { image, crosshair } = this;
      return { greys, image, crosshair, outlines, layers: this.layers(shown) };
    }

    layers(shown) {
      const errors = this.found(this.errorsOf);
      if (errors) {
        const { truth, kinds } = this;
        return [{ found: errors, truth, kinds, colours: this.errorColours, opacity: 0.85 }];
      }
      // Rows that agree look as one: together they cover as much as one does.
      const opacity = 1 - (1 - this.opacity / 100) ** (1 / Math.max(1, shown.length));
      return shown.map((row) => ({ found: this.found(row), colours: this.organColours, opacity }));
    }

    // What is shown is another, not only the place.
    changed() {
      this.known = null;
      this.moved();
    }

    // Draws once however far it has moved, tells what is where, and writes the address.
    moved() {
      if (!this.drawing) {
        this.drawing = requestAnimationFrame(() => {
          this.drawing = 0;
          this.draw();
          this.tell();
        });
      }
      clearTimeout(this.writing);
      this.writing = setTimeout(() => this.writeAddress(), ADDRESS_AFTER_MS);
    }

    writeAddress() {
      const url = new URL(window.location);
      const { facts, at } = this;
      // The reader has gone elsewhere.
      if (!this.element.isConnected || url.pathname !== this.path) return;
      if ((url.searchParams.get("case") ?? facts.case) !== facts.case) return;
      const set = (name, value) =>
        value === null ? url.searchParams.delete(name) : url.searchParams.set(name, value);
      const { low, high } = facts.grey;
      set("case", facts.case);
      set("organ", null); // it has led to a slice, which is named below
      set("rows", [...this.shown].join(BETWEEN_ROWS) || NONE);
      set("seed", this.seed ?? null);
      set("errors", this.errorsOf || null);
      set("truth", this.truthShown ? null : "0");
      set("crosshair", this.crosshair ? null : "0");
      set("opacity", this.opacity === 45 ? null : this.opacity);
      set("low", this.low === low ? null : this.low);
      set("high", this.high === high ? null : this.high);
      ["d", "h", "w"].forEach((axis, index) => set(axis, at[index]));
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
      await Promise.all([...this.shown, this.errorsOf].filter(Boolean).map((row) => this.load(row)));
      this.changed();
    }

    toWorstSlice() {
      const row = this.errorsOf || [...this.shown][0];
      const found = this.found(row);
      if (!found) return;
      const { truth, kinds } = this;
      const place = worstPlace((i) => kinds[16 * truth[i] + found[i]] !== RIGHT, this.facts.shape);
      if (place) this.at = place;
      this.moved();
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

    toggle(name) {
      this[name] = !this[name];
      this.changed();
    }

    press(event) {
      if (event.target.matches("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
      const plane = this.planes.find((each) => each.canvas === event.target) ?? this.planes[0];
      const [along, down, across] = plane.axes;
      const far = event.shiftKey ? 10 : 1;
      const digit = /^Digit([1-9])$/.exec(event.code);
      const row = digit && this.rows[Number(digit[1]) - 1];
      const doings = {
        PageUp: () => this.move(along, this.at[along] + far),
        PageDown: () => this.move(along, this.at[along] - far),
        Home: () => this.move(along, plane.slices - 1),
        End: () => this.move(along, 0),
        ArrowUp: () => this.move(down, this.at[down] + far),
        ArrowDown: () => this.move(down, this.at[down] - far),
        ArrowLeft: () => this.move(across, this.at[across] + far),
        ArrowRight: () => this.move(across, this.at[across] - far),
        t: () => this.toggle("truthShown"),
        c: () => this.toggle("crosshair"),
        e: () => this.rows.length && this.toggleErrors(this.errorsOf || [...this.shown, ...this.rows][0]),
        m: () => this.toWorstSlice(),
        w: () => this.nextWindow(),
      };
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      const act = row ? () => (event.shiftKey ? this.toggleErrors(row) : this.toggleRow(row)) : doings[key];
      if (!act) return;
      event.preventDefault();
      act();
    }

    // Drag moves the crosshair; with Shift, right and down make the window wider and darker.
    drag(plane, event) {
      if (!(event.buttons & 1)) return;
      if (event.shiftKey) {
        const unit = (this.facts.grey.high - this.facts.grey.low) / 400;
        const [wider, darker] = [event.movementX * unit, event.movementY * unit];
        this.setWindow(this.low + darker - wider / 2, this.high + darker + wider / 2);
      } else {
        for (const [axis, place] of plane.locate(event)) this.move(axis, place);
      }
    }

    // ---- what is around the slices

    build() {
      const { facts } = this;
      this.sliders = this.planes.map((plane) => this.slider(plane));
      const figures = this.planes.map((plane, index) => this.figure(plane, this.sliders[index]));
      this.slices = make("div", { className: "slices" }, ...figures);
      this.place = make("output", { className: "place-told" });
      this.legend = make("div", { className: "legend" });
      this.element.replaceChildren(
        make("div", { className: "bar" }, this.caseChoice(), this.seedChoice(), this.rowButtons()),
        this.windowBar(), this.slices, this.place, this.legend,
        make("p", { className: "told", role: "status" }),
        make("details", {}, make("summary", {}, "Mouse and keys"), make("p", {}, HELP)));
      this.element.onkeydown = (event) => this.press(event);
      this.fit();
      this.sizes = new ResizeObserver(() => {
        if (this.fit()) this.draw();
      });
      this.sizes.observe(this.element);
      this.tell();
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

    figure(plane, slider) {
      const { canvas } = plane;
      canvas.onpointerdown = (event) => {
        canvas.setPointerCapture(event.pointerId);
        this.drag(plane, event);
      };
      canvas.onpointermove = (event) => this.drag(plane, event);
      canvas.addEventListener("wheel", (event) => {
        event.preventDefault();
        const far = event.shiftKey ? 10 : 1;
        const [along] = plane.axes;
        // Shift turns the wheel sideways.
        this.move(along, this.at[along] - Math.sign(event.deltaY || event.deltaX) * far);
      }, { passive: false });
      const sides = ["left", "right", "above", "below"];
      const letters = plane.letters.map((letter, i) => make("span", { className: `letter ${sides[i]}` }, letter));
      return make("figure", { className: `plane ${plane.name}` },
        make("div", { className: "frame" }, canvas, ...letters), slider);
    }

    slider(plane) {
      const [along] = plane.axes;
      const input = make("input", { type: "range", min: 0, max: plane.slices - 1, step: 1 });
      input.setAttribute("aria-label", `${plane.name} slice`);
      input.oninput = () => this.move(along, Number(input.value));
      const text = make("span", {});
      return make("label", { className: "slider" }, text, input);
    }

    caseChoice() {
      const { facts } = this;
      const select = make("select", { name: "case" },
        ...facts.cases.map((name) => make("option", { value: name, selected: name === facts.case }, name)));
      select.onchange = () => {
        const url = new URL(window.location);
        url.search = "";
        url.searchParams.set("case", select.value);
        url.searchParams.set("rows", [...this.shown].join(BETWEEN_ROWS) || NONE);
        if (this.seed !== undefined) url.searchParams.set("seed", this.seed);
        clearTimeout(this.writing);
        window.history.pushState({}, "", url);
        // What Dash's own links tell its location.
        window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
      };
      return make("label", {}, "Case ", select);
    }

    seedChoice() {
      const seeds = [...new Set(this.facts.predictions.map((each) => each.seed))].sort((a, b) => a - b);
      if (seeds.length < 2) return "";
      this.seedSelect = make("select", { name: "seed" },
        ...seeds.map((seed) => make("option", { value: seed }, String(seed))));
      this.seedSelect.onchange = () => this.chooseSeed(Number(this.seedSelect.value));
      return make("label", {}, "Seed ", this.seedSelect);
    }

    rowButtons() {
      this.truthButton = button("Ground truth", "T", () => this.toggle("truthShown"));
      this.rowParts = this.rows.map((row, index) => {
        const key = index < 9 ? String(index + 1) : "";
        const show = button(row, key, () => this.toggleRow(row));
        const swatch = make("i", { className: "swatch" });
        swatch.style.background = this.prediction(row).colour;
        show.prepend(swatch);
        const errors = button("errors", "", () => this.toggleErrors(row));
        errors.setAttribute("aria-label", `errors of ${row}`);
        const told = make("small", {});
        return { row, show, errors, told };
      });
      return make("div", { className: "rows" }, this.truthButton, ...this.rowParts.map(
        ({ show, errors, told }) => make("span", { className: "row" }, show, errors, told)));
    }

    windowBar() {
      const { grey, windows } = this.facts;
      const step = (grey.high - grey.low) / 255 || 1;
      const range = (min, max, set) => {
        const input = make("input", { type: "range", min, max, step: "any" });
        input.oninput = () => set(Number(input.value));
        return input;
      };
      const span = grey.high - grey.low;
      const middle = () => (this.low + this.high) / 2;
      this.levelInput = range(grey.low, grey.high, (level) => {
        const half = (this.high - this.low) / 2;
        this.setWindow(level - half, level + half);
      });
      this.widthInput = range(step, span, (width) => {
        const level = middle();
        this.setWindow(level - width / 2, level + width / 2);
      });
      this.opacityInput = range(0, 100, (opacity) => {
        this.opacity = Math.round(opacity);
        this.changed();
      });
      this.windowTold = make("output", {});
      const presets = windows.map(({ title, low, high }) =>
        button(title, "", () => this.setWindow(low, high)));
      return make("div", { className: "bar" },
        make("label", {}, "Level ", this.levelInput), make("label", {}, "Width ", this.widthInput),
        this.windowTold, ...presets,
        make("label", {}, "Opacity ", this.opacityInput),
        button("Most errors", "M", () => this.toWorstSlice()),
        this.crossButton = button("Crosshair", "C", () => this.toggle("crosshair")));
    }

    tell() {
      this.planes.forEach((plane, index) => {
        const [text, input] = this.sliders[index].childNodes;
        const place = this.at[plane.axes[0]];
        text.textContent = `${title(plane.name)} ${place + 1} of ${plane.slices}`;
        input.value = place;
        plane.canvas.dataset.slice = place;
      });
      pressed(this.truthButton, this.truthShown);
      pressed(this.crossButton, this.crosshair);
      for (const { row, show, errors, told } of this.rowParts) {
        pressed(show, this.shown.has(row));
        pressed(errors, this.errorsOf === row);
        const { dsc, seed } = this.prediction(row);
        const other = seed === this.seed ? "" : ` (seed ${seed})`;
        told.textContent = `${dsc === null ? "" : `DSC ${dsc.toFixed(3)}`}${other}`;
      }
      if (this.seedSelect) this.seedSelect.value = this.seed;
      this.levelInput.value = (this.low + this.high) / 2;
      this.widthInput.value = this.high - this.low;
      this.opacityInput.value = this.opacity;
      const digits = this.facts.grey.high - this.facts.grey.low > 20 ? 0 : 2;
      this.windowTold.textContent =
        `${this.low.toFixed(digits)} to ${this.high.toFixed(digits)} ${this.facts.grey.unit}`;
      this.tellPlace();
      this.tellLegend();
    }

    tellPlace() {
      const { facts, at } = this;
      const index = (at[0] * facts.shape[1] + at[1]) * facts.shape[2] + at[2];
      const organ = (value) => facts.organs[value - 1]?.title ?? "no organ";
      const said = [...this.shown].filter((row) => this.found(row))
        .map((row) => `${row}: ${organ(this.found(row)[index])}`);
      const { low, high, unit } = facts.grey;
      const intensity = low + (this.image[index] * (high - low)) / 255;
      this.place.textContent = [`d ${at[0]}, h ${at[1]}, w ${at[2]}`,
        `intensity ${intensity.toFixed(unit ? 0 : 2)} ${unit}`.trim(),
        `ground truth: ${organ(this.truth[index])}`, ...said].join("  |  ");
    }

    tellLegend() {
      const { organs, errors } = this.facts;
      const entry = (colour, text) => {
        const swatch = make("i", { className: "swatch" });
        swatch.style.background = colour;
        return make("span", { className: "entry" }, swatch, text);
      };
      const counts = this.errorsOf && this.errors(this.errorsOf);
      if (!counts) {
        this.legend.replaceChildren(...organs.map((organ) => entry(organ.colour, organ.title)));
        return;
      }
      const inCase = [0, 0, 0, 0];
      counts.forEach((count, index) => (inCase[index % 4] += count));
      this.legend.replaceChildren(
        make("b", {}, `Errors of ${this.errorsOf}, voxels: `),
        ...errors.map(({ title: name, colour }, index) => {
          const here = counts[4 * this.at[0] + index + 1];
          const told = entry(colour, `${name}: ${here} in this axial slice, ${inCase[index + 1]} in all`);
          Object.assign(told.dataset, { kind: name, here, all: inCase[index + 1] });
          return told;
        }));
    }

    leave() {
      clearTimeout(this.writing);
      cancelAnimationFrame(this.drawing);
      this.sizes?.disconnect();
    }
  }

  // ---- small things ----------------------------------------------------------------------------

  function make(tag, properties, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  function button(text, key, act) {
    const made = make("button", { type: "button", title: key && `Key ${key}`, onclick: act }, text);
    if (key) made.append(make("kbd", {}, key));
    return made;
  }

  function pressed(element, on) {
    element.setAttribute("aria-pressed", String(on));
  }

  // Red, green and blue of each value, three numbers each.
  function colourTable(coloured) {
    const table = new Uint8Array(3 * 256);
    for (const [value, colour] of coloured) {
      [1, 3, 5].forEach((start, i) => {
        table[3 * value + i] = parseInt(colour.slice(start, start + 2), 16);
      });
    }
    return table;
  }

  function numberOf(text, low, high, otherwise) {
    const number = text === null || text === "" ? NaN : Number(text);
    return Number.isFinite(number) ? clamp(number, low, high) : otherwise;
  }

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const title = (name) => name[0].toUpperCase() + name.slice(1);

  // ---- mounting: React puts the element into the page, and may change its address --------------

  async function mount(element) {
    const address = element.dataset.viewer;
    if (element.mounted === address) return;
    element.mounted = address;
    element.viewer?.leave();
    element.dataset.state = "opening";
    element.replaceChildren(make("p", { className: "soft" }, "Opening the case ..."));
    try {
      const facts = await (await fetched(address)).json();
      const viewer = new Viewer(element, facts);
      if (element.mounted !== address) return;
      element.viewer = viewer;
      await viewer.open();
    } catch (error) {
      element.dataset.state = "failed";
      element.replaceChildren(make("p", { role: "alert" }, `The case cannot be shown: ${error.message}`));
    }
  }

  const mountAll = () => document.querySelectorAll(".voxel-viewer[data-viewer]").forEach(mount);
  const start = () => {
    const watched = { childList: true, subtree: true, attributes: true, attributeFilter: ["data-viewer"] };
    new MutationObserver(mountAll).observe(document.body, watched);
    mountAll();
  };
  if (document.body) start();
  else document.addEventListener("DOMContentLoaded", start);

  // A link to another slice of the case that is open.
  const follow = () => {
    const asked = new URLSearchParams(window.location.search);
    for (const element of document.querySelectorAll(".voxel-viewer")) {
      const { viewer } = element;
      if (window.location.pathname !== viewer?.path) continue;
      if (!viewer.at || (asked.get("case") ?? viewer.facts.case) !== viewer.facts.case) continue;
      clearTimeout(viewer.writing);
      viewer.restore();
      if (asked.has("organ")) element.scrollIntoView({ block: "nearest" });
    }
  };
  window.addEventListener("_dashprivate_pushstate", follow);
  window.addEventListener("popstate", follow);

  // What the surfaces show follows from the address as it is now, slice and rows included.
  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.viewer = {
    search: (clicks) => {
      if (!clicks) return window.dash_clientside.no_update;
      document.querySelector(".voxel-viewer")?.viewer?.writeAddress();
      return window.location.search;
    },
  };
})();
