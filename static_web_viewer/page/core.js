// @ts-check
/* The page's one global, `soundEval`: what the data files give, what the person has chosen, and who is told of changes.

   For scripts that drive the page (all else is internal):
     soundEval.drawn             a promise, kept when the map is drawn
     soundEval.ready             a promise, kept when the vectors are there too
     soundEval.state             {selected, playing, colourBy, ...}: rows of songs or -1, names of columns
     soundEval.select(row)       select a song and play it
     soundEval.positionOf(row)   {x, y} of a song's point in pixels of the window
     soundEval.colourOf(row)     its colour as 0xRRGGBBAA
     soundEval.distances(row)    Float32Array of cosine distances from a song to all
   A song is known by its row, 0 to n-1, in all arrays.

   Each file of the page puts one part on `soundEval` and uses only parts of files before it (sound_eval/map/page.py has
   the order); what a later file should know of is an event, `emit` and `on`. The files are plain scripts and not ES
   modules, because modules cannot import each other on a page that is opened from a disk (`file://`). There is no build
   step: what is here is what the page holds. types.d.ts says what each part offers and what Python gives the page. */
"use strict";

globalThis.soundEval = (() => {
  /** @type {{ songs: SongsData, vectors?: VectorsData }} */
  const data = /** @type {any} */ ({}); // the data files fill it
  /** @type {Record<string, ((value: any) => void)[]>} */
  const waiting = {};
  /** @type {Record<string, (() => void)[]>} */
  const listeners = {};

  /** Called by a data file: keeps `value` under `name` and wakes who waits for it. */
  function receive(name, value) {
    data[name] = value;
    (waiting[name] ?? []).forEach((resolve) => resolve(value));
  }

  /** Loads NAME.js from the folder of this build's data unless it is there; a promise of its value. */
  function load(name) {
    if (name in data) return Promise.resolve(data[name]);
    return new Promise((resolve, reject) => {
      (waiting[name] ??= []).push(resolve);
      const script = document.createElement("script");
      script.src = `${document.body.dataset.folder}/${name}.js`;
      script.addEventListener("error", () => reject(new Error(`${script.src} is missing beside the page`)));
      document.head.append(script);
    });
  }

  const TYPES = {
    int8: Int8Array,
    uint8: Uint8Array,
    uint16: Uint16Array,
    uint32: Uint32Array,
    float32: Float32Array,
    float64: Float64Array,
  };

  /** The typed array that data.encode_array (sound_eval/map) wrote.
      @param {EncodedArray} encoded @returns {TypedArray} */
  function decodeArray({ dtype, base64 }) {
    const text = atob(base64);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
    return new TYPES[dtype](bytes.buffer);
  }

  /** Calls `listener` after every `emit` of one of the named changes.
      @param {string} names @param {() => void} listener */
  function on(names, listener) {
    for (const name of names.split(" ")) (listeners[name] ??= []).push(listener);
  }

  /** Says that something has changed.
      @param {"selected" | "playing" | "ended" | "colour" | "filter"} name */
  function emit(name) {
    (listeners[name] ?? []).forEach((listener) => listener());
  }

  /** @type {{ selected: number, playing: number, colourBy: string, trail: number[] }} */
  const state = { selected: -1, playing: -1, colourBy: "", trail: [] };

  /** Selects a song, -1 for none.
      @param {number} row */
  function select(row) {
    state.selected = row;
    if (row >= 0) state.trail.push(row);
    emit("selected");
  }

  /** @type {<Id extends keyof Elements>(id: Id) => Elements[Id]} */
  const byId = (id) => /** @type {any} */ (document.getElementById(id));

  return { data, state, receive, load, decodeArray, on, emit, select, byId };
})();
