// What is wrong in a prediction, voxel by voxel, and where most of it lies.

export const [RIGHT, MISSED, INVENTED, WRONG] = [0, 1, 2, 3];

// Kind of error by 256 * truth + prediction; an organ that nobody annotated is not invented.
export function errorKinds(organs) {
  const scored = new Set(organs.filter((organ) => organ.scored).map((organ) => organ.value));
  const classes = organs.length + 1;
  const kinds = new Uint8Array(256 * classes);
  for (let truth = 0; truth < classes; truth++) {
    for (let found = 0; found < classes; found++) {
      const said = scored.has(found) ? found : 0;
      kinds[256 * truth + found] =
        said === truth ? RIGHT : said === 0 ? MISSED : truth === 0 ? INVENTED : WRONG;
    }
  }
  return kinds;
}

// Voxels of each kind of error in each axial slice: counts[4 * d + kind].
export function errorCounts(truth, found, kinds, [depth, height, width]) {
  const counts = new Uint32Array(4 * depth);
  const area = height * width;
  for (let d = 0; d < depth; d++) {
    for (let i = d * area, end = i + area; i < end; i++) {
      if (truth[i] | found[i]) counts[4 * d + kinds[256 * truth[i] + found[i]]]++;
    }
    counts[4 * d] = 0;
  }
  return counts;
}

// The axial slice with most voxels that `wrong` names, and such a voxel near their middle; of
// every so many voxels one is looked at.
export function worstPlace(wrong, [depth, height, width], every = 1) {
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
  const h = mean(places.map((i) => Math.floor(i / width)));
  const w = mean(places.map((i) => i % width));
  const distance = (i) => (Math.floor(i / width) - h) ** 2 + ((i % width) - w) ** 2;
  const best = places.reduce((a, b) => (distance(b) < distance(a) ? b : a));
  return [Math.floor(best / width), best % width];
}
