// One chart: uPlot with the page's axes, phases behind the lines, and what is drawn once it is in sight.
const BORDER_TOP = 5, BORDER_BOTTOM = 24;
const LABEL = 68;  // px: width of the label of a time
const STEPS = 4;  // px a row must have for lines to become steps

function plainArray(values, first) {  // uPlot knows gaps as null; the first value holds from the begin of the first row
  const out = Array.from(values, (v) => Number.isNaN(v) ? null : v);
  if (first) out.unshift(out.length ? out[0] : null);
  return out;
}

function aloneIn(values) {  // indices of values between unknown ones, where a line would not be visible
  const out = [];
  for (let i = 0; i < values.length; i++) {
    if (values[i] !== null && (values[i - 1] ?? null) === null && (values[i + 1] ?? null) === null) out.push(i);
  }
  return out;
}

class Chart {
  // page: {array, rows, view, border, clock, scales, phases, style, onZoom, onPoint, rowTimes}
  constructor(spec, page) {
    Object.assign(this, spec);
    this.page = page;
    this.place = document.getElementById(spec.place);
    this.seen = false;
    this.plot = null;
    this.by = 1;
    this.hidden = new Set();
    this.place.style.minHeight = `${spec.height}px`;
  }

  data() {
    const { page } = this, exact = this.x === null;
    const x = exact ? page.rowTimes : Array.from(page.array(this.x));
    return [x, ...this.lines.map((line) => plainArray(page.array(line.values), exact))];
  }

  make() {
    if (this.plot) return;
    const { page, lines } = this;
    this.values = this.data();
    const stepped = uPlot.paths.stepped({ align: -1 }), straight = uPlot.paths.linear();
    const paths = (u, n, from, to) => {
      const steps = this.x === null && (to - from) * STEPS < u.bbox.width / devicePixelRatio;
      return (steps ? stepped : straight)(u, n, from, to);
    };
    const width = lines.length <= 4 ? 1.3 : 1;
    const series = lines.map((line, n) => {
      const alone = aloneIn(this.values[n + 1]);
      return {
        stroke: line.colour, paths, spanGaps: false, show: !this.hidden.has(line.host),
        width: this.band ? (n === 1 || line.host !== null ? 1.8 : 0.8) : width,
        fill: this.area ? `${line.colour}80` : undefined,
        points: { show: false, size: 4, fill: line.colour, filter: () => alone.length ? alone : null },
      };
    });
    this.plot = new uPlot({
      width: this.place.clientWidth || 600, height: this.height, pxAlign: 1, legend: { show: false },
      padding: [BORDER_TOP, page.border[1], 0, 0],
      scales: { x: { time: false, range: (u, min, max) => [min, max] }, y: { range: (u, min, max) => this.range(max) } },
      series: [{}, ...series],
      bands: this.band ? [{ series: [1, 3], fill: `${lines[0].colour}4d` }] : [],
      axes: [this.timeAxis(), this.valueAxis()],
      cursor: {
        points: { show: false }, y: false, drag: { x: true, y: false, setScale: false },
        bind: { dblclick: () => () => { page.onZoom(null); return null; } },
      },
      hooks: {
        drawClear: [(u) => this.drawPhases(u)],
        setSelect: [(u) => this.select(u)],
        setCursor: [(u) => this.point(u)],
      },
    }, this.values, this.place);
    this.follow();
  }

  timeAxis() {
    const { page } = this;
    let step = 1000;
    return {
      stroke: () => page.style.quiet, size: BORDER_BOTTOM, gap: 4, font: "12px system-ui, sans-serif",
      grid: { show: false }, ticks: { stroke: () => page.style.line, width: 1, size: 4 },
      splits: (u, axis, min, max) => {
        const found = timeTicks(min, max, Math.max(u.bbox.width / devicePixelRatio / 85, 2), page.clock.offset(min));
        step = found.step;
        const room = (max - min) * (LABEL / 2 - page.border[1]) / (u.bbox.width / devicePixelRatio);
        return found.at.filter((ms) => ms <= max - room);  // the last label would be cut
      },
      values: (u, ticks) => page.clock.labels(ticks, step),
    };
  }

