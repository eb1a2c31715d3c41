"use strict";
// Moves all charts together, those in sight first, and applies the theme. Every action of the mouse has a key.
(async () => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const about = read("about");
  const PAPER = 690;  // px: width between the margins of A4 and Letter
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;

  await Bokeh.embed.embed_items(read("models"), read("items"));
  const models = Bokeh.documents[Bokeh.documents.length - 1];
  const charts = about.charts.map((c) => ({
    ...c, model: models.get_model_by_name(`plot ${c.name}`), data: models.get_model_by_name(`data ${c.name}`)?.data,
    drawn: models.get_model_by_name(`drawn ${c.name}`), place: $(c.place), seen: true, late: true,
  }));

  // ---- one window of time for all charts
  const whole = { start: about.start, end: about.end };
  const least = Math.max((whole.end - whole.start) / 1e5, 1);
  let view = { ...whole };
  let moving = false;
  let due = 0;

  const follow = (chart) => {
    moving = true;
    chart.model.x_range.setv({ start: view.start, end: view.end });
    moving = false;
    if (chart.data) chart.drawn.data = needed(chart);
    chart.late = false;
  };

  // ---- the values that are drawn: those in the window; of those that share a pixel, the lowest and the highest
  const first = (x, ms) => {  // index of the first value at or after ms
    let low = 0, high = x.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (x[middle] < ms) low = middle + 1; else high = middle;
    }
    return low;
  };
  const needed = ({ data, model, place }) => {
    const from = Math.max(first(data.x, view.start) - 1, 0), to = Math.min(first(data.x, view.end) + 1, data.x.length);
    const size = Math.ceil((to - from) / ((model.inner_width || place.clientWidth || 600) / 2));
    const part = size < 3 ? (values) => plain(values).subarray(from, to) : (values) => extremes(values, from, to, size);
    const out = Object.fromEntries(Object.entries(data).map(([name, values]) => [name, part(values)]));
    if (size > 2) out.x = Array.from(out[Object.keys(out).find((name) => name !== "x")], (_, n) => {
      const begin = from + (n >> 1) * size, end = Math.min(begin + size, to) - 1;
      return data.x[begin] + (data.x[end] - data.x[begin]) * (n & 1 ? 0.75 : 0.25);
    });
    return out;
  };
  const plain = (values) => {  // a typed array without the shape of Bokeh's arrays
    const Type = values.BYTES_PER_ELEMENT === 8 ? Float64Array : Float32Array;
    return new Type(values.buffer, values.byteOffset, values.length);
  };
  const extremes = (values, from, to, size) => {
    const out = new Float32Array(2 * Math.ceil((to - from) / size));
    for (let begin = from, n = 0; begin < to; begin += size, n += 2) {
      let low = -1, high = -1;
      for (let i = begin; i < Math.min(begin + size, to); i++) {
        if (Number.isNaN(values[i])) continue;
        if (low < 0 || values[i] < values[low]) low = i;
        if (high < 0 || values[i] > values[high]) high = i;
      }
      out[n] = low < 0 ? NaN : values[Math.min(low, high)];
      out[n + 1] = low < 0 ? NaN : values[Math.max(low, high)];
    }
    return out;
  };
  const flush = () => {
    due = 0;
    const late = charts.filter((c) => c.late);  // charts out of sight last: they are needed for printing
    const next = late.find((c) => c.place.matches(":hover, :focus")) || late.find((c) => c.seen) || late[0];
    if (next) follow(next);
    if (late.length > 1) due = requestAnimationFrame(flush);  // one chart a frame, so that keys are handled in between
    $("window").textContent = `${clock(view.start)} – ${clock(view.end)} ${zone}, ${span((view.end - view.start) / 1000)}`;
    strip();
  };
  const show = (start, end) => {
    const wide = Math.min(Math.max(end - start, least), whole.end - whole.start);
    const from = Math.min(Math.max(start, whole.start), whole.end - wide);
    view = { start: from, end: from + wide };
    for (const chart of charts) chart.late = true;
    point(null);
    due = due || requestAnimationFrame(flush);
  };
  const zone = about.relative ? "since the start" : "UTC";
  const clock = (ms) => new Date(ms).toISOString().slice(11, view.end - view.start < 1e4 ? 23 : 19);
  const span = (s) => s < 100 ? `${s.toPrecision(3)} s` : s < 6000 ? `${(s / 60).toPrecision(3)} min`
    : `${(s / 3600).toPrecision(3)} h`;
  for (const chart of charts) {
    chart.model.x_range.change.connect(() => {
      const { start, end } = chart.model.x_range;
      if (!moving && (start !== view.start || end !== view.end)) show(start, end);
    });
  }
  if ("IntersectionObserver" in window) {
    const watcher = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const chart = charts.find((c) => c.place === entry.target);
        chart.seen = entry.isIntersecting;
        if (chart.seen && chart.late) follow(chart);
      }
    }, { rootMargin: "150px" });
    for (const chart of charts) watcher.observe(chart.place);
  }

  // ---- phases above the charts
  const phases = about.phases.map(([start, end, text, lane, tone]) => ({ start, end, text, lane, tone, moment: end <= start }));
  const lanes = Math.max(-1, ...phases.filter((p) => !p.moment).map((p) => p.lane)) + 1;
  const moments = phases.filter((p) => p.moment);
  moments.forEach((p, n) => { p.until = n + 1 < moments.length ? moments[n + 1].start : whole.end; });
  for (const p of $("strip") ? phases : []) {
    p.box = document.createElement("i");
    p.box.textContent = p.text;
    p.box.title = `${p.text}, ${p.moment ? "at" : "from"} ${clock(p.start)} ${zone}${p.moment ? "" : `, ${span((p.end - p.start) / 1000)}`}`;
    p.box.className = p.moment ? "moment" : "";
    p.box.style.setProperty("--tone", p.tone);
    p.box.style.top = `${(p.moment ? lanes : p.lane) * 19}px`;
    p.box.addEventListener("click", () => showPhase(p.start, p.end));
    $("strip").append(p.box);
  }
  if ($("strip")) $("strip").style.height = `${(lanes + (moments.length ? 1 : 0)) * 19}px`;
  const strip = () => {
    if (!$("strip")) return;
    const [left, right] = about.border;
    const part = (ms) => Math.min(Math.max((ms - view.start) / (view.end - view.start), 0), 1);
    const room = `(100% - ${left + right}px)`;
    for (const p of phases) {
      const end = p.moment ? p.until : p.end;
      p.box.hidden = end < view.start || p.start > view.end || (p.moment && p.start < view.start);
      if (p.box.hidden) continue;
      const wide = part(end) - part(p.start);
      p.box.style.left = `calc(${left}px + ${part(p.start)} * ${room})`;
      p.box.style.width = `max(calc(${wide} * ${room}), 2px)`;
      p.box.style.padding = wide < 0.01 ? "0" : "";
    }
  };

  // ---- the pointer: a cursor line through all charts, and a tooltip with the values of one
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  document.body.append(tip);
  for (const chart of charts) {
    chart.cursor = document.createElement("i");
    chart.cursor.className = "cursor";
    chart.cursor.hidden = true;
    chart.place.append(chart.cursor);
  }
  const inner = (chart) => {  // px: left edge and width of the plot area
    const wide = chart.model.inner_width;
    return [chart.place.clientWidth - about.border[1] - wide, wide];
  };
  const share = (chart, event) => {
    const [left, wide] = inner(chart);
    return (event.clientX - chart.place.getBoundingClientRect().left - left) / wide;
  };
  const nearest = (x, ms) => {
    let low = 0, high = x.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (x[middle] < ms) low = middle; else high = middle;
    }
    return ms - x[low] < x[high] - ms ? low : high;
  };
  const line = (text, value, colour) => {
    const row = document.createElement("div"), number = document.createElement("span");
    if (colour) {
      const swatch = document.createElement("i");
      swatch.className = "swatch";
      swatch.style.background = colour;
      row.append(swatch);
    }
    number.textContent = value;
    row.append(text, number);
    return row;
  };
  let pointed = null;  // {chart, index}
  const point = (chart, ms, x, y) => {
    pointed = null;
    tip.hidden = true;
    for (const c of charts) c.cursor.hidden = true;
    if (!chart || !(ms >= view.start && ms <= view.end)) return;
    const times = chart.data ? chart.data.x : null;
    const index = times && times.length ? nearest(times, ms) : -1;
    const at = index >= 0 ? times[index] : ms;
    for (const c of charts) {
      const [left, wide] = inner(c);
      c.cursor.style.left = `${left + (at - view.start) / (view.end - view.start) * wide}px`;
      c.cursor.hidden = !c.seen || at < view.start || at > view.end;
    }
    if (index < 0) return;
    pointed = { chart, index };
    const fine = new Date(at).toISOString().slice(11, 23);
    const rows = chart.lines.filter(([, column]) => !hidden.has(column)).map(([name, column, colour]) => {
      const value = chart.data[column][index];
      return line(name, Number.isFinite(value) ? `${Number(value.toPrecision(3))} ${chart.unit}` : "not known", colour);
    });
    tip.replaceChildren(line(zone, fine), ...rows);
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${x + 18 + width < innerWidth ? x + 18 : Math.max(x - 18 - width, 0)}px`;
    tip.style.top = `${Math.max(Math.min(y + 14, innerHeight - height - 4), 0)}px`;
  };
  const hidden = new Set();
  for (const chart of charts) {
    chart.place.addEventListener("pointermove", (event) => {
      if (event.buttons) return point(null);
      return point(chart, view.start + share(chart, event) * (view.end - view.start), event.clientX, event.clientY);
    });
    chart.place.addEventListener("pointerleave", () => point(null));
    chart.place.addEventListener("blur", () => point(null));
  }
  addEventListener("scroll", () => { if (!tip.hidden) point(null); }, { passive: true });
  const step = (chart, by) => {  // move the pointer with the keyboard
    const times = chart.data.x;
    const from = pointed && pointed.chart === chart ? pointed.index + by : nearest(times, (view.start + view.end) / 2);
    const at = times[Math.min(Math.max(from, 0), times.length - 1)];
    const box = chart.place.getBoundingClientRect(), [left, wide] = inner(chart);
    point(chart, at, box.left + left + (at - view.start) / (view.end - view.start) * wide, box.top + 20);
  };

  // ---- buttons and keys
  const zoom = (factor, share = 0.5) => {  // around the point at this share of the window
    const wide = view.end - view.start, at = view.start + wide * share;
    show(at - wide * factor * share, at + wide * factor * (1 - share));
  };
  const move = (share) => {
    const by = (view.end - view.start) * share;
    show(view.start + by, view.end + by);
  };
  const acts = {
    in: () => zoom(0.5), out: () => zoom(2), left: () => move(-0.25), right: () => move(0.25),
    all: () => show(whole.start, whole.end),
  };
  const keys = { "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", 0: "all", Home: "all" };
  for (const button of document.querySelectorAll("[data-act]")) {
    button.addEventListener("click", () => acts[button.dataset.act]());
  }
  for (const chart of charts) {
    const { place } = chart;
    place.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;  // leave the wheel to scrolling the page
      event.preventDefault();
      zoom(event.deltaY < 0 ? 0.8 : 1.25, Math.min(Math.max(share(chart, event), 0), 1));
    }, { passive: false });
    place.addEventListener("dblclick", acts.all);
  }
  addEventListener("keydown", (event) => {
    const { target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || target.closest("select, input, .scroll")) return;
    const chart = charts.find((c) => c.place === target);
    if (chart && chart.data && (event.key === "," || event.key === ".")) step(chart, event.key === "," ? -1 : 1);
    else if (keys[event.key]) acts[keys[event.key]]();
    else return;
    event.preventDefault();
  });
  const showPhase = (start, end) => {
    const wide = end > start ? end - start : (whole.end - whole.start) / 20;
    show(start - wide * (end > start ? 0.05 : 0.5), (end > start ? end : start) + wide * (end > start ? 0.05 : 0.5));
  };
  for (const button of document.querySelectorAll("[data-mark]")) {
    button.addEventListener("click", () => {
      showPhase(...about.marks[Number(button.dataset.mark)]);
      $("charts").scrollIntoView();
    });
  }

  // ---- claims: a click shows the stretch of time and the charts of the evidence
  for (const button of document.querySelectorAll("[data-claim]")) {
    button.addEventListener("click", () => {
      const claim = about.claims[Number(button.dataset.claim)];
      const mine = claim.charts.map((name) => charts.find((c) => c.name === name)).filter(Boolean);
      for (const c of charts) c.place.closest("figure").classList.toggle("evidence", mine.includes(c));
      showPhase(claim.begin, claim.end);
      (mine.length ? mine[0].place.closest("figure") : $("charts")).scrollIntoView({ block: "center" });
    });
  }

  // ---- hosts: click to hide, hover or focus to highlight
  const lines = (host) => charts.flatMap((c) => c.model.renderers.filter((r) => r.name === `h${host}`));
  const every = charts.flatMap((c) => c.model.renderers.filter((r) => r.tags.includes("host")));
  for (const button of document.querySelectorAll("[data-host]")) {
    const mine = new Set(lines(button.dataset.host));
    const bring = (out) => { for (const drawn of every) drawn.muted = out && !mine.has(drawn); };
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      for (const drawn of mine) drawn.visible = on;
      hidden[on ? "delete" : "add"](`h${button.dataset.host}`);
    });
    button.addEventListener("mouseenter", () => bring(true));
    button.addEventListener("mouseleave", () => bring(false));
    button.addEventListener("focus", () => { if (button.matches(":focus-visible")) bring(true); });
    button.addEventListener("blur", () => bring(false));
  }

  // ---- heat map
  if (about.heat) {
    const plot = models.get_model_by_name("plot heat");
    const images = Object.fromEntries(about.heat.map((h) => [h.name, models.get_model_by_name(`heat ${h.name}`)]));
    const choose = $("heat-figure");
    const chosen = () => about.heat[choose.selectedIndex];
    const pick = () => {
      for (const h of about.heat) images[h.name].visible = h === chosen();
      $("heat-top").textContent = chosen().top;
    };
    choose.addEventListener("change", pick);
    pick();
    models.event_manager.subscribed_models.add(plot);  // after embedding, on_event alone does not subscribe the model
    plot.on_event("mousemove", (event) => {
      const { data } = images[chosen().name].data_source;
      const [rows, columns] = data.image[0].shape;
      const column = Math.floor((event.x - data.x[0]) / data.dw[0] * columns), row = Math.floor(event.y);
      if (!(column >= 0 && column < columns && row >= 0 && row < rows)) return;
      const code = data.image[0][row * columns + column];
      const value = code === 255 ? "not recorded" : `${(code * chosen().step).toPrecision(3)} ${chosen().unit}`;
      $("heat-at").textContent = `${about.hosts[rows - 1 - row]}, ${clock(event.x)} ${zone}: ${value}`;
    });
  }

  // ---- light and dark
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const paint = (model, wanted) => {
    const fits = Object.entries(wanted).filter(([name]) => name in model.properties);
    if (fits.length) model.setv(Object.fromEntries(fits));
  };
  const colour = (theme) => {
    root.dataset.theme = theme;
    const style = getComputedStyle(root);
    const [ink, line] = ["--quiet", "--line"].map((name) => style.getPropertyValue(name).trim());
    for (const { model } of charts) {
      for (const part of [...model.below, ...model.left, ...model.center]) {
        paint(part, { axis_line_color: line, major_tick_line_color: line, minor_tick_line_color: null,
          major_label_text_color: ink, axis_label_text_color: ink });
        if ("grid_line_color" in part.properties && part.grid_line_color !== null) part.grid_line_color = line;
      }
    }
  };
  const natural = () => dark.matches ? "dark" : "light";
  dark.addEventListener("change", () => colour(natural()));
  $("theme").addEventListener("click", () => colour(root.dataset.theme === "dark" ? "light" : "dark"));
  let before = "light";
  addEventListener("beforeprint", () => {
    before = root.dataset.theme;
    for (const chart of charts) {
      if (chart.late) follow(chart);
      chart.place.style.zoom = PAPER / chart.place.clientWidth;  // a canvas does not reflow
    }
    colour("light");
  });
  addEventListener("afterprint", () => {
    for (const chart of charts) chart.place.style.zoom = "";
    colour(before);
  });
  colour(natural());
  flush();
  root.dataset.ready = "yes";
})();
