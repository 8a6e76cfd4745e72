// @ts-check
/* Names of the clusters over the map, each where its songs crowd, inside the free part of the window.
   Larger clusters are served first; a name that finds no room waits until the map is moved or zoomed. */
"use strict";

soundEval.names = (() => {
  const { data, songs, state, filters, plot, room, on, byId } = soundEval;
  const AROUND = 10; // pixels around the selected song that no name covers
  const column = songs.textColumn("cluster");
  const codeOf = ({ name }) => column.values.indexOf(name);
  const sizeOf = (cluster) => column.counts[codeOf(cluster)];

  const labels = data.songs.clusters
    .toSorted((a, b) => sizeOf(b) - sizeOf(a))
    .map((cluster) => {
      const node = soundEval.card.element("span", cluster.name);
      byId("names").append(node);
      return { node, x: cluster.x, y: cluster.y, code: codeOf(cluster) };
    });

  /** Where some clusters are chosen, the names of the others are faint like their songs. */
  function fade() {
    const chosen = filters.chosenIn("cluster");
    for (const { node, code } of labels) node.classList.toggle("greyed", chosen !== undefined && !chosen.has(code));
  }

  function selectedSong() {
    if (state.selected < 0) return [];
    const { x, y } = plot.positionOf(state.selected);
    return [room.boxAt(x - AROUND, y - AROUND, 2 * AROUND, 2 * AROUND)];
  }

  function place() {
    const parts = room.taken();
    const obstacles = [...parts, ...selectedSong()];
    // All before the first change, so that the page is laid out once.
    const sizes = labels.map(({ node }) => [node.offsetWidth, node.offsetHeight]);
    labels.forEach(({ node, ...at }, i) => {
      const [width, height] = sizes[i];
      const { x, y } = plot.pixelOf(at.x, at.y);
      const isSeen = room.isFree(room.boxAt(x, y, 0, 0), parts);
      const box = isSeen
        ? room.fit(room.boxAt(x - width / 2, y - height / 2, width, height), obstacles, width / 2 + height)
        : null;
      node.style.visibility = box ? "visible" : "hidden";
      if (!box) return;
      node.style.transform = `translate(${box.left}px, ${box.top}px)`;
      obstacles.push(box);
    });
  }

  on("filter", fade);

  return { place };
})();
