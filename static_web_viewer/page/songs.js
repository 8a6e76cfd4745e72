// @ts-check
/* The songs: names, columns of labels, places on the map, where their sound lies. */
"use strict";

soundEval.songs = (() => {
  const { data, decodeArray } = soundEval;
  const { names, audio, encodedSuffix, renamed, thumbnailSuffix, renamedThumbnails, titleColumn } = data.songs;
  /** @type {Map<string, Texts | Measured>} */
  const columns = new Map(data.songs.columns.map((column) => [column.name, prepare(column)]));
  const positions = decodeArray(data.songs.positions);
  const audioKinds = decodeArray(audio);
  const hasThumbnail = decodeArray(data.songs.thumbnails);
  const AS_NAMED = 1;

  /** A column as it is used: counts and order of its values, or its range.
      @param {EncodedTexts | EncodedNumbers} column @returns {Texts | Measured} */
  function prepare(column) {
    if (column.kind === "number") {
      const numbers = decodeArray(column.values);
      return { name: column.name, kind: "number", numbers, ...range(numbers) };
    }
    const codes = decodeArray(column.codes);
    const counts = new Uint32Array(column.values.length);
    for (const code of codes) counts[code]++;
    const order = [...counts.keys()].slice(1).toSorted((a, b) => counts[b] - counts[a]);
    return { ...column, codes, counts, order };
  }

  /** Least and largest value; NaN is left out.
      @param {Iterable<number>} numbers @returns {Extent} */
  function range(numbers) {
    let low = Infinity;
    let high = -Infinity;
    for (const value of numbers) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    return { low, high };
  }

  /** The text column of this name, which there is.
      @param {string} name */
  const textColumn = (name) => /** @type {Texts} */ (columns.get(name));

  /** The column of numbers of this name, which there is.
      @param {string} name */
  const numberColumn = (name) => /** @type {Measured} */ (columns.get(name));

  /** A song's value in a column as text.
      @param {number} row @param {string} name */
  function text(row, name) {
    const column = columns.get(name);
    if (!column) return "";
    if (column.kind === "text") return column.values[column.codes[row]];
    return Number.isNaN(column.numbers[row]) ? "" : String(column.numbers[row]);
  }

  /** What a song is called.
      @param {number} row @returns {string} */
  const title = (row) => (titleColumn && text(row, titleColumn)) || names[row].replace(/.*\//s, "");

  /** The file of a song's sound, relative to the page, or null.
      @param {number} row */
  function file(row) {
    if (!audioKinds[row]) return null;
    const usual = audioKinds[row] === AS_NAMED ? `audio/${names[row]}` : `encoded/${names[row]}${encodedSuffix}`;
    return renamed[row] ?? usual;
  }

  /** The file of a song's spectrogram, or null.
      @param {number} row */
  const thumbnail = (row) =>
    hasThumbnail[row] ? (renamedThumbnails[row] ?? `thumbnails/${names[row]}${thumbnailSuffix}`) : null;

  /** A file as an address.
      @param {string} path */
  const address = (path) => path.split("/").map(encodeURIComponent).join("/");

  return {
    n: names.length,
    names,
    columns,
    textColumn,
    numberColumn,
    range,
    text,
    title,
    file,
    thumbnail,
    address,
    x: positions.filter((_, i) => i % 2 === 0),
    y: positions.filter((_, i) => i % 2 === 1),
    trust: decodeArray(data.songs.trust),
  };
})();
