// @ts-check
/* The panel: what to colour by and its legend, filters. */
"use strict";

soundEval.panel = (() => {
  const { songs, state, colours, filters, byId, emit, on } = soundEval;
  const { element, DECIMALS } = soundEval.card;
  const MOST_VALUES = 200; // rows that a list shows at once
  const SHOWN_DIGITS = 8; // of a number that is not whole

  const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });
  const readable = (name) => name.replaceAll("_", " ");

  function fillControls() {
    const names = [...songs.columns.keys()].filter((name) => name !== "citation");
    byId("color-by").replaceChildren(
      ...names.map((name) => option(name, readable(name))),
      option(colours.DISTANCE, readable(colours.DISTANCE)),
    );
    byId("color-by").value = state.colourBy;
    byId("filter-column").replaceChildren(...names.map((name) => option(name, readable(name))));
    byId("filter-column").value = state.colourBy;
    fillValues();
    if (!colours.doubtsAreFaint) return;
    for (const text of document.querySelectorAll(".doubt-look")) text.textContent = "faint";
  }

  /** The values that the filter offers, or the ends of its range. */
  function fillValues() {
    const column = songs.columns.get(byId("filter-column").value);
    const isNumber = column?.kind === "number";
    byId("filter-value").hidden = isNumber;
    byId("filter-range").hidden = !isNumber;
    if (isNumber) {
      const [low, high] = filters.ranges.get(column.name) ?? [column.low, column.high];
      byId("filter-low").value = String(low);
      byId("filter-high").value = String(high);
    } else if (column) {
      const chosen = filters.chosenIn(column.name);
      const mark = (code) => (chosen?.has(code) ? "✓ " : "");
      const values = column.order
        .slice(0, MOST_VALUES)
        .map((code) => option(code, `${mark(code)}${column.values[code]} (${column.counts[code]})`));
      byId("filter-value").replaceChildren(option(-1, chosen ? "show all again" : "all"), ...values);
      byId("filter-value").value = String(chosen?.size === 1 ? [...chosen][0] : -1);
    }
  }

  function showLegend() {
    const column = songs.columns.get(state.colourBy);
    // of the row that the keyboard is on, if it is
    const code = document.activeElement?.getAttribute("data-code");
    byId("legend").replaceChildren(...(column?.kind === "text" ? categories(column) : scale(column)));
    /** @type {HTMLElement | null} */
    const row = byId("legend").querySelector(`[data-code="${code}"]`);
    row?.focus({ preventScroll: true });
  }

  /** A row for each value, the most frequent first; of very many the first, and those that are chosen. */
  function categories(column) {
    const chosen = filters.chosenIn(column.name);
    const byCode = colours.ofCodes(column, chosen);
    const all = column.counts[0] ? [...column.order, 0] : column.order;
    const codes = all.filter((code, rank) => rank < MOST_VALUES || chosen?.has(code));
    const rest = all.length - codes.length;
    const more = rest > 0 ? [element("p", `and ${number(rest)} more; search finds them`, "hint")] : [];
    const rows = codes.map((code) => {
      const row = element("button", "", "category");
      row.type = "button";
      row.dataset.code = code;
      row.setAttribute("aria-pressed", String(Boolean(chosen?.has(code))));
      const dot = element("i", "");
      dot.style.background = soundEval.ramp.toCss(byCode[code]);
      row.append(
        dot,
        element("span", column.values[code] || "no value", "value"),
        element("span", number(column.counts[code]), "number"),
      );
      row.addEventListener("click", () => filters.toggle(column.name, code));
      return row;
    });
    return [...rows, ...more];
  }

  /** The ramp and its ends, of a column of numbers or, without one, of distances. */
  function scale(/** @type {Measured | undefined} */ column) {
    const bar = element("div", "", "scale");
    bar.style.background = colours.gradient(!column);
    const ends = element("div", "", "ends");
    if (column) {
      ends.append(end(column.low), end(column.high));
      return [bar, ends];
    }
    const distances = soundEval.distance.fromSelected();
    if (!distances) return [element("p", "Select a song to see how far all others are from it.", "hint")];
    ends.append(element("span", "0"), element("span", soundEval.distance.farthest(distances).toFixed(DECIMALS)));
    return [bar, ends];
  }

  /** The least or largest value as it is: rounded to three digits, the years 2004 to 2019 would be 2000 to 2020. Of a
      long fraction, what there is room for. */
  function end(value) {
    const node = element("span", String(Number.isInteger(value) ? value : Number(value.toPrecision(SHOWN_DIGITS))));
    node.title = String(value);
    return node;
  }

  function showFilters() {
    const values = [...filters.chosen].flatMap(([name, codes]) => [...codes].map((code) => valueChip(name, code)));
    const ranges = [...filters.ranges].map(([name, [low, high]]) =>
      chip(`${readable(name)}: ${low} to ${high}`, () => filters.all(name)),
    );
    const drawn = filters.drawn ? [chip("drawn on the map", () => filters.set("drawn", null))] : [];
    byId("filters").replaceChildren(...values, ...ranges, ...drawn);
    byId("panel-toggle").classList.toggle("filtering", filters.areOn());
    const { nInRun } = soundEval.data.songs;
    const all =
      songs.n === nInRun
        ? `${number(songs.n)} songs`
        : `${number(songs.n)} songs, drawn at random from ${number(nInRun)}`;
    byId("count").textContent = filters.nShown === songs.n ? all : `${number(filters.nShown)} of ${all}`;
    fillValues();
  }

  const number = (count) => count.toLocaleString("en");

  const valueChip = (name, code) =>
    chip(`${readable(name)}: ${songs.textColumn(name).values[code] || "no value"}`, () => filters.toggle(name, code));

  function chip(text, remove) {
    const line = document.createElement("li");
    const button = element("button", `${text} ×`);
    button.type = "button";
    button.title = "Remove this filter";
    button.addEventListener("click", remove);
    line.append(button);
    return line;
  }

  /** The most central songs of the clusters that are chosen, to click. */
  function showCentral() {
    const chosen = filters.chosenIn("cluster") ?? new Set();
    const names = new Set([...chosen].map((code) => songs.textColumn("cluster").values[code]));
    const rows = soundEval.data.songs.clusters.filter(({ name }) => names.has(name)).flatMap(({ central }) => central);
    byId("central").hidden = rows.length === 0;
    byId("central-songs").replaceChildren(...rows.map((row) => soundEval.card.item({ row })));
  }

  byId("color-by").addEventListener("change", () => {
    state.colourBy = byId("color-by").value;
    emit("colour");
  });
  byId("filter-column").addEventListener("change", fillValues);
  byId("filter-value").addEventListener("change", () => {
    const name = byId("filter-column").value;
    const { value } = byId("filter-value");
    if (value === "-1") filters.all(name);
    else filters.toggle(name, Number(value));
  });
  /** The number in a field; an empty one sets no bound.
      @param {"filter-low" | "filter-high"} id @param {number} otherwise */
  function bound(id, otherwise) {
    const { valueAsNumber } = byId(id);
    return Number.isNaN(valueAsNumber) ? otherwise : valueAsNumber;
  }

  function filterRange() {
    const { name, low, high } = songs.numberColumn(byId("filter-column").value);
    filters.between(name, bound("filter-low", low), bound("filter-high", high));
  }

  byId("filter-low").addEventListener("change", filterRange);
  byId("filter-high").addEventListener("change", filterRange);

  /** On a narrow or low window the panel is folded up until it is asked for, and again when a song's card needs the
      room. */
  function unfold(wanted) {
    byId("panel").classList.toggle("open", wanted);
    byId("panel-toggle").setAttribute("aria-expanded", String(wanted));
  }

  byId("panel-toggle").addEventListener("click", () => unfold(!byId("panel").classList.contains("open")));
  on("selected", () => state.selected >= 0 && unfold(false));
  unfold(matchMedia("(width > 720px) and (height > 500px)").matches);

  return { unfold, fillControls, showLegend, showFilters, showCentral };
})();
