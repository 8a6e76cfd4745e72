// @ts-check
/* Texts as they are compared, and as files hold them. */
"use strict";

soundEval.text = (() => {
  /** Text as it is compared: without case and without accents. */
  const fold = (/** @type {string} */ text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

  const oneLine = (/** @type {string} */ text) => text.replace(/[\r\n]+/g, " ");

  /** A field of a CSV. A text that a spreadsheet would take for a formula gets an apostrophe before it. */
  function csvField(/** @type {string} */ text) {
    const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
  }

  return { fold, oneLine, csvField };
})();
