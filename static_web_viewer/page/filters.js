/* Songs and their columns, and the filters on them. A song that a filter leaves out is greyed, not gone. */
"use strict";

soundEval.songs = (() => {
  const { data, decodeArray } = soundEval;
  const { names, audio, encodedSuffix, titleColumn } = data.songs;
  const columns = new Map(data.songs.columns.map((column) => [column.name, prepare(column)]));
  const positions = decodeArray(data.songs.positions);
  const audioKinds = decodeArray(audio);
  const AS_NAMED = 1;

  function prepare(column) {
    if (column.kind === "number") {
      const numbers = decodeArray(column.values);
      const known = numbers.filter((value) => !Number.isNaN(value));
      return { ...column, numbers, low: known.reduce((a, b) => Math.min(a, b), Infinity), high: known.reduce((a, b) => Math.max(a, b), -Infinity) };
    }
    const codes = decodeArray(column.codes);
    const counts = new Uint32Array(column.values.length);
    for (const code of codes) counts[code]++;
    const order = [...counts.keys()].slice(1).sort((a, b) => counts[b] - counts[a]);
    return { ...column, codes, counts, order };
  }

  /** A song's value in a column as text. */
  function text(row, name) {
    const column = columns.get(name);
    if (!column) return "";
    if (column.kind === "text") return column.values[column.codes[row]];
    return Number.isNaN(column.numbers[row]) ? "" : String(+column.numbers[row].toPrecision(6));
  }

  const title = (row) => (titleColumn && text(row, titleColumn)) || names[row].split("/").at(-1);

  /** Where a song's sound lies beside the page, or null. */
  function address(row) {
    if (!audioKinds[row]) return null;
    const file = audioKinds[row] === AS_NAMED ? names[row] : names[row] + encodedSuffix;
    return `audio/${file.split("/").map(encodeURIComponent).join("/")}`;
  }

  return {
    n: names.length, names, columns, text, title, address,
    x: positions.filter((_, i) => i % 2 === 0),
    y: positions.filter((_, i) => i % 2 === 1),
    trust: decodeArray(data.songs.trust),
  };
})();

soundEval.filters = (() => {
  const { songs, emit } = soundEval;
  const chosen = new Map(); // name of a text column -> Set of codes that are let through
  const filters = { shown: new Uint8Array(songs.n).fill(1), nShown: songs.n };

  function apply() {
    filters.shown.fill(1);
    for (const [name, codes] of chosen) {
      const column = songs.columns.get(name);
      for (let i = 0; i < songs.n; i++) if (!codes.has(column.codes[i])) filters.shown[i] = 0;
    }
    filters.nShown = filters.shown.reduce((sum, one) => sum + one, 0);
    emit("filter");
  }

  /** Lets songs with this value through, or no longer if it was chosen. */
  function toggle(name, code) {
    const codes = chosen.get(name) ?? new Set();
    if (!codes.delete(code)) codes.add(code);
    if (codes.size) chosen.set(name, codes);
    else chosen.delete(name);
    apply();
  }

  /** Shows only one value of a column, or all of it (code -1). */
  function only(name, code) {
    if (code < 0) chosen.delete(name);
    else chosen.set(name, new Set([code]));
    apply();
  }

  function clear() {
    chosen.clear();
    apply();
  }

  return Object.assign(filters, { chosen, toggle, only, clear, chosenIn: (name) => chosen.get(name) });
})();
