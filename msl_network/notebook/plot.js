// The page's side of `Plot`: keeps the points, has them drawn, tells the kernel what it has.

const TELL = 5000; // ms between two messages to the kernel, which is busy for a moment with each

export default () => {
  const views = new Set();
  let points;
  let asked = 0; // the frame that the kernel was last told of
  let told = -Infinity;
  let lost = 0; // frames that came while the one before had not been drawn

  // whether the frame before has been drawn, if anybody wants to see it
  function drawFrame() {
    const isDrawn = ![...views].some((view) => view.isFresh);
    for (const view of views) {
      view.isFresh = true;
      view.schedule();
    }
    return isDrawn;
  }

  return {
    initialize({ model }) {
      const all = model.get("_all");
      points = new Points(model.get("most"));
      points.replace(all.names, all.first, numbers(all.values));
      model.on("msg:custom", (message, buffers) => {
        const columns = numbers(buffers[0]);
        let complete = true;
        if (message.all) points.replace(message.names, message.first, columns);
        else complete = points.extend(message.first, columns);
        if (!drawFrame()) lost += 1;
        // one word at a time: while a cell blocks they would pile up
        const now = performance.now();
        if (!complete || (message.heard >= asked && now - told > TELL)) {
          [asked, told] = [message.frame, now];
          model.send({ frame: message.frame, lost, all: !complete });
        }
      });
      model.on("change:x_label change:y_label change:clock", () => {
        for (const view of views) view.schedule();
      });
      model.send({ frame: 0, lost: 0, all: false });
    },

    render({ model, el }) {
      const view = new View(model, el, points);
      views.add(view);
      return () => {
        views.delete(view);
        view.close();
      };
    },
  };
};
