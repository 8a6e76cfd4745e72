// @ts-check
/* The card of the selected song: its labels, its citation, its true nearest songs. */
"use strict";

soundEval.card = (() => {
  const { songs, state, byId } = soundEval;
  const N_NEAREST = 10;
  const DECIMALS = 3; // of distances

  /** A new element with text in it.
      @template {keyof HTMLElementTagNameMap} Tag
      @param {Tag} tag @param {string} text @param {string} className */
  function element(tag, text, className = "") {
    const node = document.createElement(tag);
    node.textContent = text;
    node.dir = "auto";
    node.className = className;
    return node;
  }

  /** Terms and values of a song's labels, as the children of a <dl>. */
  function labels(row) {
    const shownElsewhere = new Set(["citation", soundEval.data.songs.titleColumn]);
    return [...songs.columns.keys()].flatMap((name) => {
      const text = shownElsewhere.has(name) ? "" : songs.text(row, name);
      return text ? [element("dt", name), element("dd", text)] : [];
    });
  }

  /** The true nearest songs, whether shown or greyed.
      @returns {Near[]} */
  const nearest = () => (state.selected < 0 ? [] : soundEval.distance.nearest(state.selected, N_NEAREST));

  function show() {
    const row = state.selected;
    byId("card").hidden = row < 0;
    if (row < 0) return;
    byId("song-title").textContent = songs.title(row);
    byId("labels").replaceChildren(...labels(row));
    byId("citation").textContent = songs.text(row, "citation");
    byId("nearest").replaceChildren(...nearest().map(item));
    byId("trust").textContent =
      `${Math.round(songs.trust[row] * 100)} % of its neighbours on the map are neighbours in truth.`;
    thumbnail(row);
  }

  /** The spectrogram of the song, low tones below, as the ground of the seek bar. */
  function thumbnail(row) {
    const image = byId("spectrogram");
    const file = songs.thumbnail(row);
    image.hidden = !file;
    if (file) image.src = songs.address(file);
  }

  /** A line of a list of songs, to click.
      @param {{ row: number, distance?: number }} song */
  function item({ row, distance }) {
    const line = document.createElement("li");
    const button = element("button", "");
    button.type = "button";
    button.dataset.row = String(row);
    button.append(
      element("span", songs.title(row), "title"),
      element("span", distance?.toFixed(DECIMALS) ?? "", "distance"),
    );
    button.addEventListener("click", () => soundEval.select(row));
    line.append(button);
    return line;
  }

  return { show, labels, nearest, item, element, DECIMALS };
})();
