"use strict";

const assert = require("node:assert/strict");
const test = require("node:test");
const { load } = require("./load.js");

const { STEPS, parse, toCss, between, ramp } = load("ramp").ramp;

test("a colour is the number that CSS writes, opaque unless it says", () => {
  assert.equal(parse("#0072b2"), 0x0072b2ff);
  assert.equal(parse("#d4d8de70"), 0xd4d8de70);
  for (const css of ["#000000ff", "#0a0b0c0d", "#ffffffff"]) assert.equal(toCss(parse(css)), css);
});

test("between two colours each part goes its own way", () => {
  assert.equal(between(0x000000ff, 0xff6402ff, 0.5), 0x803201ff);
  assert.equal(between(0x123456ff, 0xffffffff, 0), 0x123456ff);
  assert.equal(between(0x123456ff, 0xfedcbaff, 1), 0xfedcbaff);
});

test("a ramp has its stops at equal distances, and no jumps", () => {
  const stops = ["#0d0887", "#9410a2", "#e56a5d", "#f0f921"];
  const colours = ramp(stops);
  assert.equal(colours.length, STEPS);
  assert.deepEqual([0, 85, 170, 255].map((step) => colours[step]), stops.map(parse));
  const red = [...colours].map((colour) => colour >>> 24);
  assert.ok(red.every((value, step) => step === 0 || (value >= red[step - 1] && value - red[step - 1] < 4)));
});
