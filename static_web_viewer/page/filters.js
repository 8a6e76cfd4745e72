/* Filters: by values of columns, by ranges of numbers, by words, by a line drawn on the map; all at once.
   A song that a filter leaves out is greyed, not gone. */
"use strict";

soundEval.filters = (() => {
  const { songs, emit } = soundEval;
  const filters = {
    chosen: new Map(), // name of a text column -> Set of codes that are let through
    ranges: new Map(), // name of a column of numbers -> [low, high]
    drawn: null, // Uint8Array (n), the songs inside the line, or null
    words: "",
    shown: new Uint8Array(songs.n).fill(1),
    nShown: songs.n,
  };

  function apply() {
    const { chosen, ranges, drawn, words, shown } = filters;
    shown.fill(1);
    for (const [name, codes] of chosen) {
      const own = songs.columns.get(name).codes;
      keep((row) => codes.has(own[row]));
    }
    for (const [name, [low, high]] of ranges) {
      const { numbers } = songs.columns.get(name);
      keep((row) => numbers[row] >= low && numbers[row] <= high);
    }
    if (drawn) keep((row) => drawn[row]);
    if (words) keep(soundEval.search.matcher(words));
    filters.nShown = shown.reduce((sum, one) => sum + one, 0);
    emit("filter");
  }

  function keep(test) {
    for (let row = 0; row < songs.n; row++) if (filters.shown[row] && !test(row)) filters.shown[row] = 0;
  }

  /** Lets songs with this value through, or no longer if it was chosen. */
  function toggle(name, code) {
    const codes = filters.chosen.get(name) ?? new Set();
    if (!codes.delete(code)) codes.add(code);
    if (codes.size) filters.chosen.set(name, codes);
    else filters.chosen.delete(name);
    apply();
  }

  /** Lets only values from low to high through; a range of all values is no filter. */
  function between(name, low, high) {
    const column = songs.columns.get(name);
    if (low <= column.low && high >= column.high) filters.ranges.delete(name);
    else filters.ranges.set(name, [low, high]);
    apply();
  }

  /** Takes up one filter (`drawn` or `words`) or lays it down. */
  function set(name, value) {
    filters[name] = value;
    apply();
  }

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
    chosenIn: (name) => filters.chosen.get(name),
  });
})();
