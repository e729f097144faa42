// What the mouse, the wheel and the keys do.

export const HELP =
  "Wheel or PageUp, PageDown: slice (Shift: ten). Click, drag or arrow keys: move the " +
  "crosshair. Shift and drag: window. T ground truth, 1 to 9 rows, Shift and 1 to 9 errors of " +
  "a row, E errors, M slice with most errors, C crosshair, W next window.";

const far = (event) => (event.shiftKey ? 10 : 1);

export function press(viewer, event) {
  if (event.target.matches("input, select")) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const act = rowKey(viewer, event) ?? moveKey(viewer, event, key) ?? choiceKey(viewer, key);
  if (!act) return;
  event.preventDefault();
  act();
}

function rowKey(viewer, event) {
  const digit = /^Digit([1-9])$/.exec(event.code);
  const row = digit && viewer.rows[Number(digit[1]) - 1];
  if (!row) return undefined;
  return () => (event.shiftKey ? viewer.toggleErrors(row) : viewer.toggleRow(row));
}

function moveKey(viewer, event, key) {
  const plane = viewer.planes.find((each) => each.canvas === event.target) ?? viewer.planes[0];
  const [along, down, across] = plane.axes;
  const step = (axis, way) => () => viewer.move(axis, viewer.at[axis] + way * far(event));
  return {
    PageUp: step(along, 1),
    PageDown: step(along, -1),
    Home: () => viewer.move(along, plane.slices - 1),
    End: () => viewer.move(along, 0),
    ArrowUp: step(down, 1),
    ArrowDown: step(down, -1),
    ArrowLeft: step(across, 1),
    ArrowRight: step(across, -1),
  }[key];
}

function choiceKey(viewer, key) {
  const { errorsOf, shown, rows } = viewer;
  return {
    t: () => viewer.toggle("truthShown"),
    c: () => viewer.toggle("crosshair"),
    e: () => rows.length && viewer.toggleErrors(errorsOf || [...shown, ...rows][0]),
    m: () => viewer.toWorstSlice(),
    w: () => viewer.nextWindow(),
  }[key];
}

// A drag moves the crosshair; with Shift, right and down make the window wider and darker.
export function drag(viewer, plane, event) {
  if (!(event.buttons & 1)) return;
  if (event.shiftKey) {
    const { low, high } = viewer.facts.grey;
    const unit = (high - low) / 400;
    const [wider, darker] = [event.movementX * unit, event.movementY * unit];
    viewer.setWindow(viewer.low + darker - wider / 2, viewer.high + darker + wider / 2);
  } else {
    for (const [axis, place] of plane.locate(event)) viewer.move(axis, place);
  }
}

export function turn(viewer, plane, event) {
  event.preventDefault();
  const [along] = plane.axes;
  // Shift turns the wheel sideways.
  const way = Math.sign(event.deltaY || event.deltaX);
  viewer.move(along, viewer.at[along] - way * far(event));
}
