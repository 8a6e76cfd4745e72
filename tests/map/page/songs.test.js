"use strict";

const assert = require("node:assert/strict");
const test = require("node:test");
const { load } = require("./load.js");

const { songs, words, filters, on } = load("text", "songs", "words", "filters");
const shown = () => [...filters.shown.keys()].filter((row) => filters.shown[row]);

test("labels, titles and files of songs", () => {
  assert.equal(songs.text(0, "genre"), "rock");
  assert.equal(songs.text(5, "genre") + songs.text(5, "bpm") + songs.text(0, "none"), "");
  assert.equal(songs.title(1), "two.mp3");
  assert.deepEqual(songs.textColumn("genre").order, [2, 1]);
  assert.deepEqual([songs.numberColumn("bpm").low, songs.numberColumn("bpm").high], [60, 180]);
  assert.deepEqual(
    [0, 1, 3, 4].map((row) => songs.file(row)),
    ["audio/a/Élan.mp3", "encoded/a/two.mp3.mp3", null, "renamed/0123.mp3"],
  );
  assert.deepEqual([songs.thumbnail(0), songs.thumbnail(1)], ["thumbnails/a/Élan.mp3.png", null]);
  assert.equal(songs.address("c/#six.mp3"), "c/%23six.mp3");
});

test("words are found in labels and file names", () => {
  const rows = (text) => songs.names.map((_, row) => row).filter(words.matcher(text));
  assert.deepEqual(rows("elan"), [0]);
  assert.deepEqual(rows("ROCK"), [0, 1, 2]);
  assert.deepEqual(rows("rock a/"), [0, 1]);
  assert.deepEqual(rows("rock folk"), []);
  assert.deepEqual(words.find("o"), [{ name: "genre", code: 2 }, { name: "genre", code: 1 }]);
});

test("filters hold together, and each change is told", () => {
  let told = 0;
  on("filter", () => told++);
  filters.toggle("genre", 2);
  assert.deepEqual([shown(), filters.nShown], [[0, 1, 2], 3]);
  filters.between("bpm", 90, 120);
  assert.deepEqual(shown(), [1, 2]);
  filters.set("drawn", Uint8Array.of(1, 1, 0, 0, 0, 0));
  assert.deepEqual(shown(), [1]);
  filters.set("words", "three");
  assert.deepEqual([shown(), filters.areOn()], [[], true]);
  filters.clear();
  assert.deepEqual([shown().length, filters.areOn(), told], [6, false, 5]);
});

test("values of one column add to each other; a value taken back is no filter", () => {
  filters.toggle("genre", 1);
  filters.toggle("genre", 0);
  assert.deepEqual(shown(), [3, 4, 5]);
  filters.toggle("genre", 1);
  filters.toggle("genre", 0);
  assert.deepEqual([shown().length, filters.areOn()], [6, false]);
});

test("a range leaves out songs without a number, a range of all numbers none", () => {
  filters.between("bpm", 0, 170);
  assert.deepEqual(shown(), [0, 1, 2, 3]);
  filters.between("bpm", 60, 180);
  assert.deepEqual([shown().length, filters.areOn()], [6, false]);
});
