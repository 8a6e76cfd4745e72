// @ts-check
/* The Bokeh figure: filled, coloured, moved, and asked which song lies under a pointer.
   The frame of the figure is the whole window, so a pixel of the window is a pixel of the frame. */
"use strict";

soundEval.plot = (() => {
  const { data, songs, state, shapes, colours, byId } = soundEval;
  const MARGIN = 0.06; // of the free part of the window, around the whole map
  const STILL = 6; // pixels that a pointer may move between down and up for a click
  const WIDE = 1000; // pixels of a window in which the card has a place of its own
  const CARD = 336; // pixels of its width with margins
  const MARK = { selected: 13, nearest: 5 }; // pixels that a mark is larger than a point
  const EDGE = 24; // pixels that a revealed point keeps from panel and card
  const SMALL = { window: 720, factor: 0.65 }; // pixels of a window in which points are smaller
  const TRAIL = 15; // songs played that the trail goes back to
  const HOLE = 0.45; // of a hollow point, as a share of the point
  const OUTLINED = 5000; // songs up to which a point has an edge
  const element = byId("map");
  const pointSize = data.songs.pointSize * (Math.min(innerWidth, innerHeight) < SMALL.window ? SMALL.factor : 1);
  let figure;
  let fitted; // where the view begins when it shows the whole map
  let NDArray; // BokehJS's own class of typed columns, which it does not export
  let current = new Uint32Array(songs.n);

  const layer = (name) => figure.renderers.find((renderer) => renderer.name === name);
  const fill = (name, columns) => {
    layer(name).data_source.data = columns;
  };

  /** Whether WebGL here is drawn by the processor, which BokehJS's canvas does three to six times as quickly, or is not
      there at all. */
  function isSoftware() {
    const gl = document.createElement("canvas").getContext("webgl");
    const info = gl?.getExtension("WEBGL_debug_renderer_info");
    const renderer = gl && gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
    gl?.getExtension("WEBGL_lose_context")?.loseContext();
    return !renderer || /swiftshader|llvmpipe|softpipe|software|basic render/i.test(renderer);
  }

  async function start() {
    if (isSoftware()) data.songs.figure.doc.roots[0].attributes.output_backend = "canvas";
    const views = await Bokeh.embed.embed_item(data.songs.figure, element);
    figure = Bokeh.documents[0].roots()[0];
    views.get(figure).canvas.events_el.style.outline = "none"; // a frame round the whole window after every click
    NDArray = layer("songs").data_source.data.colour.constructor;
    layer("songs").glyph.radius = { value: pointSize / 2, units: "screen" };
    layer("doubts").glyph.radius = { value: (pointSize / 2) * HOLE, units: "screen" };
    whole();
    paint();
    if (!colours.doubtsAreFaint) doubt(); // else they are painted
    new ResizeObserver(resized).observe(element);
  }

  const columnsOf = (rows) => ({ x: rows.map((row) => songs.x[row]), y: rows.map((row) => songs.y[row]) });

  /** Colours all songs anew. */
  function paint() {
    current = colours.ofSongs();
    fill("songs", { x: songs.x, y: songs.y, colour: new NDArray(current, [songs.n]) });
    const style = getComputedStyle(document.body);
    const ink = style.getPropertyValue("--ink").trim();
    const ground = style.getPropertyValue("--ground").trim();
    layer("doubts").glyph.fill_color = ground;
    layer("songs").glyph.line_color = songs.n > OUTLINED ? null : ground;
    layer("marks").glyph.line_color = ink;
    layer("links").glyph.line_color = ink;
    layer("trail").glyph.line_color = ink;
  }

  /** Marks the selected song, the playing song and the true nearest, with lines to these, and the way of the songs
      played. */
  function mark(nearest) {
    const rows = nearest.map(({ row }) => row);
    const others = rows.map((row) => [row, MARK.nearest]);
    const main = [state.selected, state.playing]
      .filter((row, i, both) => row >= 0 && both.indexOf(row) === i)
      .map((row) => [row, MARK.selected]);
    const marks = [...main, ...others];
    fill("marks", { ...columnsOf(marks.map(([row]) => row)), size: marks.map(([, more]) => pointSize + more) });
    const from = columnsOf(rows.map(() => state.selected));
    const to = columnsOf(rows);
    fill("links", { x0: from.x, y0: from.y, x1: to.x, y1: to.y });
    fill("trail", columnsOf(state.trail.slice(-TRAIL)));
  }

  /** Shows, if wanted, which songs' neighbours on the map are not to be trusted: by holes in their points, on a large
      map by their colours. */
  function doubt() {
    if (colours.doubtsAreFaint) paint();
    else fill("doubts", columnsOf(colours.doubtsAreShown() ? [...songs.trust.keys()].filter(colours.isDoubtful) : []));
  }

  /** What a drag does: "pan", "lasso" or "box". */
  function drag(wanted) {
    for (const tool of figure.toolbar.tools)
      if (["pan", "lasso", "box"].includes(tool.name)) tool.active = tool.name === wanted;
  }

  /** Calls `listener` with the songs inside (Uint8Array) when a line has been drawn round some. */
  function onDrawn(listener) {
    figure.on_event("selectiongeometry", ({ geometry, final }) => {
      if (final && (geometry.type === "poly" || geometry.type === "rect"))
        listener(shapes.inside(shapes.corners(geometry), songs.x, songs.y));
    });
  }

  /** What panel and card cover at the edges of the window, in pixels; where there is room the card has its place even
      while hidden. */
  function covered() {
    const { width, height } = element.getBoundingClientRect();
    const [panel, card] = [byId("panel"), byId("card")].map((part) => part.getBoundingClientRect());
    const placeOfCard = width >= WIDE ? CARD : 0;
    if (panel.width < width / 2) {
      const right = card.width ? width - card.left : placeOfCard;
      return { left: panel.right, right, top: 0, bottom: 0, width, height };
    }
    const head = byId("panel").children[0].getBoundingClientRect();
    return { left: 0, right: 0, top: head.bottom, bottom: card.height ? height - card.top : 0, width, height };
  }

  /** Shows the whole map between panel and card, both axes in one scale. */
  function whole() {
    const { left, right, top, bottom, width, height } = covered();
    const { low: x0, high: x1 } = songs.range(songs.x);
    const { low: y0, high: y1 } = songs.range(songs.y);
    const room = 1 + 2 * MARGIN;
    const unit =
      Math.max(((x1 - x0) * room) / (width - left - right), ((y1 - y0) * room) / (height - top - bottom)) || 0.01;
    show((x0 + x1) / 2 - ((left - right) / 2) * unit, (y0 + y1) / 2 + ((top - bottom) / 2) * unit, unit);
    fitted = figure.x_range.start;
  }

  const isWhole = () => figure.x_range.start === fitted;

  /** Fits the whole map anew when panel or card come or go, unless the person has moved it. */
  function refit() {
    if (isWhole()) whole();
  }

  /** Moves the map as little as will bring a song's point out from under panel and card. */
  function reveal(row) {
    const { left, right, top, bottom, width, height } = covered();
    const { x: px, y: py } = positionOf(row);
    const dx = px - clamp(px, left + EDGE, width - right - EDGE);
    const dy = py - clamp(py, top + EDGE, height - bottom - EDGE);
    const { x, y, unit } = view();
    if (dx || dy) show(x + dx * unit, y - dy * unit, unit);
  }

  /** Makes the map larger by a factor, about the middle of what panel and card leave free. */
  function zoom(factor) {
    const { left, right, top, bottom } = covered();
    const { x, y, unit } = view();
    const gain = unit - unit / factor;
    show(x + ((left - right) / 2) * gain, y - ((top - bottom) / 2) * gain, unit / factor);
  }

  const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

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
    if (isWhole()) whole();
    else show(x, y, unit);
  }

  /** Pixels of the window of a place on the map. */
  function pixelOf(atX, atY) {
    const { width, height, left, top } = element.getBoundingClientRect();
    const { x_range: x, y_range: y } = figure;
    return {
      x: left + ((atX - x.start) / (x.end - x.start)) * width,
      y: top + ((y.end - atY) / (y.end - y.start)) * height,
    };
  }

  const positionOf = (row) => pixelOf(songs.x[row], songs.y[row]);

  /** Calls `listener` whenever the map has been moved or zoomed, by whatever. */
  function onMoved(listener) {
    for (const range of [figure.x_range, figure.y_range]) range.change.connect(listener);
  }

  /** The shown song nearest to a pixel of the map within `reach` pixels, or -1. */
  function songAt(px, py, reach) {
    const { unit } = view();
    const x = figure.x_range.start + px * unit;
    const y = figure.y_range.end - py * unit;
    let best = -1;
    let least = (reach * unit) ** 2;
    for (let row = 0; row < songs.n; row++) {
      const distance = (songs.x[row] - x) ** 2 + (songs.y[row] - y) ** 2;
      if (distance <= least && soundEval.filters.shown[row]) {
        best = row;
        least = distance;
      }
    }
    return best;
  }

  /** Calls `listener` with the pixel of every click or touch on the map that is not a drag.
      BokehJS's own tap waits to see whether a second one follows; a person who clicks through songs is quicker. */
  function onTap(listener) {
    let down = { x: 0, y: 0 };
    element.addEventListener(
      "pointerdown",
      (event) => {
        down = { x: event.clientX, y: event.clientY };
      },
      true,
    );
    element.addEventListener(
      "click",
      (event) => {
        if (Math.hypot(event.clientX - down.x, event.clientY - down.y) < STILL) listener(event.clientX, event.clientY);
      },
      true,
    );
  }

  return {
    start,
    paint,
    mark,
    doubt,
    drag,
    onDrawn,
    whole,
    zoom,
    refit,
    reveal,
    show,
    view,
    pixelOf,
    positionOf,
    songAt,
    onTap,
    onMoved,
    element,
    colourOf: (row) => current[row],
  };
})();
soundEval.positionOf = soundEval.plot.positionOf;
soundEval.colourOf = soundEval.plot.colourOf;
