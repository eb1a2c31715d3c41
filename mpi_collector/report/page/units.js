// Numbers with fitting units, as report/quantity.py writes them, and times.
const KEPT_NAMES = new Set(["requests", "threads", "connections", "hosts"]);

function scaleOf(scales, unit, largest) {  // [unit to show, divisor]
  const steps = scales[unit] || [["", 1]];
  if (!(largest > 0) || !Number.isFinite(largest)) {
    return steps.find(([shown]) => ["MB/s", "MiB", "ms"].includes(shown)) || steps[steps.length - 1];
  }
  return steps.find(([, divisor]) => largest >= divisor) || steps[steps.length - 1];
}

function axisScaleOf(scales, unit, largest) {  // likewise; the unit says what is counted
  const [shown, divisor] = scaleOf(scales, unit, largest);
  if (unit === "1/s") return [`${shown || "1"}/s`, divisor];
  return [KEPT_NAMES.has(unit) ? unit : shown, divisor];
}

function numberText(value, divisor = 1) {
  if (value === null || !Number.isFinite(value)) return "-";
  const x = value / divisor;
  if (x === 0) return "0";
  if (Math.abs(x) < 0.0005) return x > 0 ? "<0.001" : ">-0.001";
  const digits = Math.abs(x) < 1000 ? Math.max(0, 2 - Math.floor(Math.log10(Math.abs(x)))) : 0;
  return x.toFixed(Math.min(digits, 3));
}

function quantityText(scales, value, unit) {
  if (value === null || !Number.isFinite(value)) return "-";
  const [shown, divisor] = scaleOf(scales, unit, Math.abs(value));
  return `${numberText(value, divisor)} ${shown}`.trimEnd();
}

const spanText = (s) => s < 100 ? `${s.toPrecision(3)} s` : s < 6000 ? `${(s / 60).toPrecision(3)} min` : `${(s / 3600).toPrecision(3)} h`;

// UTC, the time of the browser's zone, or time since the start
class Clock {
  constructor(relative) {
    this.relative = relative;
    this.local = false;
  }

  offset(ms) {  // ms to add to UTC
    return this.local && !this.relative ? -new Date(ms).getTimezoneOffset() * 60000 : 0;
  }

  iso(ms) {
    return new Date(Math.round(ms + this.offset(ms))).toISOString();
  }

  get zone() {
    return this.relative ? "since the start" : this.local ? "local time" : "UTC";
  }

  time(ms, fine = false) {
    return this.iso(ms).slice(11, fine ? 23 : 19);
  }

  full(ms) {
    return this.iso(ms).slice(0, 23).replace("T", " ");
  }

  // what stands at the ticks of a time axis: the date where a day begins
  labels(ticks, step) {
    return ticks.map((ms) => {
      const text = this.iso(ms);
      if (!this.relative && text.slice(11, 23) === "00:00:00.000") return text.slice(5, 10);
      return step < 1000 ? text.slice(11, 23) : step < 60000 ? text.slice(11, 19) : text.slice(11, 16);
    });
  }
}

// ticks at round values
function niceStep(span, count) {
  const rough = span / count, power = 10 ** Math.floor(Math.log10(rough)), part = rough / power;
  return (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10) * power;
}

const TIME_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, ...[1, 2, 5, 10, 15, 30].map((s) => s * 1e3),
  ...[1, 2, 5, 10, 15, 30].map((m) => m * 6e4), ...[1, 2, 3, 6, 12, 24, 48, 168].map((h) => h * 36e5)];

function timeTicks(min, max, count, offset) {  // {at, step}, ms
  const step = TIME_STEPS.find((s) => (max - min) / s <= count) || niceStep(max - min, count);
  const at = [];
  for (let ms = Math.ceil((min + offset) / step) * step - offset; ms <= max; ms += step) at.push(ms);
  return { at, step };
}
