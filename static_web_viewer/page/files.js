// @ts-check
/* The songs shown, as files to take away: a playlist and a table. */
"use strict";

soundEval.files = (() => {
  const { songs, filters, byId } = soundEval;
  const { oneLine, csvField } = soundEval.text;

  const rowsShown = () => [...songs.names.keys()].filter((row) => filters.shown[row]);

  /** M3U8: paths relative to the map's folder, so a playlist saved there plays. */
  function playlist(rows) {
    const path = (row) =>
      songs.file(row) ?? (songs.names[row].startsWith("#") ? `./${songs.names[row]}` : songs.names[row]);
    return `#EXTM3U\n${rows.map((row) => `#EXTINF:-1,${oneLine(songs.title(row))}\n${path(row)}\n`).join("")}`;
  }

  /** CSV of all columns, and of the distances to the selected song if there is one. */
  function table(rows) {
    const names = [...songs.columns.keys()];
    const distances = soundEval.distance.fromSelected();
    const value = (row, name) =>
      songs.columns.get(name)?.kind === "number" ? songs.text(row, name) : csvField(songs.text(row, name));
    const line = (row) => {
      const labels = names.map((name) => value(row, name));
      return [csvField(songs.names[row]), ...labels, ...(distances ? [distances[row].toFixed(4)] : [])];
    };
    const head = ["filename", ...names, ...(distances ? [soundEval.colours.DISTANCE] : [])].map(csvField);
    return [head, ...rows.map(line)].map((fields) => `${fields.join(",")}\r\n`).join("");
  }

  function save(name, type, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  byId("save-m3u8").addEventListener("click", () => save("songs.m3u8", "audio/x-mpegurl", playlist(rowsShown())));
  byId("save-csv").addEventListener("click", () => save("songs.csv", "text/csv", `\ufeff${table(rowsShown())}`));

  return { playlist, table };
})();
