// @ts-check
/* True distances: 1 - cosine of two songs' vectors, from the int8 steps of data/vectors.js. */
"use strict";

soundEval.distance = (() => {
  const { state } = soundEval;
  /** @type {TypedArray | null} (n * dim) */
  let steps = null;
  let squaredScale = new Float32Array(); // (dim)
  let norms = new Float32Array(); // (n), of the dequantised vectors
  let kept = { row: -1, distances: new Float32Array() };

  /** Takes what data.vectors_data (sound_eval/map) wrote.
      @param {VectorsData} vectors */
  function receive(vectors) {
    steps = soundEval.decodeArray(vectors.steps);
    const scale = soundEval.decodeArray(vectors.scale);
    squaredScale = Float32Array.from(scale, (size) => size * size);
    const dim = scale.length;
    norms = new Float32Array(steps.length / dim);
    for (let row = 0; row < norms.length; row++) {
      let sum = 0;
      for (let d = 0, at = row * dim; d < dim; d++, at++) sum += steps[at] * steps[at] * squaredScale[d];
      norms[row] = Math.sqrt(sum);
    }
  }

  /** Distances from one song to all (n); null until the vectors are there.
      @param {number} row @returns {Float32Array | null} */
  function from(row) {
    if (!steps) return null;
    if (kept.row === row) return kept.distances;
    const dim = squaredScale.length;
    const own = steps.subarray(row * dim, (row + 1) * dim);
    const query = squaredScale.map((size, d) => (size * own[d]) / (norms[row] || 1));
    const distances = new Float32Array(norms.length);
    for (let other = 0; other < distances.length; other++) {
      let dot = 0;
      for (let d = 0, at = other * dim; d < dim; d++, at++) dot += query[d] * steps[at];
      distances[other] = norms[other] ? Math.max(0, 1 - dot / norms[other]) : 1;
    }
    distances[row] = 0;
    kept = { row, distances };
    return distances;
  }

  const fromSelected = () => (state.selected < 0 ? null : from(state.selected));

  const farthest = (/** @type {Float32Array} */ distances) =>
    distances.reduce((most, distance) => Math.max(most, distance), 0);

  /** The `count` nearest other songs, nearest first, among those that `admits(row)`.
      @param {number} row @param {number} count @param {Test} admits */
  function nearest(row, count, admits = () => true) {
    const distances = from(row);
    /** @type {Near[]} */
    const found = [];
    if (!distances) return found;
    for (let other = 0; other < distances.length; other++) {
      const distance = distances[other];
      if (other === row || (found.length === count && distance >= found[count - 1].distance) || !admits(other))
        continue;
      let at = found.length;
      while (at > 0 && found[at - 1].distance > distance) at--;
      found.splice(at, 0, { row: other, distance });
      if (found.length > count) found.pop();
    }
    return found;
  }

  return { receive, from, fromSelected, farthest, nearest };
})();
soundEval.distances = soundEval.distance.from;
