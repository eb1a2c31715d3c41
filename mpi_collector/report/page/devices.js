// Charts of the devices that are chosen from a list, a chart for each figure and a line for each device.
const DEVICES_MOST = 16;  // as many as there are colours

class DeviceCharts {
  // spec: {x, figures, list, colours}; add, remove: take a chart into the page and out of it
  constructor(spec, page, add, remove) {
    Object.assign(this, spec, { page, add, remove, shown: [], chosen: new Set() });
    this.choice = document.getElementById("device-list");
    this.grid = document.getElementById("device-charts");
    this.legend = document.getElementById("device-legend");
    this.groups = [...this.choice.children].map((group) => [group, [...group.children]]);
    const filter = document.getElementById("device-filter");
    this.choice.addEventListener("change", () => this.show());
    filter.addEventListener("input", () => this.filter(filter.value));
  }

  filter(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = (option) => words.every((word) => option.textContent.toLowerCase().includes(word));
    const left = this.groups.map(([group, options]) => [group, options.filter(matches)]).filter(([, options]) => options.length);
    for (const [group, options] of left) group.replaceChildren(...options);
    this.choice.replaceChildren(...left.map(([group]) => group));  // not every browser hides options
  }

  show() {
    for (const option of this.choice.options) {  // those that the filter leaves out stay chosen
      this.chosen[option.selected ? "add" : "delete"](Number(option.value));
    }
    const chosen = [...this.chosen].slice(0, DEVICES_MOST)
      .map((n, at) => ({ ...this.list[n], colour: this.colours[at % this.colours.length] }));
    for (const chart of this.shown) this.remove(chart);
    this.shown = [];
    this.grid.replaceChildren();
    this.legend.replaceChildren(...chosen.map((device) => {
      const name = document.createElement("span"), swatch = document.createElement("i");
      swatch.className = "swatch";
      swatch.style.background = device.colour;
      name.append(swatch, device.name);
      return name;
    }));
    if (this.chosen.size > DEVICES_MOST) this.legend.append(`and ${this.chosen.size - DEVICES_MOST} more: at most ${DEVICES_MOST} are drawn`);
    for (const [name, about] of Object.entries(this.figures)) {
      const devices = chosen.filter((device) => device.lines[name]);
      if (devices.length) this.draw(name, about, devices);
    }
  }

  draw(name, about, devices) {
    const figure = document.createElement("figure"), caption = document.createElement("figcaption"), place = document.createElement("div");
    const title = document.createElement("b"), unit = document.createElement("span"), whole = document.createElement("span");
    figure.setAttribute("aria-label", about.label);
    title.textContent = about.label;
    unit.className = "unit";
    whole.className = "quiet";
    if (devices.length === 1) {
      const [, mean, peak] = devices[0].lines[name], text = (v) => quantityText(this.page.scales, v, about.unit);
      whole.textContent = `whole run: mean ${text(mean)}, peak ${text(peak)}`;
    }
    caption.append(title, " ", unit, " ", whole);
    place.className = "plot";
    place.id = `device-${name}`;
    place.tabIndex = 0;
    figure.append(caption, place);
    this.grid.append(figure);
    const chart = new Chart({
      name: `device:${name}`, place: place.id, unit: about.unit, percent: about.percent, height: 190, x: this.x, band: false, area: false,
      lines: devices.map((device) => ({ name: device.name, values: device.lines[name][0], colour: device.colour, host: null })),
    }, this.page);
    this.shown.push(chart);
    this.add(chart);
  }
}
