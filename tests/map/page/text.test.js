"use strict";

const assert = require("node:assert/strict");
const test = require("node:test");
const { load } = require("./load.js");

const { fold, oneLine, csvField } = load("text").text;

test("texts are compared without case and accents, however these are written", () => {
  assert.equal(fold("CHÓRD"), "chord");
  assert.equal(fold("e\u0301"), fold("\u00e9"));
  assert.equal(fold("Straße"), "straße");
  assert.equal(fold("ﬁn"), "fin");
});

test("a line break becomes a space", () => {
  assert.equal(oneLine("a\r\nb\n\nc"), "a b c");
});

test("a field is quoted where a CSV needs it", () => {
  for (const [text, field] of [
    ["plain", "plain"],
    ["", ""],
    ["a,b", '"a,b"'],
    ['say "a"', '"say ""a"""'],
    ["two\nlines", '"two\nlines"'],
    ["two\rlines", '"two\rlines"'],
  ]) {
    assert.equal(csvField(text), field);
  }
});

test("what a spreadsheet would run is text", () => {
  for (const text of ["=1+1", "+1", "-1", "@a"]) assert.equal(csvField(text), `'${text}`);
  assert.equal(csvField("\t=1"), "'\t=1");
  assert.equal(csvField("=a,b"), `"'=a,b"`);
  assert.equal(csvField("a=b"), "a=b");
});
