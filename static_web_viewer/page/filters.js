// @ts-check
/* Filters: by values of columns, by ranges of numbers, by words, by a line drawn on the map; all at once.
   A song that a filter leaves out is greyed, not gone. */
"use strict";

soundEval.filters = (() => {
  const { songs, emit } = soundEval;
  const filters = {
    /** @type {Map<string, Set<number>>} name of a text column -> codes that are let through */
    chosen: new Map(),
    /** @type {Map<string, [number, number]>} name of a column of numbers -> low and high */
    ranges: new Map(),
    /** @type {Uint8Array | null} (n), the songs inside the line */
    drawn: null,
    words: "",
    shown: new Uint8Array(songs.n).fill(1),
    nShown: songs.n,
  };

  function apply() {
    const { chosen, ranges, drawn, words, shown } = filters;
    shown.fill(1);
    for (const [name, codes] of chosen) {
      const own = songs.textColumn(name).codes;
      keep((row) => codes.has(own[row]));
    }
    for (const [name, [low, high]] of ranges) {
      const { numbers } = songs.numberColumn(name);
      keep((row) => numbers[row] >= low && numbers[row] <= high);
    }
    if (drawn) keep((row) => drawn[row] === 1);
    if (words) keep(soundEval.words.matcher(words));
    filters.nShown = shown.reduce((sum, one) => sum + one, 0);
    emit("filter");
  }

  /** Greys the songs that do not pass.
      @param {Test} test */
  function keep(test) {
    for (let row = 0; row < songs.n; row++) if (filters.shown[row] && !test(row)) filters.shown[row] = 0;
  }

  /** Lets songs with this value through, or no longer if it was chosen.
      @param {string} name @param {number} code */
  function toggle(name, code) {
    const codes = filters.chosen.get(name) ?? new Set();
    if (!codes.delete(code)) codes.add(code);
    if (codes.size) filters.chosen.set(name, codes);
    else filters.chosen.delete(name);
    apply();
  }

  /** Lets only values from low to high through; a range of all values is no filter.
      @param {string} name @param {number} low @param {number} high */
  function between(name, low, high) {
    const column = songs.numberColumn(name);
    if (low <= column.low && high >= column.high) filters.ranges.delete(name);
    else filters.ranges.set(name, [low, high]);
    apply();
  }

  /** Takes up one filter (`drawn` or `words`) or lays it down. */
  function set(name, value) {
    filters[name] = value;
    apply();
  }

  /** Lets all values of a column through.
      @param {string} name */
  function all(name) {
    filters.chosen.delete(name);
    filters.ranges.delete(name);
    apply();
  }

  function clear() {
    filters.chosen.clear();
    filters.ranges.clear();
    Object.assign(filters, { drawn: null, words: "" });
    apply();
  }

  const areOn = () => Boolean(filters.chosen.size || filters.ranges.size || filters.drawn || filters.words);

  return Object.assign(filters, {
    apply,
    toggle,
    between,
    set,
    all,
    clear,
    areOn,
    chosenIn: (/** @type {string} */ name) => filters.chosen.get(name),
  });
})();
