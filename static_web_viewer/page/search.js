// @ts-check
/* The search box: greys what does not match as one types, and offers values and songs that do. */
"use strict";

soundEval.search = (() => {
  const { songs, filters, words, byId } = soundEval;
  const { element } = soundEval.card;
  const box = byId("search");
  const list = byId("suggestions");
  let offers = [];
  let active = -1;

  function offer() {
    offers = box.value.trim() ? words.find(box.value) : [];
    list.replaceChildren(
      ...offers.map(({ name, code }, i) => {
        const { values, counts } = songs.textColumn(name);
        const line = element("li", "");
        line.id = `suggestion-${i}`;
        line.setAttribute("role", "option");
        line.append(
          element("span", values[code], "value"),
          element("span", counts[code] > 1 ? `${name} · ${counts[code]}` : name, "number"),
        );
        line.addEventListener("click", () => take(i));
        return line;
      }),
    );
    open(offers.length > 0);
  }

  function open(shown) {
    list.hidden = !shown;
    box.setAttribute("aria-expanded", String(shown));
    activate(-1);
  }

  /** Makes one offer the one that Enter takes, -1 for none; a reader of the screen is told. */
  function activate(i) {
    active = i;
    [...list.children].forEach((line, at) => line.setAttribute("aria-selected", String(at === i)));
    if (i < 0) return box.removeAttribute("aria-activedescendant");
    box.setAttribute("aria-activedescendant", list.children[i].id);
    list.children[i].scrollIntoView({ block: "nearest" });
  }

  /** Takes an offer: one song is selected, several are filtered to. */
  function take(i) {
    const { name, code } = offers[i];
    const { codes, counts } = songs.textColumn(name);
    clear();
    if (counts[code] === 1) soundEval.select(codes.indexOf(code));
    else filters.toggle(name, code);
    box.blur();
  }

  function clear() {
    box.value = "";
    open(false);
    filters.set("words", "");
  }

  /** Down and up go through the offers and, between last and first, back to the text. */
  function move(by) {
    if (list.hidden) open(offers.length > 0);
    if (!list.hidden) activate(((active + 1 + by + offers.length + 1) % (offers.length + 1)) - 1);
  }

  /** The list is closed first, what was typed is cleared second. */
  function escape() {
    if (!list.hidden) return open(false);
    clear();
    box.blur();
  }

  function enter() {
    if (active >= 0) take(active);
    else open(false);
  }

  const KEYS = { ArrowDown: () => move(1), ArrowUp: () => move(-1), Escape: escape, Enter: enter };

  function key(event) {
    event.stopPropagation();
    if (!KEYS[event.key] || event.isComposing) return;
    event.preventDefault();
    KEYS[event.key]();
  }

  box.addEventListener("input", () => {
    filters.set("words", box.value.trim());
    offer();
  });
  box.addEventListener("keydown", key);
  box.addEventListener("focus", offer);
  box.addEventListener("blur", () => open(false));
  // The box keeps the focus, so that a click comes before its blur closes the list.
  list.addEventListener("mousedown", (event) => event.preventDefault());

  return { clear };
})();
