/* The panel: what to colour by and its legend, filters. */
"use strict";

soundEval.panel = (() => {
  const { songs, state, colours, filters, byId, emit } = soundEval;
  const { element } = soundEval.card;
  const MOST_VALUES = 200; // rows that a list shows at once

  const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });
  const readable = (name) => name.replaceAll("_", " ");

  function fillControls() {
    const names = [...songs.columns.keys()].filter((name) => name !== "citation");
    byId("color-by").replaceChildren(...names.map((name) => option(name, readable(name))), option(colours.DISTANCE, readable(colours.DISTANCE)));
    byId("color-by").value = state.colourBy;
    const texts = names.filter((name) => songs.columns.get(name).kind === "text");
    byId("filter-column").replaceChildren(...texts.map((name) => option(name, readable(name))));
    byId("filter-column").value = texts.includes(state.colourBy) ? state.colourBy : texts[0] ?? "";
    fillValues();
  }

  function fillValues() {
    const column = songs.columns.get(byId("filter-column").value);
    const values = column ? column.order.map((code) => option(code, `${column.values[code]} (${column.counts[code]})`)) : [];
    byId("filter-value").replaceChildren(option(-1, "all"), ...values);
    const chosen = column && filters.chosenIn(column.name);
    byId("filter-value").value = chosen?.size === 1 ? [...chosen][0] : -1;
  }

  function showLegend() {
    const column = songs.columns.get(state.colourBy);
    byId("legend").replaceChildren(...(column?.kind === "text" ? categories(column) : scale(column)));
  }

  function categories(column) {
    const chosen = filters.chosenIn(column.name);
    const { colours: byCode, order } = colours.ofCodes(column, chosen);
    const codes = (column.counts[0] ? [...order, 0] : order).slice(0, MOST_VALUES);
    return codes.map((code) => {
      const row = element("button", "", "category");
      row.type = "button";
      row.setAttribute("aria-pressed", String(Boolean(chosen?.has(code))));
      const dot = element("i", "");
      dot.style.background = colours.toCss(byCode[code]);
      row.append(dot, element("span", column.values[code] || "no value", "value"), element("span", column.counts[code], "number"));
      row.addEventListener("click", () => filters.toggle(column.name, code));
      return row;
    });
  }

  function scale(column) {
    const bar = element("div", "", "scale");
    bar.style.background = colours.gradient(!column);
    const distances = column ? null : soundEval.distance.fromSelected();
    if (!column && !distances) return [element("p", "Select a song to see how far all others are from it.", "hint")];
    const [low, high] = column ? [column.low, column.high] : [0, soundEval.distance.farthest(distances)];
    const ends = element("div", "", "ends");
    ends.append(element("span", +low.toPrecision(3)), element("span", +high.toPrecision(3)));
    return [bar, ends];
  }

  function showFilters() {
    const chips = [...filters.chosen].flatMap(([name, codes]) => [...codes].map((code) => chip(name, code)));
    byId("filters").replaceChildren(...chips);
    byId("count").textContent = filters.nShown === songs.n ? `${songs.n} songs` : `${filters.nShown} of ${songs.n} songs`;
    fillValues();
  }

  function chip(name, code) {
    const line = document.createElement("li");
    const button = element("button", `${readable(name)}: ${songs.columns.get(name).values[code] || "no value"} ×`);
    button.type = "button";
    button.addEventListener("click", () => filters.toggle(name, code));
    line.append(button);
    return line;
  }

  byId("color-by").addEventListener("change", ({ target }) => {
    state.colourBy = target.value;
    emit("colour");
  });
  byId("filter-column").addEventListener("change", fillValues);
  byId("filter-value").addEventListener("change", ({ target }) => filters.only(byId("filter-column").value, Number(target.value)));
  byId("panel-toggle").addEventListener("click", ({ currentTarget }) => {
    const shown = byId("panel").classList.toggle("open");
    currentTarget.setAttribute("aria-expanded", String(shown));
  });

  return { fillControls, showLegend, showFilters };
})();
