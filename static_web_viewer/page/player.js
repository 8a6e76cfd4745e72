// @ts-check
/* The player: one audio element and the controls around it. */
"use strict";

soundEval.player = (() => {
  const { songs, state, emit, on, byId } = soundEval;
  const audio = byId("player");
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

  function play(row) {
    const file = songs.file(row);
    state.playing = file ? row : -1;
    note(file ? "" : "No sound beside the map for this song.");
    if (file) {
      audio.src = songs.address(file);
      start();
    } else {
      audio.removeAttribute("src");
      audio.load();
    }
    emit("playing");
  }

  /** Plays; a browser that wants a click first, or cannot read the file, says so under the controls. */
  function start() {
    audio.play().catch((error) => {
      if (error.name === "NotAllowedError") note("Press play to listen.");
      else if (error.name !== "AbortError") note("This browser cannot play the file.");
    });
  }

  function note(text) {
    byId("audio-note").textContent = text;
    byId("audio-note").hidden = !text;
  }

  function toggle() {
    if (state.playing < 0) return;
    if (audio.paused) start();
    else audio.pause();
  }

  function showState() {
    byId("play").classList.toggle("playing", !audio.paused);
    byId("seek").value = String(audio.duration ? audio.currentTime / audio.duration : 0);
    byId("time").textContent = audio.duration
      ? `${clock(audio.currentTime)} / ${clock(audio.duration)}`
      : clock(audio.currentTime);
  }

  for (const name of ["play", "pause", "timeupdate", "loadedmetadata", "emptied"])
    audio.addEventListener(name, showState);
  on("selected", () => (state.selected >= 0 ? play(state.selected) : audio.pause()));
  audio.addEventListener("playing", () => note(""));
  audio.addEventListener("ended", () => emit("ended"));
  byId("play").addEventListener("click", toggle);
  byId("seek").addEventListener("input", () => {
    if (audio.duration) audio.currentTime = Number(byId("seek").value) * audio.duration;
  });

  return { play, toggle };
})();
