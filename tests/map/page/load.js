// Loads parts of the page that need no document, in the page's order, as a browser does; gives `soundEval`.
"use strict";

const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { runInThisContext } = require("node:vm");

const PAGE = join(__dirname, "..", "..", "..", "static_web_viewer", "page");

/** An array as sound_eval/map/data.py writes it. */
function encoded(array) {
  const dtype = array.constructor.name.replace("Array", "").toLowerCase();
  const base64 = Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");
  return { dtype, shape: [array.length], base64 };
}

/** Six songs: two genres, one without; a column of numbers, one without. */
const SONGS = {
  title: "Six songs",
  names: ["a/Élan.mp3", "a/two.mp3", "b/three.mp3", "b/four.mp3", "c/five.mp3", "c/#six.mp3"],
  columns: [
    {
      name: "genre",
      kind: "text",
      values: ["", "folk", "rock"],
      codes: encoded(Uint8Array.of(2, 2, 2, 1, 1, 0)),
    },
    { name: "bpm", kind: "number", values: encoded(Float64Array.of(60, 90, 120, 150, 180, NaN)) },
  ],
  titleColumn: null,
  colour: "genre",
  positions: encoded(Float32Array.of(0, 0, 1, 0, 2, 0, 0, 2, 1, 2, 2, 2)),
  trust: encoded(Float32Array.of(1, 1, 1, 1, 1, 0.2)),
  clusters: [],
  nInRun: 6,
  pointSize: 13,
  audio: encoded(Uint8Array.of(1, 2, 1, 0, 1, 1)),
  encodedSuffix: ".mp3",
  renamed: { 4: "renamed/0123.mp3" },
  thumbnails: encoded(Uint8Array.of(1, 0, 0, 0, 0, 0)),
  thumbnailSuffix: ".png",
  renamedThumbnails: {},
};

function load(...names) {
  const run = (name) => runInThisContext(readFileSync(join(PAGE, `${name}.js`), "utf8"), { filename: `${name}.js` });
  run("core");
  globalThis.soundEval.receive("songs", SONGS);
  names.forEach(run);
  return globalThis.soundEval;
}

module.exports = { load, encoded };
