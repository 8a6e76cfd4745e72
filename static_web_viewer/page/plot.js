/* The Bokeh figure: filled, coloured, moved, and asked which song lies under a pointer.
   The frame of the figure is the whole window, so a pixel of the window is a pixel of the frame. */
"use strict";

soundEval.plot = (() => {
  const { data, songs, state, colours, byId } = soundEval;
  const MARGIN = 0.06; // of the free part of the window, around the whole map
  const STILL = 6; // pixels that a pointer may move between down and up for a click
  const [WIDE, CARD] = [1000, 336]; // pixels: a window in which the card has a place of its own, and its width with margins
  const MARK = { selected: 13, nearest: 5 }; // pixels that a mark is larger than a point
  const element = byId("map");
  let figure;
  let NDArray; // BokehJS's own class of typed columns, which it does not export
  let current = new Uint32Array(songs.n);

  const model = (name) => figure.document.get_model_by_name(name);
  const layer = (name) => figure.renderers.find((renderer) => renderer.name === name);
  const fill = (name, columns) => { layer(name).data_source.data = columns; };

  async function start() {
    await Bokeh.embed.embed_item(data.songs.figure, element);
    figure = Bokeh.documents[0].roots()[0];
    NDArray = layer("songs").data_source.data.colour.constructor;
    whole();
    paint();
    fill("doubts", columnsOf([...songs.trust.keys()].filter((row) => songs.trust[row] < 0.5)));
    new ResizeObserver(resized).observe(element);
  }

  const columnsOf = (rows) => ({ x: rows.map((row) => songs.x[row]), y: rows.map((row) => songs.y[row]) });

  /** Colours all songs anew. */
  function paint() {
    current = colours.ofSongs();
    fill("songs", { x: songs.x, y: songs.y, colour: new NDArray(current, [songs.n]) });
    const style = getComputedStyle(document.body);
    const ink = style.getPropertyValue("--ink").trim();
    layer("doubts").glyph.fill_color = style.getPropertyValue("--ground").trim();
    layer("marks").glyph.line_color = ink;
    layer("links").glyph.line_color = ink;
    layer("trail").glyph.line_color = ink;
    layer("names").glyph.text_color = ink;
  }

  /** Marks the selected song and its nearest, with lines between them, and the songs played. */
  function mark(nearest) {
    const rows = state.selected < 0 ? [] : [state.selected, ...nearest.map(({ row }) => row)];
    const size = rows.map((_, i) => data.songs.pointSize + (i ? MARK.nearest : MARK.selected));
    fill("marks", { ...columnsOf(rows), size });
    const from = columnsOf(rows.slice(1).map(() => state.selected));
    const to = columnsOf(rows.slice(1));
    fill("links", { x0: from.x, y0: from.y, x1: to.x, y1: to.y });
    fill("trail", columnsOf(state.trail));
  }

  /** What panel and card cover at the edges of the window, in pixels; the card's place is kept free where there is room. */
  function covered() {
    const { width, height } = element.getBoundingClientRect();
    const panel = byId("panel").getBoundingClientRect();
    if (panel.width > width / 2) return { left: 0, right: 0, top: panel.top + byId("panel").firstElementChild.offsetHeight, width, height };
    return { left: panel.right, right: width >= WIDE ? CARD : 0, top: 0, width, height };
  }

  /** Shows the whole map between panel and card, both axes in one scale. */
  function whole() {
    const { left, right, top, width, height } = covered();
    const [x0, x1, y0, y1] = [songs.x, songs.y].flatMap((values) => [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))]);
    const room = 1 + 2 * MARGIN;
    const unit = Math.max(((x1 - x0) * room) / (width - left - right), ((y1 - y0) * room) / (height - top)) || 0.01;
    show((x0 + x1) / 2 - ((left - right) / 2) * unit, (y0 + y1) / 2 + (top / 2) * unit, unit);
  }

  /** Puts a point of the map in the middle of the window; `unit` is the map's length of a pixel. */
  function show(x, y, unit) {
    const { width, height } = element.getBoundingClientRect();
    figure.x_range.setv({ start: x - (width / 2) * unit, end: x + (width / 2) * unit });
    figure.y_range.setv({ start: y - (height / 2) * unit, end: y + (height / 2) * unit });
  }

  function view() {
    const { x_range: x, y_range: y } = figure;
    return { x: (x.start + x.end) / 2, y: (y.start + y.end) / 2, unit: (x.end - x.start) / Math.max(1, lastWidth) };
  }

  let lastWidth = element.clientWidth;

  function resized() {
    const { x, y, unit } = view();
    lastWidth = element.clientWidth;
    show(x, y, unit);
  }

  /** Pixels of the window of a song's point. */
  function positionOf(row) {
    const { width, height, left, top } = element.getBoundingClientRect();
    const { x_range: x, y_range: y } = figure;
    return {
      x: left + ((songs.x[row] - x.start) / (x.end - x.start)) * width,
      y: top + ((y.end - songs.y[row]) / (y.end - y.start)) * height,
    };
  }

  /** The shown song nearest to a pixel of the map within `reach` pixels, or -1. */
  function songAt(px, py, reach) {
    const { unit } = view();
    const x = figure.x_range.start + px * unit;
    const y = figure.y_range.end - py * unit;
    let [best, least] = [-1, (reach * unit) ** 2];
    for (let row = 0; row < songs.n; row++) {
      const distance = (songs.x[row] - x) ** 2 + (songs.y[row] - y) ** 2;
      if (distance <= least && soundEval.filters.shown[row]) [best, least] = [row, distance];
    }
    return best;
  }

  /** Calls `listener` with the pixel of every click or touch on the map that is not a drag.
      BokehJS's own tap waits to see whether a second one follows; a person who clicks through songs is quicker. */
  function onTap(listener) {
    let down = { x: 0, y: 0 };
    element.addEventListener("pointerdown", (event) => { down = { x: event.clientX, y: event.clientY }; }, true);
    element.addEventListener("click", (event) => {
      if (Math.hypot(event.clientX - down.x, event.clientY - down.y) < STILL) listener(event.clientX, event.clientY);
    }, true);
  }

  return { start, paint, mark, whole, show, view, positionOf, songAt, onTap, model, element, colourOf: (row) => current[row] };
})();
soundEval.positionOf = soundEval.plot.positionOf;
soundEval.colourOf = soundEval.plot.colourOf;