  valueAxis() {
    const { page } = this;
    return {
      stroke: () => page.style.quiet, size: page.border[0], gap: 4, font: "12px system-ui, sans-serif",
      grid: { stroke: () => page.style.line, width: 1 }, ticks: { show: false },
      splits: (u, axis, min, max) => {
        const step = niceStep(max / this.by, 4), out = [];
        for (let n = 0; n * step <= max / this.by; n++) out.push(n * step * this.by);
        return out;
      },
      values: (u, ticks) => ticks.map((v) => String(Number((v / this.by).toPrecision(6)))),
    };
  }

  // the axis of values: from zero to the greatest in the window, in a unit that fits it
  range(max) {
    const top = Number.isFinite(max) ? max : 0;
    const [unit, by] = axisScaleOf(this.page.scales, this.unit, top);
    this.by = by;
    this.shownUnit = unit;
    if (this.percent && top <= 100) return [0, top > 20 ? 102 : Math.max(top * 1.1, 1)];
    return [0, top > 0 ? top * 1.06 : by];
  }

  follow() {
    if (!this.plot) return;
    const { view } = this.page;
    this.plot.setScale("x", { min: view.start, max: view.end });
    this.late = false;
    queueMicrotask(() => {
      const unit = this.place.parentElement.querySelector(".unit");
      if (unit && this.shownUnit !== undefined) unit.textContent = this.shownUnit;
    });
  }

  resize(width = this.place.clientWidth) {
    if (this.plot && width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: this.height });
  }

  show(host, on) {
    this.hidden[on ? "delete" : "add"](host);
    if (this.plot) this.lines.forEach((line, n) => { if (line.host === host) this.plot.setSeries(n + 1, { show: on }); });
  }

  highlight(host) {  // null: all alike
    if (!this.plot) return;
    this.lines.forEach((line, n) => { this.plot.series[n + 1].alpha = host === null || line.host === host || line.host === null ? 1 : 0.15; });
    this.plot.redraw();
  }

  drawPhases(u) {
    const { left, top, width, height } = u.bbox, { phases, view } = this.page;
    const x = (ms) => left + Math.min(Math.max((ms - view.start) / (view.end - view.start), 0), 1) * width;
    u.ctx.save();
    for (const p of phases) {
      if (p.end < view.start || p.start > view.end) continue;
      if (p.moment) {
        u.ctx.strokeStyle = "#888";
        u.ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
        u.ctx.beginPath();
        u.ctx.moveTo(x(p.start), top);
        u.ctx.lineTo(x(p.start), top + height);
        u.ctx.stroke();
      } else {
        u.ctx.globalAlpha = 0.16;
        u.ctx.fillStyle = p.tone;
        u.ctx.fillRect(x(p.start), top, x(p.end) - x(p.start), height);
        u.ctx.globalAlpha = 1;
      }
    }
    u.ctx.restore();
  }

  select(u) {
    const { left, width } = u.select;
    if (width < 3) return;
    const from = u.posToVal(left, "x"), to = u.posToVal(left + width, "x");
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.page.onZoom(from, to);
  }

  point(u) {
    const { left, top } = u.cursor;
    if (u.select.width > 0) return this.page.onPoint(null);
    if (!(left >= 0) || !this.place.matches(":hover")) {  // also after a redraw, of a chart nobody points at
      if (this.pointing) this.page.onPoint(null);
      this.pointing = false;
      return undefined;
    }
    this.pointing = true;
    const box = u.over.getBoundingClientRect();
    return this.page.onPoint(this, u.posToVal(left, "x"), box.left + left, box.top + top);
  }

  nearest(ms) {  // index of the value that is nearest in time; of rows, the one that covers it
    const [x] = this.values;
    let low = 0, high = x.length - 1;
    if (high < 0) return -1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (x[middle] < ms) low = middle; else high = middle;
    }
    if (this.x === null) return x.length > 1 && ms <= x[low] ? Math.max(low, 1) : high;
    return ms - x[low] < x[high] - ms ? low : high;
  }

  cursorAt(ms) {
    if (!this.plot) return;
    const { view } = this.page, wide = this.plot.over.clientWidth;
    const inside = ms !== null && ms >= view.start && ms <= view.end;
    this.plot.setCursor({ left: inside ? (ms - view.start) / (view.end - view.start) * wide : -10, top: inside ? 1 : -10 }, false);
  }
}
