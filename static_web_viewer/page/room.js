// @ts-check
/* The free part of the window: what lies over the map keeps inside it, and clear of panel and card.
   A box is {left, top, right, bottom} in pixels of the window, as a DOMRect is. */
"use strict";

soundEval.room = (() => {
  const { byId } = soundEval;
  const GAP = 4; // pixels between a box and what it keeps clear of

  const BESIDE = 10; // pixels around a point that what is said of it leaves free

  /** The boxes of panel and card, where they are shown. */
  const taken = () =>
    [byId("panel"), byId("card")].map((part) => part.getBoundingClientRect()).filter(({ width }) => width);

  const boxAt = (left, top, width, height) => ({ left, top, right: left + width, bottom: top + height });
  const meet = (a, b, gap) =>
    a.left < b.right + gap && b.left < a.right + gap && a.top < b.bottom + gap && b.top < a.bottom + gap;

  const isFree = (box, obstacles) =>
    box.left >= GAP &&
    box.top >= GAP &&
    box.right <= innerWidth - GAP &&
    box.bottom <= innerHeight - GAP &&
    !obstacles.some((one) => meet(box, one, GAP));

  /** The box moved as little as brings it into the window, on whole pixels. */
  function inside({ left, top, right, bottom }) {
    const width = Math.ceil(right - left);
    const height = Math.ceil(bottom - top);
    const x = Math.max(GAP, Math.min(Math.round(left), innerWidth - GAP - width));
    const y = Math.max(GAP, Math.min(Math.round(top), innerHeight - GAP - height));
    return boxAt(x, y, width, height);
  }

  /** The free box nearest to a wanted one and at most `reach` pixels away from it, or null: the nearest lies where it
      was wanted or touches obstacles. */
  function fit(wanted, obstacles, reach) {
    const box = inside(wanted);
    const near = obstacles.filter((one) => meet(box, one, reach + GAP));
    if (isFree(box, near)) return box;
    const width = box.right - box.left;
    const height = box.bottom - box.top;
    const lefts = near.flatMap((one) => [Math.floor(one.left) - GAP - width, Math.ceil(one.right) + GAP]);
    const tops = near.flatMap((one) => [Math.floor(one.top) - GAP - height, Math.ceil(one.bottom) + GAP]);
    const places = [box.left, ...lefts].flatMap((left) =>
      [box.top, ...tops].map((top) => boxAt(left, top, width, height)),
    );
    const distance = ({ left, top }) => Math.hypot(left - box.left, top - box.top);
    const free = places.filter((one) => distance(one) <= reach && isFree(one, near));
    return free.toSorted((a, b) => distance(a) - distance(b))[0] ?? null;
  }

  /** The free box of a size beside a point: to its lower right, at one of its other corners, or else as near as there
      is room; null where there is none. */
  function beside({ x, y }, width, height) {
    const obstacles = [...taken(), boxAt(x - BESIDE, y - BESIDE, 2 * BESIDE, 2 * BESIDE)];
    const lefts = [x + BESIDE + GAP, x - BESIDE - GAP - width];
    const tops = [y + BESIDE + GAP, y - BESIDE - GAP - height];
    const corners = tops.flatMap((top) => lefts.map((left) => boxAt(left, top, width, height)));
    return corners.find((one) => isFree(one, obstacles)) ?? fit(corners[0], obstacles, Infinity);
  }

  return { taken, boxAt, isFree, fit, beside };
})();
