// A key that is pressed in a panel is the panel's: JupyterLab would take letters and arrows in a list,
// on a radio button or on a button for its shortcuts (x cuts the cell, d d deletes it).

if (!globalThis.mslNetworkHasKeys) {
  globalThis.mslNetworkHasKeys = true;
  const ours = ".msl-panel, .msl-dashboard";
  const mark = "data-lm-suppress-shortcuts";
  // on the window, since JupyterLab listens on the document
  window.addEventListener(
    "keydown",
    (event) => {
      const target = event.target;
      if (!(target instanceof Element) || !target.closest(ours)) return;
      const leaves = event.key === "Escape" || (event.shiftKey && event.key === "Enter");
      const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey && !leaves;
      target.toggleAttribute(mark, isPlain);
    },
    true,
  );
}
