// A plot on the page: drawn on a canvas, with a legend, to be read with the mouse or the keys.

const LIGHT = [
  "#0072b2", "#c2500a", "#00795b", "#a8467f", "#806400", "#5a4fcf", "#b3261e", "#4d4d4d",
];
const DARK = [
  "#5cb8ee", "#f5a04c", "#35c99a", "#e89cc9", "#e6d94a", "#b0a8ff", "#ff8f86", "#d0d0d0",
];
// not by colour alone: each line has marks of its own shape, a hundred pixels apart
const MARKS = ["circle", "square", "up", "diamond", "down", "cross", "bar", "plus"];
const MARK_EVERY = 100;
const SAY = 2000; // ms between two changes of what a screen reader is told

function element(tag, className, parent, attributes = {}) {
  const made = document.createElement(tag);
  made.className = className;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  parent.append(made);
  return made;
}

class View {
  constructor(model, el, points) {
    Object.assign(this, { model, points, range: null, cursor: null, drag: null });
    this.hidden = new Set();
    this.gutter = 0;
    this.said = -Infinity;
    el.classList.add("msl-plot");
    this.legend = element("div", "msl-plot-legend", el, { role: "group", "aria-label": "Series" });
    // the keys are for the plot: JupyterLab would restart its kernel on 0 0
    this.canvas = element("canvas", "msl-plot-canvas", el, {
      role: "img", tabindex: "0", "data-lm-suppress-shortcuts": "true",
    });
    this.foot = element("div", "msl-plot-foot", el);
    this.readout = element("span", "msl-plot-readout", this.foot);
    this.reset = element("button", "msl-plot-reset", this.foot, { type: "button" });
    this.reset.textContent = "Show all";
    this.reset.title = "Show all points again (0)";
    this.reset.onclick = () => this.zoom(null);
    this.el = el;
    this.listen();
    this.sizes = new ResizeObserver(() => this.schedule());
    this.sizes.observe(this.canvas);
    this.themes = new MutationObserver(() => this.schedule());
    for (const node of [document.documentElement, document.body]) {
      this.themes.observe(node, { attributes: true });
    }
    this.schedule();
  }

