/* The card of the selected song: its labels, its citation, its true nearest songs. */
"use strict";

soundEval.card = (() => {
  const { songs, state, byId } = soundEval;
  const N_NEAREST = 10;

  function element(tag, text, className = "") {
    const node = document.createElement(tag);
    node.textContent = text;
    node.dir = "auto";
    node.className = className;
    return node;
  }

  /** Terms and values of a song's labels, as the children of a <dl>. */
  function labels(row) {
    return [...songs.columns.keys()]
      .filter((name) => name !== "citation" && name !== soundEval.data.songs.titleColumn && songs.text(row, name))
      .flatMap((name) => [element("dt", name), element("dd", songs.text(row, name))]);
  }

  const nearest = () => (state.selected < 0 ? [] : soundEval.distance.nearest(state.selected, N_NEAREST));

  function show() {
    const row = state.selected;
    byId("card").hidden = row < 0;
    if (row < 0) return;
    byId("song-title").textContent = songs.title(row);
    byId("labels").replaceChildren(...labels(row));
    byId("citation").textContent = songs.text(row, "citation");
    byId("nearest").replaceChildren(...nearest().map(item));
    byId("trust").textContent = songs.trust[row] < 0.5 ? "Its neighbours on the map are mostly not these: go by the list." : "";
  }

  function item({ row, distance }) {
    const line = document.createElement("li");
    const button = element("button", "");
    button.type = "button";
    button.dataset.row = row;
    button.append(element("span", songs.title(row), "title"), element("span", distance.toFixed(3), "distance"));
    button.addEventListener("click", () => soundEval.select(row));
    line.append(button);
    return line;
  }

  return { show, labels, nearest, element };
})();
