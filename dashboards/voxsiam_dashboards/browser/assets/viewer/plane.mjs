// One plane of a case, drawn on a canvas: greys, colours, outlines and the crosshair.

import { clamp, make } from "./elements.mjs";

export class Plane {
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
        const value = truth ? kinds[256 * truth[i] + found[i]] : found[i];
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