  close() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.later);
    this.sizes.disconnect();
    this.themes.disconnect();
  }

  schedule() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.isFresh = false;
      this.draw();
    });
  }

  // --- what a person does

  listen() {
    const canvas = this.canvas;
    canvas.onpointerdown = (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.drag = [event.offsetX, event.offsetX];
    };
    canvas.onpointermove = (event) => {
      if (this.drag) this.drag[1] = event.offsetX;
      this.point(this.nearest(this.valueAt(event.offsetX)));
    };
    canvas.onpointerup = () => {
      const [from, to] = this.drag ?? [0, 0];
      this.drag = null;
      if (Math.abs(to - from) > 5) {
        this.zoom([this.valueAt(Math.min(from, to)), this.valueAt(Math.max(from, to))]);
      }
    };
    canvas.onpointercancel = () => { this.drag = null; };
    canvas.onpointerleave = () => this.point(null);
    canvas.onblur = () => this.point(null);
    canvas.ondblclick = () => this.zoom(null);
    canvas.onkeydown = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !this.key(event)) return;
      event.preventDefault();
      event.stopPropagation();
    };
  }

  key(event) {
    const last = this.points.column(0).length - 1;
    const move = (by) => this.point(Math.min(last, Math.max(0, (this.cursor ?? last) + by)), true);
    const far = Math.max(1, Math.round(last / 20));
    switch (event.key) {
      case "ArrowLeft": move(event.shiftKey ? -far : -1); break;
      case "ArrowRight": move(event.shiftKey ? far : 1); break;
      case "Home": move(-Infinity); break;
      case "End": move(Infinity); break;
      case "Escape": this.point(null); break;
      case "0": this.zoom(null); break;
      case "+": this.zoomBy(0.5); break;
      case "-": this.zoomBy(2); break;
      default: return false;
    }
    return true;
  }

  zoom(range) {
    this.range = range && range[1] > range[0] ? range : null;
    this.schedule();
  }

  zoomBy(factor) {
    const [low, high] = this.shown;
    const x = this.points.column(0);
    const middle = this.cursor === null ? (low + high) / 2 : x[this.cursor];
    const half = ((high - low) / 2) * factor;
    const [first, last] = extent(x);
    if (middle - half <= first && middle + half >= last) this.zoom(null);
    else this.zoom([middle - half, middle + half]);
  }

  point(index, say = false) {
    this.cursor = index !== null && index >= 0 ? index : null;
    if (say) this.said = -Infinity;
    this.schedule();
  }

  nearest(value) {
    const x = this.points.column(0);
    let found = null;
    for (let i = 0, best = Infinity; i < x.length; i++) {
      const far = Math.abs(x[i] - value);
      if (far < best) [found, best] = [i, far];
    }
    return found;
  }

  valueAt(pixel) {
    const [low, high] = this.shown;
    const { left, width } = this.area;
    return low + ((Math.min(left + width, Math.max(left, pixel)) - left) / width) * (high - low);
  }

  // --- what is drawn

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const width = this.canvas.clientWidth;
    const height = this.canvas.clientHeight;
    if (!width || !height) return; // it is not on the page
    for (const [name, size] of [["width", width], ["height", height]]) {
      const pixels = Math.round(size * ratio);
      if (this.canvas[name] !== pixels) this.canvas[name] = pixels;
    }
    const context = this.canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    this.colours();
    const { names } = this.points;
    const x = this.points.column(0);
    const first = this.points.end - x.length;
    if (this.cursor !== null) {
      // it stays at its point while others are dropped
      const at = Math.max(0, Math.min(x.length - 1, this.cursor + this.first - first));
      this.cursor = x.length ? at : null;
    }
    this.first = first;
    this.shown = this.range ?? roomy(extent(x));
    if (!x.length) {
      this.area = { left: 0, width };
      context.fillStyle = this.ink;
      context.font = this.font;
      context.fillText("No points yet", 8, height / 2);
      this.tell(x, names);
      return;
    }
    const [low, high] = this.shown;
    const visible = names.flatMap((name, i) => (this.hidden.has(name) ? [] : [i]));
    const inside = this.range ? (i) => x[i] >= low && x[i] <= high : undefined;
    let range = [Infinity, -Infinity];
    for (const i of visible) {
      const [lowest, highest] = extent(this.points.column(i + 1), inside);
      range = [Math.min(range[0], lowest), Math.max(range[1], highest)];
    }
    this.axes(context, width, height, roomy(range));
    context.save();
    context.beginPath();
    const { left, top } = this.area;
    context.rect(left, top - 1, this.area.width, this.area.height + 2);
    context.clip();
    for (const i of visible) this.line(context, x, this.points.column(i + 1), i);
    this.marks(context, x, visible);
    context.restore();
    this.tell(x, names);
  }

  colours() {
    const style = getComputedStyle(this.el);
    const channels = (style.color.match(/[\d.]+/g) ?? [0, 0, 0]).map(Number);
    // light letters are those of a dark theme
    const isDark = 0.299 * channels[0] + 0.587 * channels[1] + 0.114 * channels[2] > 128;
    this.palette = isDark ? DARK : LIGHT;
    this.ink = style.color;
    this.grid = isDark ? "#ffffff2e" : "#0000001f";
    this.font = `12px ${style.fontFamily}`;
  }

  axes(context, width, height, [least, greatest]) {
    const isClock = this.model.get("clock");
    const [xLabel, yLabel] = ["x_label", "y_label"].map((name) => this.model.get(name));
    context.font = this.font;
    const top = yLabel ? 22 : 8;
    const bottom = xLabel ? 38 : 22;
    const tall = Math.max(10, height - top - bottom);
    // the range ends on a tick, so that the axis stands still while the values change a little
    const yStep = stepOf(greatest - least, tall / 40, false);
    const floor = Math.floor(least / yStep + 1e-9) * yStep;
    const ceiling = Math.ceil(greatest / yStep - 1e-9) * yStep;
    const yTicks = ticks(floor, ceiling, yStep);
    const yTexts = tickTexts(yTicks, yStep, false);
    const widest = Math.max(...yTexts.map((text) => context.measureText(text).width));
    // it only grows, so that nothing jumps to and fro
    this.gutter = Math.max(this.gutter, 8 * Math.ceil((widest + 10) / 8));
    const left = Math.min(this.gutter, width / 2);
    this.area = { left, top, width: Math.max(10, width - left - 14), height: tall };
    const [low, high] = this.shown;
    const offset = isClock ? -60 * new Date(low * 1000).getTimezoneOffset() : 0;
    const xStep = stepOf(high - low, this.area.width / (isClock ? 90 : 70), isClock);
    const xTicks = ticks(low, high, xStep, offset || 0);
    const xTexts = tickTexts(xTicks, xStep, isClock);
    this.toX = (value) => left + ((value - low) / (high - low)) * this.area.width;
    this.toY = (value) => top + (1 - (value - floor) / (ceiling - floor)) * tall;
    context.fillStyle = this.ink;
    context.strokeStyle = this.grid;
    context.lineWidth = 1;
    context.beginPath();
    context.textAlign = "right";
    context.textBaseline = "middle";
    yTicks.forEach((value, i) => {
      const at = Math.round(this.toY(value)) + 0.5;
      context.moveTo(left, at);
      context.lineTo(left + this.area.width, at);
      context.fillText(yTexts[i], left - 6, at);
    });
    context.textAlign = "center";
    context.textBaseline = "top";
    xTicks.forEach((value, i) => {
      const at = Math.round(this.toX(value)) + 0.5;
      context.moveTo(at, top);
      context.lineTo(at, top + tall);
      const half = context.measureText(xTexts[i]).width / 2;
      context.fillText(xTexts[i], Math.max(half, Math.min(width - half, at)), top + tall + 6);
    });
    context.stroke();
    const middle = left + this.area.width / 2;
    if (xLabel) context.fillText(xLabel, middle, top + tall + 23, this.area.width);
    context.textAlign = "left";
    if (yLabel) context.fillText(yLabel, 2, 2, width);
  }

  line(context, x, y, index) {
    const { toX, toY, shown: [low, high] } = this;
    context.strokeStyle = this.palette[index % this.palette.length];
    // without a graphics card a line of one pixel is drawn ten times faster than a thicker one
    context.lineWidth = x.length > this.area.width / 2 ? 1 : 2;
    context.lineJoin = "bevel";
    context.beginPath();
    const dense = this.points.sorted && x.length > 4 * this.area.width;
    let isDown = false;
    let [column, least, most, last] = [null, 0, 0, 0];
    // of the points in one column of pixels, the first, the least, the greatest and the last
    const flush = () => {
      if (column === null) return;
      for (const value of [least, most, last]) context.lineTo(column, toY(value));
    };
    for (let i = 0; i < x.length; i++) {
      if (!Number.isFinite(y[i]) || !Number.isFinite(x[i])) {
        flush();
        [isDown, column] = [false, null];
        continue;
      }
      if (this.points.sorted && ((i + 1 < x.length && x[i + 1] < low) || (i && x[i - 1] > high))) {
        continue;
      }
      const at = toX(x[i]);
      if (!dense) {
        if (isDown) context.lineTo(at, toY(y[i]));
        else if (Number.isFinite(y[i + 1])) context.moveTo(at, toY(y[i]));
        else context.rect(at - 1, toY(y[i]) - 1, 2, 2); // one that stands alone
        isDown = true;
        continue;
      }
      const here = Math.round(at);
      if (here === column) {
        least = Math.min(least, y[i]);
        most = Math.max(most, y[i]);
        last = y[i];
        continue;
      }
      flush();
      if (isDown) context.lineTo(here, toY(y[i]));
      else context.moveTo(here, toY(y[i]));
      [isDown, column, least, most, last] = [true, here, y[i], y[i], y[i]];
    }
    flush();
    context.stroke();
  }

  marks(context, x, visible) {
    const { toX, toY, area } = this;
    // marks stay with their points while new ones push them to the left
    const apart = 2 ** Math.ceil(Math.log2(Math.max(1, (x.length * MARK_EVERY) / area.width)));
    const first = this.points.end - x.length;
    for (const index of visible) {
      const y = this.points.column(index + 1);
      context.fillStyle = context.strokeStyle = this.palette[index % this.palette.length];
      const shift = Math.round((apart * (index % 4)) / 4);
      for (let i = (apart - ((first + shift) % apart)) % apart; i < x.length; i += apart) {
        if (Number.isFinite(y[i])) mark(context, markOf(index), toX(x[i]), toY(y[i]));
      }
      if (this.cursor !== null && Number.isFinite(y[this.cursor])) {
        context.beginPath();
        context.arc(toX(x[this.cursor]), toY(y[this.cursor]), 5, 0, 7);
        context.stroke();
      }
    }
    context.strokeStyle = this.ink;
    context.lineWidth = 1;
    if (this.cursor !== null) {
      context.beginPath();
      context.moveTo(toX(x[this.cursor]), area.top);
      context.lineTo(toX(x[this.cursor]), area.top + area.height);
      context.stroke();
    }
    if (this.drag) {
      context.fillStyle = this.grid;
      context.fillRect(this.drag[0], area.top, this.drag[1] - this.drag[0], area.height);
    }
  }

  // --- what is written

  tell(x, names) {
    const at = this.cursor ?? x.length - 1;
    const key = JSON.stringify([names, this.palette[0]]);
    if (key !== this.legendKey) {
      this.legendKey = key;
      this.makeLegend(names);
    }
    names.forEach((name, i) => {
      const text = written(this.points.column(i + 1)[at] ?? NaN);
      if (this.values[i].textContent !== text) this.values[i].textContent = text;
    });
    const where = x.length ? this.written(x[at]) : "";
    const label = this.model.get("x_label");
    const text = this.cursor === null ? "" : `at ${label ? `${label} ` : ""}${where}`;
    if (this.readout.textContent !== text) this.readout.textContent = text;
    this.reset.style.visibility = this.range ? "visible" : "hidden";
    if (performance.now() - this.said > SAY) {
      this.said = performance.now();
      this.canvas.setAttribute("aria-label", this.summary(x, names));
    } else {
      // not often, but always the last word
      this.later ??= setTimeout(() => {
        this.later = undefined;
        this.schedule();
      }, SAY + 100);
    }
  }

  written(x) {
    return this.model.get("clock") ? clock(x, 0.1) : written(x, 8);
  }

  summary(x, names) {
    if (!x.length) return "Plot without points";
    if (this.cursor !== null) {
      const value = (i) => written(this.points.column(i + 1)[this.cursor]);
      const each = names.map((name, i) => `${name} ${value(i)}`);
      return `At ${this.written(x[this.cursor])}: ${each.join(", ")}`;
    }
    const each = names.map((name, i) => {
      const y = this.points.column(i + 1);
      const [low, high] = extent(y);
      return `${name}: last ${written(y[y.length - 1])}, from ${written(low)} to ${written(high)}`;
    });
    const labels = ["y_label", "x_label"].map((name) => this.model.get(name)).filter(Boolean);
    const label = labels.join(" against ");
    return `Plot${label ? ` of ${label}` : ""}, ${x.length} points. ${each.join("; ")}`;
  }

  makeLegend(names) {
    this.legend.replaceChildren();
    this.values = names.map((name, i) => {
      const item = element("button", "msl-plot-series", this.legend, {
        type: "button", title: `Show or hide ${name}`,
        "aria-label": `Show ${name}`, "aria-pressed": String(!this.hidden.has(name)),
      });
      const swatch = element("canvas", "msl-plot-swatch", item, { "aria-hidden": "true" });
      const ratio = window.devicePixelRatio || 1;
      [swatch.width, swatch.height] = [24 * ratio, 12 * ratio];
      const context = swatch.getContext("2d");
      context.scale(ratio, ratio);
      context.fillStyle = context.strokeStyle = this.palette[i % this.palette.length];
      context.lineWidth = 1.5;
      context.beginPath();
      context.moveTo(0, 6);
      context.lineTo(24, 6);
      context.stroke();
      mark(context, markOf(i), 12, 6);
      element("span", "msl-plot-name", item).textContent = name;
      item.onclick = () => {
        if (!this.hidden.delete(name)) this.hidden.add(name);
        item.setAttribute("aria-pressed", String(!this.hidden.has(name)));
        this.schedule();
      };
      return element("span", "msl-plot-value", item);
    });
  }
}

// lines of one colour have different marks
function markOf(index) {
  return MARKS[(index + Math.floor(index / LIGHT.length)) % MARKS.length];
}

function mark(context, shape, x, y) {
  const r = 4;
  context.lineWidth = 2;
  context.beginPath();
  const corners = {
    square: [[-r, -r], [r, -r], [r, r], [-r, r]],
    up: [[0, -r], [r, r], [-r, r]],
    down: [[0, r], [r, -r], [-r, -r]],
    diamond: [[0, -r - 1], [r + 1, 0], [0, r + 1], [-r - 1, 0]],
    bar: [[-1.5, -r - 1], [1.5, -r - 1], [1.5, r + 1], [-1.5, r + 1]],
  }[shape];
  if (corners) {
    corners.forEach(([dx, dy]) => context.lineTo(x + dx, y + dy));
    context.fill();
  } else if (shape === "circle") {
    context.arc(x, y, r, 0, 7);
    context.fill();
  } else {
    const [a, b] = shape === "cross" ? [r, r] : [r + 1, 0];
    context.moveTo(x - a, y - b);
    context.lineTo(x + a, y + b);
    context.moveTo(x + b, y - a);
    context.lineTo(x - b, y + a);
    context.stroke();
  }
}
