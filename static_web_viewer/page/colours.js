// @ts-check
/* Colours: of categories, of numbers, of distances, in a light and a dark theme; numbers as in ramp.js. */
"use strict";

soundEval.colours = (() => {
  const { state } = soundEval;
  const { STEPS, parse, toCss, ramp } = soundEval.ramp;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const DISTANCE = "distance_to_selected";

  // After Okabe & Ito (2008). Any two of a theme stay apart for normal, red-blind, green-blind and blue-blind eyes,
  // which a test measures.
  const CATEGORIES = {
    light: ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#872dff", "#333333"],
    dark: ["#56b4e9", "#e69f00", "#009e73", "#d55e00", "#2d67c9", "#e5a3cb", "#f0e442", "#ffffff"],
  };
  const OTHER = { light: "#a3a8b0", dark: "#626873" };
  const MISSING = { light: "#cdd1d6", dark: "#43474f" };
  const GREYED = { light: "#d4d8de70", dark: "#3a3f4870" };
  // Plasma, a colour map of matplotlib (CC0), most striking end first, as far as it keeps a contrast of 3:1 with the
  // ground (WCAG 2.2, 1.4.11). Cut so, its hues stay further apart than those of viridis, which in the light theme
  // would all be blue and green.
  const SCALES = {
    light: ["#0d0887", "#43039e", "#6c00a8", "#9410a2", "#b42e8d", "#cf4c74", "#e56a5d"],
    dark: ["#f0f921", "#fcce25", "#fca636", "#f2844b", "#e16462", "#cc4778", "#b12a90"],
  };
  const GRADIENT_STOPS = 9;
  const DOUBTFUL = 0.5; // trust below which a song's surroundings on the map mislead
  // songs up to which doubtful points are hollow; with more, the holes are too small to see and take as long to draw
  // as the points
  const HOLLOW = 20_000;
  const FAINT = 0x59; // opacity, of 0xff, of their points where these are not hollow

  const doubtsAreFaint = soundEval.songs.n > HOLLOW;
  const doubtsAreShown = () => soundEval.byId("show-trust").checked;
  const isDoubtful = (row) => soundEval.songs.trust[row] < DOUBTFUL;

  const theme = () => (dark.matches ? "dark" : "light");

  const ramps = Object.fromEntries(
    Object.entries(SCALES).map(([name, stops]) => [name, { down: ramp(stops), up: ramp(stops.toReversed()) }]),
  );

  /** What is near or much stands out most from the ground. */
  const rampOf = (nearFirst) => ramps[theme()][nearFirst ? "down" : "up"];

  /** Colour of each code of a text column: one each for the most frequent values, one for the rest. */
  function ofCodes(column, chosen) {
    const palette = CATEGORIES[theme()];
    const colours = new Uint32Array(column.values.length).fill(parse(OTHER[theme()]));
    colours[0] = parse(MISSING[theme()]);
    const nNamed = column.order.length > palette.length ? palette.length - 1 : palette.length;
    named(column.order, nNamed, chosen).forEach((code, rank) => {
      colours[code] = parse(palette[rank]);
    });
    return colours;
  }

  /** The first `count` codes; a chosen one that comes later takes the place of the last that is not chosen, so that the
      others keep their colours. */
  function named(order, count, chosen) {
    const codes = order.slice(0, count);
    const later = chosen ? order.filter((code) => chosen.has(code) && !codes.includes(code)) : [];
    for (let rank = codes.length - 1; rank >= 0 && later.length; rank--)
      if (!chosen.has(codes[rank])) codes[rank] = later.shift();
    return codes;
  }

  /** Colours of all songs by values between low and high; NaN is missing. */
  function ofNumbers(values, low, high, nearFirst) {
    const steps = rampOf(nearFirst);
    const missing = parse(MISSING[theme()]);
    const factor = high > low ? (STEPS - 1) / (high - low) : 0;
    const colours = new Uint32Array(values.length);
    for (let i = 0; i < values.length; i++) {
      const step = Math.round((values[i] - low) * factor);
      colours[i] = Number.isNaN(step) ? missing : steps[Math.max(0, Math.min(STEPS - 1, step))];
    }
    return colours;
  }

  /** Colours of all songs as the person has chosen, those that a filter leaves out greyed. */
  function ofSongs() {
    const colours = unfiltered();
    const { shown } = soundEval.filters;
    const greyed = parse(GREYED[theme()]);
    const fainting = doubtsAreFaint && doubtsAreShown();
    for (let i = 0; i < colours.length; i++) {
      if (!shown[i]) colours[i] = greyed;
      else if (fainting && isDoubtful(i)) colours[i] = ((colours[i] & ~0xff) | FAINT) >>> 0;
    }
    return colours;
  }

  function unfiltered() {
    const { columns, n } = soundEval.songs;
    if (state.colourBy === DISTANCE) {
      const distances = soundEval.distance.fromSelected();
      return distances
        ? ofNumbers(distances, 0, soundEval.distance.farthest(distances), true)
        : new Uint32Array(n).fill(parse(OTHER[theme()]));
    }
    const column = columns.get(state.colourBy);
    if (!column) return new Uint32Array(n).fill(parse(CATEGORIES[theme()][0]));
    if (column.kind === "number") return ofNumbers(column.numbers, column.low, column.high, false);
    const colours = ofCodes(column, soundEval.filters.chosenIn(column.name));
    return Uint32Array.from(column.codes, (code) => colours[code]);
  }

  /** The ramp as a background in CSS. */
  function gradient(nearFirst) {
    const steps = rampOf(nearFirst);
    const last = steps.length - 1;
    const stops = Array.from(
      { length: GRADIENT_STOPS },
      (_, i) => steps[Math.floor((i * last) / (GRADIENT_STOPS - 1))],
    );
    return `linear-gradient(90deg, ${stops.map(toCss).join(",")})`;
  }

  return {
    DISTANCE,
    CATEGORIES,
    dark,
    doubtsAreFaint,
    doubtsAreShown,
    isDoubtful,
    theme,
    ofCodes,
    ofSongs,
    gradient,
  };
})();
