// @ts-check
/* Walking through the songs: keys, next and previous, what is played when a song ends or a pointer rests. */
"use strict";

soundEval.walk = (() => {
  const { songs, state, filters, player, plot, on, byId } = soundEval;
  const DIRECTIONS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const ZOOM = 1.4; // times larger by a key
  const REST = 350; // milliseconds that a pointer rests on a song before it is played

  /** The shown song nearest on the map within 45 degrees of a direction, or -1. */
  function towards(from, [dx, dy]) {
    let best = -1;
    let least = Infinity;
    for (let row = 0; row < songs.n; row++) {
      const x = songs.x[row] - songs.x[from];
      const y = songs.y[row] - songs.y[from];
      const along = x * dx + y * dy;
      const aside = Math.abs(x * dy - y * dx);
      const distance = x * x + y * y;
      if (row !== from && along > aside && distance < least && filters.shown[row]) {
        best = row;
        least = distance;
      }
    }
    return best;
  }

  /** To the true nearest song that was not heard yet, so that going on does not go back. */
  function next() {
    if (state.selected < 0) return;
    const heard = new Set(state.trail);
    const [found] = soundEval.distance.nearest(state.selected, 1, (row) => filters.shown[row] === 1 && !heard.has(row));
    if (found) soundEval.select(found.row);
  }

  /** Back to the song before. */
  function previous() {
    if (state.trail.length < 2) return;
    const [before] = state.trail.splice(-2);
    soundEval.select(before);
  }

  function escape() {
    if (filters.areOn()) filters.clear();
    else soundEval.select(-1);
  }

  function find() {
    soundEval.panel.unfold(true);
    byId("search").focus();
  }

  const KEYS = {
    " ": player.toggle,
    n: next,
    p: previous,
    Escape: escape,
    "/": find,
    "+": () => plot.zoom(ZOOM),
    "=": () => plot.zoom(ZOOM),
    "-": () => plot.zoom(1 / ZOOM),
    0: plot.whole, // = is + without Shift
  };

  function key(event) {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox";
    if (event.ctrlKey || event.metaKey || event.altKey || (typing && event.key !== "Escape")) return;
    if (event.key === " " && event.target.closest?.("button, summary, input")) return;
    const direction = DIRECTIONS[event.key];
    const action = direction ? () => step(direction) : (KEYS[event.key] ?? KEYS[event.key.toLowerCase()]);
    if (!action) return;
    event.preventDefault();
    action();
  }

  function step(direction) {
    const row = state.selected < 0 ? 0 : towards(state.selected, direction);
    if (row >= 0) soundEval.select(row);
  }

  let timer = 0;

  /** Told which song the pointer is on, -1 for none. */
  function rest(row) {
    clearTimeout(timer);
    if (row < 0 || row === state.playing || !byId("hover-preview").checked) return;
    timer = setTimeout(() => player.play(row), REST);
  }

  document.addEventListener("keydown", key);
  byId("next").addEventListener("click", next);
  byId("previous").addEventListener("click", previous);
  on("ended", () => byId("play-on").checked && next());

  return { towards, next, previous, rest };
})();
