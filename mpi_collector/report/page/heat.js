// The map of hosts over time: of the cells that share a pixel, the greatest.
class HeatMap {
  constructor(spec, page) {
    Object.assign(this, spec);
    this.page = page;
    this.colours = [...Array(256).keys()].map((code) => this.colour(Math.min(code, 254) / 254));
    this.chosen = spec.figures[0];
    this.chart = new Chart({ name: "heat", place: spec.place, unit: "", percent: false, height: spec.height, x: null, lines: [], band: false, area: false }, page);
    this.chart.valueAxis = () => this.names();
    this.chart.range = () => [0, spec.hosts.length];
    this.chart.data = () => [[page.whole.start, page.whole.end], [0, 0]];
    this.chart.lines = [{ name: "", values: null, colour: "#0000", host: null }];
    this.chart.drawPhases = (u) => this.draw(u);
    this.chart.heat = this;
  }

  colour(share) {
    const at = share * (this.palette.length - 1), n = Math.min(Math.floor(at), this.palette.length - 2);
    const part = (hex, k) => parseInt(hex.slice(1 + 2 * k, 3 + 2 * k), 16);
    return [0, 1, 2].map((k) => Math.round(part(this.palette[n], k) + (part(this.palette[n + 1], k) - part(this.palette[n], k)) * (at - n)));
  }

  names() {  // some hosts, evenly spaced, by the end of the name, which tells them apart
    const { hosts, page } = this, every = Math.ceil(hosts.length / 16);
    const at = hosts.map((_, n) => n).filter((n) => n % every === 0);
    return {
      stroke: () => page.style.quiet, size: page.border[0], gap: 4, font: "11px system-ui, sans-serif",
      grid: { show: false }, ticks: { show: false }, splits: () => at.map((n) => hosts.length - n - 0.5),
      values: () => at.map((n) => hosts[n].length > 8 ? `…${hosts[n].slice(-7)}` : hosts[n]),
    };
  }

  draw(u) {
    const { left, top, width, height } = u.bbox, { view } = this.page, rows = this.hosts.length;
    const codes = this.page.array(this.chosen.codes), wide = Math.round(width), high = Math.round(height);
    if (wide < 1 || high < 1) return;
    const image = u.ctx.createImageData(wide, high), pixels = new Uint32Array(image.data.buffer);
    const packed = this.colours.map(([r, g, b]) => (255 << 24 | b << 16 | g << 8 | r) >>> 0);
    const column = (px) => ((view.start + (view.end - view.start) * px / wide) - this.begin) / (this.end - this.begin) * this.columns;
    for (let py = 0; py < high; py++) {
      const row = Math.floor(py * rows / high), until = Math.max(Math.ceil((py + 1) * rows / high), row + 1);
      for (let px = 0; px < wide; px++) {
        const first = Math.max(Math.floor(column(px)), 0), last = Math.min(Math.max(Math.ceil(column(px + 1)), first + 1), this.columns);
        let most = -1;
        for (let r = row; r < until; r++) {
          for (let c = first; c < last; c++) {
            const code = codes[r * this.columns + c];
            if (code !== 255 && code > most) most = code;
          }
        }
        if (most >= 0) pixels[py * wide + px] = packed[most];
      }
    }
    u.ctx.putImageData(image, Math.round(left), Math.round(top));
  }

  describe(ms, share) {  // share: of the height, from the top
    const column = Math.floor((ms - this.begin) / (this.end - this.begin) * this.columns), row = Math.floor(share * this.hosts.length);
    if (!(column >= 0 && column < this.columns && row >= 0 && row < this.hosts.length)) return "";
    const code = this.page.array(this.chosen.codes)[row * this.columns + column];
    const value = code === 255 ? "not recorded" : `${(code * this.chosen.step).toPrecision(3)} ${this.chosen.unit}`;
    return `${this.hosts[row]}, ${this.page.clock.time(ms)} ${this.page.clock.zone}: ${value}`;
  }
}
