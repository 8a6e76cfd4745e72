// @ts-check
/* Colours as numbers 0xRRGGBBAA, as BokehJS takes them in a uint32 array, and what lies between two. */
"use strict";

soundEval.ramp = (() => {
  const STEPS = 256;

  /** The colour that CSS calls #rrggbb or #rrggbbaa. */
  function parse(/** @type {string} */ css) {
    const hex = css.slice(1);
    return Number.parseInt(hex.length === 6 ? `${hex}ff` : hex, 16);
  }

  const toCss = (/** @type {number} */ colour) => `#${colour.toString(16).padStart(8, "0")}`;

  /** A share of the way from one opaque colour to another. */
  function between(/** @type {number} */ from, /** @type {number} */ to, /** @type {number} */ share) {
    const part = (/** @type {number} */ shift) =>
      Math.round(((from >>> shift) & 255) * (1 - share) + ((to >>> shift) & 255) * share);
    return ((part(24) << 24) | (part(16) << 16) | (part(8) << 8) | 255) >>> 0;
  }

  /** STEPS colours from the first to the last stop, at equal distances. */
  function ramp(/** @type {string[]} */ stops) {
    const colours = stops.map(parse);
    return Uint32Array.from({ length: STEPS }, (_, step) => {
      const place = (step / (STEPS - 1)) * (stops.length - 1);
      const left = Math.min(Math.floor(place), stops.length - 2);
      return between(colours[left], colours[left + 1], place - left);
    });
  }

  return { STEPS, parse, toCss, between, ramp };
})();
