/* Names of the clusters over the map, each where its songs crowd, inside the free part of the window.
   Larger clusters are served first; a name that finds no room waits until the map is moved or zoomed. */
"use strict";

soundEval.names = (() => {
  const { data, songs, state, plot, room, byId } = soundEval;
  const AROUND = 10; // pixels around the selected song that no name covers
  const column = songs.columns.get("cluster");
  const sizeOf = ({ name }) => column.counts[column.values.indexOf(name)];

  const labels = data.songs.clusters.toSorted((a, b) => sizeOf(b) - sizeOf(a)).map(({ name, x, y }) => {
    const node = soundEval.card.element("span", name);
    byId("names").append(node);
    return { node, x, y };
  });

  function selectedSong() {
    if (state.selected < 0) return [];
    const { x, y } = plot.positionOf(state.selected);
    return [room.boxAt(x - AROUND, y - AROUND, 2 * AROUND, 2 * AROUND)];
  }

  function place() {
    const parts = room.taken();
    const obstacles = [...parts, ...selectedSong()];
    const sizes = labels.map(({ node }) => [node.offsetWidth, node.offsetHeight]); // all before the first change, so that the page is laid out once
    labels.forEach(({ node, ...at }, i) => {
      const [width, height] = sizes[i];
      const { x, y } = plot.pixelOf(at.x, at.y);
      const isSeen = room.isFree(room.boxAt(x, y, 0, 0), parts);
      const box = isSeen ? room.fit(room.boxAt(x - width / 2, y - height / 2, width, height), obstacles, width / 2 + height) : null;
      node.style.visibility = box ? "visible" : "hidden";
      if (!box) return;
      node.style.transform = `translate(${box.left}px, ${box.top}px)`;
      obstacles.push(box);
    });
  }

  return { place };
})();
