"use strict";

const assert = require("node:assert/strict");
const test = require("node:test");
const { load, encoded } = require("./load.js");

const { state, distance } = load("distance");
// vectors (6, 2) are steps times scale; the last is nothing
const STEPS = [[100, 0], [100, 10], [0, 10], [-100, 0], [50, 5], [0, 0]];
const SCALE = [0.01, 0.1];

/** 1 - cosine, written out. */
function plain(a, b) {
  const [p, q] = [a, b].map((row) => STEPS[row].map((step, d) => step * SCALE[d]));
  const dot = (u, v) => u[0] * v[0] + u[1] * v[1];
  return 1 - dot(p, q) / Math.sqrt(dot(p, p) * dot(q, q));
}

test("there is no distance before the vectors are there", () => {
  assert.equal(distance.from(0), null);
  assert.deepEqual(distance.nearest(0, 3), []);
});

test("distances are 1 - cosine of the vectors behind the steps", () => {
  distance.receive({ steps: encoded(Int8Array.from(STEPS.flat())), scale: encoded(Float32Array.from(SCALE)) });
  for (let row = 0; row < 5; row++) {
    for (let other = 0; other < 5; other++) {
      assert.ok(Math.abs(distance.from(row)[other] - (row === other ? 0 : plain(row, other))) < 1e-6);
    }
    assert.equal(distance.from(row)[5], 1);
  }
  assert.deepEqual([...distance.from(5)], [1, 1, 1, 1, 1, 0]);
  assert.equal(distance.farthest(distance.from(0)), 2);
});

test("the nearest come in order, without the song itself, and only those that are admitted", () => {
  const rows = (near) => near.map(({ row }) => row);
  assert.deepEqual(rows(distance.nearest(0, 9)), [1, 4, 2, 5, 3]);
  assert.deepEqual(rows(distance.nearest(0, 2)), [1, 4]);
  assert.deepEqual(rows(distance.nearest(0, 2, (row) => row > 1)), [4, 2]);
});

test("distances from the selected song", () => {
  assert.equal(distance.fromSelected(), null);
  state.selected = 2;
  assert.equal(distance.fromSelected()[2], 0);
});
