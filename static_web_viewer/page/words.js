// @ts-check
/* Songs and values of labels that hold words; neither case nor accents count. */
"use strict";

soundEval.words = (() => {
  const { songs } = soundEval;
  const { fold } = soundEval.text;
  const MOST_OFFERS = 9;
  /** @type {Map<string, string[]> | null} name of a text column -> its values, folded */
  let foldedValues = null;
  /** @type {string[] | null} */
  let foldedNames = null;

  /** Folded once, when it is first asked for. */
  function valuesByColumn() {
    const texts = [...songs.columns.values()].filter(({ kind }) => kind === "text");
    foldedValues ??= new Map(texts.map(({ name }) => [name, songs.textColumn(name).values.map(fold)]));
    return foldedValues;
  }

  function fileNames() {
    foldedNames ??= songs.names.map(fold);
    return foldedNames;
  }

  /** A function that tells whether a song holds every word in some text column or in its file name. */
  function matcher(/** @type {string} */ words) {
    const tests = fold(words).split(/\s+/).filter(Boolean).map(holds);
    return (/** @type {number} */ row) => tests.every((test) => test(row));
  }

  /** A function that tells whether a song holds one folded word. */
  function holds(/** @type {string} */ word) {
    const names = fileNames();
    const columns = Array.from(valuesByColumn(), ([name, values]) => ({
      codes: songs.textColumn(name).codes,
      found: values.map((value) => value.includes(word)),
    }));
    return (/** @type {number} */ row) =>
      names[row].includes(word) || columns.some(({ codes, found }) => found[codes[row]]);
  }

  /** Values that contain the words, those of few songs' columns first: [{name, code}]. */
  function find(/** @type {string} */ words) {
    const wanted = fold(words.trim());
    const byRarity = [...valuesByColumn()].toSorted((a, b) => a[1].length - b[1].length);
    const found = byRarity.flatMap(([name, values]) => {
      const codes = songs.textColumn(name).order.filter((code) => values[code].includes(wanted));
      return codes.slice(0, MOST_OFFERS).map((code) => ({ name, code }));
    });
    return found.slice(0, MOST_OFFERS);
  }

  return { matcher, find };
})();
