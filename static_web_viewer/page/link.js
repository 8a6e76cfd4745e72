// @ts-check
/* The view in the address: #song=FILENAME&color=COLUMN&only.COLUMN=VALUE&range.COLUMN=LOW..HIGH&words=…
   A link opens the map as it was. Names that the map does not have are passed over. */
"use strict";

soundEval.link = (() => {
  const { songs, state, filters, emit, byId } = soundEval;
  let written = "";

  /** Where a text stands in a list, -1 for nowhere; accents may be written either way, as mail programs change them. */
  const find = (list, text) => {
    const at = list.indexOf(text);
    return at >= 0 || text === null ? at : list.findIndex((one) => one.normalize() === text.normalize());
  };

  function write() {
    const parameters = new URLSearchParams();
    if (state.selected >= 0) parameters.set("song", songs.names[state.selected]);
    parameters.set("color", state.colourBy);
    for (const [name, codes] of filters.chosen)
      for (const code of codes) parameters.append(`only.${name}`, songs.textColumn(name).values[code]);
    for (const [name, range] of filters.ranges) parameters.set(`range.${name}`, range.join(".."));
    if (filters.words) parameters.set("words", filters.words);
    written = `#${parameters}`;
    history.replaceState(null, "", written);
  }

  /** Takes up the view that the address tells. */
  function read() {
    if (location.hash === written || location.hash.length < 2) return;
    const parameters = new URLSearchParams(location.hash.slice(1));
    const colour = parameters.get("color");
    const offered = Array.from(byId("color-by").options, ({ value }) => value);
    if (colour !== null && offered.includes(colour)) state.colourBy = colour;
    byId("color-by").value = state.colourBy;
    filters.chosen.clear();
    filters.ranges.clear();
    for (const [name, value] of parameters) readFilter(...name.split(/\.(.*)/s), value);
    filters.words = byId("search").value = parameters.get("words") ?? "";
    filters.apply();
    const row = find(songs.names, parameters.get("song"));
    if (row >= 0 && row !== state.selected) soundEval.select(row);
    emit("colour");
  }

  function readFilter(kind, name, ...rest) {
    const column = songs.columns.get(name);
    const value = rest.at(-1);
    if (kind === "only" && column?.kind === "text") {
      const code = find(column.values, value);
      if (code >= 0) filters.chosen.set(name, (filters.chosen.get(name) ?? new Set()).add(code));
    }
    if (kind === "range" && column?.kind === "number") {
      const [low, high] = value.split("..").map(Number);
      if (low <= high) filters.ranges.set(name, [low, high]);
    }
  }

  addEventListener("hashchange", read);

  return { write, read };
})();
