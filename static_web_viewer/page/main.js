/* Puts the parts together: what a click, a key or a choice changes, and who shows it. */
"use strict";

(() => {
  const { data, songs, state, plot, player, card, panel, colours, on, emit, byId } = soundEval;
  const REACH = { mouse: 10, touch: 22 }; // pixels from a point that still count as on it

  soundEval.select = (row) => {
    state.selected = row;
    if (row >= 0) {
      state.trail.push(row);
      player.play(row);
    }
    emit("selected");
  };

  function showSelected() {
    card.show();
    plot.mark(card.nearest());
    if (state.colourBy === colours.DISTANCE) emit("colour");
  }

  function showColours() {
    plot.paint();
    panel.showLegend();
  }

  function tip(event) {
    const box = byId("tooltip");
    const row = event.buttons ? -1 : plot.songAt(event.offsetX, event.offsetY, REACH.mouse);
    box.hidden = row < 0;
    plot.element.style.cursor = row < 0 ? "" : "pointer";
    if (row < 0) return;
    box.firstElementChild.textContent = songs.title(row);
    box.lastElementChild.replaceChildren(...card.labels(row), ...distanceLine(row));
    const { x, y } = plot.positionOf(row);
    box.style.left = `${Math.min(x + 14, innerWidth - box.offsetWidth - 8)}px`;
    box.style.top = `${Math.min(y + 14, innerHeight - box.offsetHeight - 8)}px`;
  }

  function distanceLine(row) {
    const distances = soundEval.distance.fromSelected();
    return distances && row !== state.selected ? [card.element("dt", "distance"), card.element("dd", distances[row].toFixed(3))] : [];
  }

  async function start() {
    state.colourBy = data.songs.colour ?? "";
    panel.fillControls();
    await plot.start();
    on("selected", showSelected);
    on("colour filter", showColours);
    on("filter", panel.showFilters);
    emit("filter");
    plot.onTap((x, y) => soundEval.select(plot.songAt(x, y, matchMedia("(pointer: coarse)").matches ? REACH.touch : REACH.mouse)));
    plot.element.addEventListener("pointermove", tip);
    plot.element.addEventListener("pointerleave", () => { byId("tooltip").hidden = true; });
    byId("reset").addEventListener("click", plot.whole);
    byId("close").addEventListener("click", () => soundEval.select(-1));
    colours.dark.addEventListener("change", showColours);
    soundEval.distance.receive(await soundEval.load("vectors"));
    emit("selected");
  }

  soundEval.ready = start();
})();
