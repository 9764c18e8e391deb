// The numbers of an axis, and how they are written.

const STEPS = [1, 2, 5];
const CLOCK = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
];

function written(value, digits = 6) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e7 || size < 1e-4)) {
    return value.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e");
  }
  return String(Number(value.toPrecision(digits)));
}

function clock(seconds, step = 1) {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return "–";
  const two = (number) => String(number).padStart(2, "0");
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (step >= 86400 || (step >= 3600 && time === "00:00")) {
    return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  }
  if (step >= 60) return time;
  const left = step < 1 ? `.${String(date.getMilliseconds()).padStart(3, "0")}` : "";
  return `${time}:${two(date.getSeconds())}${left}`;
}

function stepOf(span, most, isClock) {
  const rough = span / Math.max(1, most);
  if (isClock && rough > 0.5) {
    return CLOCK.find((step) => step >= rough) ?? 86400 * Math.ceil(rough / 86400);
  }
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * (STEPS.find((step) => step * power >= rough) ?? 10);
}

function ticks(low, high, step, offset = 0) {
  const found = [];
  const first = Math.ceil((low + offset) / step - 1e-9);
  for (let i = 0; i < 100; i++) {
    const at = (first + i) * step - offset;
    if (at > high + step * 1e-9) break;
    found.push(at);
  }
  return found;
}

function tickTexts(at, step, isClock) {
  if (isClock) return at.map((value) => clock(value, step));
  const size = Math.max(...at.map(Math.abs), step);
  if (size >= 1e6 || size < 1e-3) {
    const digits = Math.min(12, Math.max(1, Math.ceil(Math.log10(size / step)) + 1));
    return at.map((value) => (value === 0 ? "0" : written(value, digits)));
  }
  const places = Math.max(0, Math.min(12, -Math.floor(Math.log10(step) + 1e-9)));
  return at.map((value) => (value + 0).toFixed(places).replace(/^-(0(\.0*)?)$/, "$1"));
}

function extent(column, chosen = () => true) {
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < column.length; i++) {
    const value = column[i];
    if (value < low && chosen(i)) low = value;
    if (value > high && chosen(i)) high = value;
  }
  return [low, high];
}

// a range with something in it, for the numbers of an axis
function roomy([low, high]) {
  if (!(low <= high)) return [0, 1];
  if (low === high) {
    const more = Math.abs(low) / 10 || 1;
    return [low - more, high + more];
  }
  // what spans more than a float can
  return Number.isFinite(high - low) ? [low, high] : [low / 2, high / 2];
}
