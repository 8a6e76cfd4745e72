// @ts-check
/* Shapes drawn on the map, and which points lie in them. */
"use strict";

soundEval.shapes = (() => {
  /** The corners of what BokehJS calls a geometry: a lasso, or a box. */
  function corners(/** @type {DrawnGeometry} */ { type, x, y, x0, x1, y0, y1 }) {
    if (type === "poly") return Array.from(x, (one, i) => /** @type {[number, number]} */ ([one, y[i]]));
    return /** @type {[number, number][]} */ ([
      [x0, y0],
      [x1, y0],
      [x1, y1],
      [x0, y1],
    ]);
  }

  /** Which points (x, y) lie inside a polygon: those from which a ray crosses its sides an odd number of times. */
  function inside(/** @type {[number, number][]} */ polygon, /** @type {Numbers} */ x, /** @type {Numbers} */ y) {
    const found = new Uint8Array(x.length);
    for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
      const [xi, yi] = polygon[i];
      const [xj, yj] = polygon[j];
      const slope = (xj - xi) / (yj - yi);
      for (let row = 0; row < found.length; row++) {
        const isBeside = yi > y[row] !== yj > y[row];
        if (isBeside && x[row] < slope * (y[row] - yi) + xi) found[row] ^= 1;
      }
    }
    return found;
  }

  return { corners, inside };
})();
