// @ts-check
/* Puts the parts together: what a click or a choice changes, and who shows it. */
"use strict";

(() => {
  const { data, songs, state, plot, card, room, names, panel, colours, filters, walk, link, on, emit, byId } =
    soundEval;
  const REACH = { mouse: 10, touch: 22 }; // pixels from a point that still count as on it

  function showSelected() {
    card.show();
    plot.mark(card.nearest());
    plot.refit();
    if (state.selected >= 0) plot.reveal(state.selected);
    names.place();
    if (state.colourBy === colours.DISTANCE) emit("colour");
    link.write();
  }

  /** After a change of the window, the panel or the card. */
  function arrange() {
    plot.refit();
    names.place();
  }

  function showColours() {
    plot.paint();
    panel.showLegend();
    link.write();
  }

  function tip(event) {
    const box = byId("tooltip");
    const row = event.buttons ? -1 : plot.songAt(event.clientX, event.clientY, REACH.mouse);
    walk.rest(row);
    box.hidden = row < 0;
    plot.element.style.cursor = row < 0 ? "" : "pointer";
    if (row < 0) return;
    const [title, labels] = box.children;
    title.textContent = songs.title(row);
    labels.replaceChildren(...card.labels(row), ...distanceLine(row));
    const place = room.beside(plot.positionOf(row), box.offsetWidth, box.offsetHeight);
    box.style.visibility = place ? "visible" : "hidden";
    if (place) box.style.transform = `translate(${place.left}px, ${place.top}px)`;
  }

  function distanceLine(row) {
    const distances = soundEval.distance.fromSelected();
    return distances && row !== state.selected
      ? [card.element("dt", "distance"), card.element("dd", distances[row].toFixed(3))]
      : [];
  }

  /** What a drag on the map does. */
  function chooseTool({ target }) {
    const button = target.closest("[data-drag]");
    if (!button) return;
    for (const one of byId("drag").children) one.setAttribute("aria-pressed", String(one === button));
    plot.drag(button.dataset.drag);
  }

  function listen() {
    on("selected", showSelected);
    on("playing", () => state.playing === state.selected || plot.mark(card.nearest()));
    on("colour filter", showColours);
    on("filter", panel.showFilters);
    on("filter", panel.showCentral);
    plot.onTap((x, y) =>
      soundEval.select(plot.songAt(x, y, matchMedia("(pointer: coarse)").matches ? REACH.touch : REACH.mouse)),
    );
    plot.onMoved(names.place);
    plot.onDrawn((drawn) => filters.set("drawn", drawn));
    plot.element.addEventListener("pointermove", tip);
    plot.element.addEventListener("pointerleave", () => {
      byId("tooltip").hidden = true;
    });
    byId("reset").addEventListener("click", plot.whole);
    byId("drag").addEventListener("click", chooseTool);
    byId("show-trust").addEventListener("change", plot.doubt);
    byId("close").addEventListener("click", () => soundEval.select(-1));
    colours.dark.addEventListener("change", showColours);
  }

  async function start() {
    const address = location.hash;
    await soundEval.drawn;
    listen();
    panel.showFilters();
    panel.showLegend();
    for (const part of [plot.element, byId("panel"), byId("card")]) new ResizeObserver(arrange).observe(part);
    soundEval.distance.receive(await soundEval.load("vectors"));
    if (address) link.read();
  }

  state.colourBy = data.songs.colour ?? colours.DISTANCE;
  panel.fillControls();
  soundEval.drawn = plot.start();
  soundEval.ready = start();
})();
