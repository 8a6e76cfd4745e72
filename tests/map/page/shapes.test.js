"use strict";

const assert = require("node:assert/strict");
const test = require("node:test");
const { load } = require("./load.js");

const { corners, inside } = load("shapes").shapes;

const isInside = (polygon, x, y) => inside(polygon, [x], [y])[0] === 1;

test("a lasso and a box have their corners", () => {
  assert.deepEqual(corners({ type: "poly", x: [0, 1, 2], y: [5, 6, 7] }), [[0, 5], [1, 6], [2, 7]]);
  assert.deepEqual(corners({ type: "rect", x0: 0, x1: 2, y0: 1, y1: 3 }), [[0, 1], [2, 1], [2, 3], [0, 3]]);
});

test("a polygon that is not convex leaves out its bay", () => {
  const bay = [[0, 0], [4, 0], [4, 4], [2, 1], [0, 4]];
  assert.ok(isInside(bay, 0.5, 2));
  assert.ok(isInside(bay, 3.5, 2));
  assert.ok(!isInside(bay, 2, 2));
  assert.ok(!isInside(bay, 5, 1));
});

test("points of a grid lie in a triangle as its three sides say, whichever way it is drawn", () => {
  const triangle = [[0.2, 0.1], [9.3, 2.2], [3.1, 8.7]];
  const x = Array.from({ length: 100 }, (_, i) => i % 10);
  const y = Array.from({ length: 100 }, (_, i) => Math.floor(i / 10));
  const isLeft = ([ax, ay], [bx, by], i) => (bx - ax) * (y[i] - ay) - (by - ay) * (x[i] - ax) > 0;
  const sides = triangle.map((corner, i) => [corner, triangle[(i + 1) % 3]]);
  const wanted = x.map((_, i) => Number(sides.every(([a, b]) => isLeft(a, b, i))));
  assert.ok(wanted.includes(1) && wanted.includes(0));
  assert.deepEqual([...inside(triangle, x, y)], wanted);
  assert.deepEqual([...inside(triangle.toReversed(), x, y)], wanted);
});

test("a line holds nothing", () => {
  assert.ok(!isInside([[0, 0], [4, 4]], 2, 2));
  assert.deepEqual([...inside([], [1], [1])], [0]);
});
