"use strict";
// Moves the charts together, those in sight first; colours them; everything that the mouse does, the keyboard does too.
(async () => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const about = read("about");
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;

  await Bokeh.embed.embed_items(read("models"), read("items"));
  const models = Bokeh.documents[Bokeh.documents.length - 1];
  const charts = about.charts.map((c) => ({
    name: c.name, model: models.get_model_by_name(`plot ${c.name}`), place: $(c.place), seen: true, late: false,
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
    chart.late = false;
  };
  const flush = () => {
    due = 0;
    for (const chart of charts) if (chart.late && chart.seen) follow(chart);
    $("window").textContent = `${clock(view.start)} – ${clock(view.end)} UTC, ${span((view.end - view.start) / 1000)}`;
  };
  const show = (start, end) => {
    const wide = Math.min(Math.max(end - start, least), whole.end - whole.start);
    const from = Math.min(Math.max(start, whole.start), whole.end - wide);
    view = { start: from, end: from + wide };
    for (const chart of charts) chart.late = true;
    due = due || requestAnimationFrame(flush);
  };
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

  // ---- buttons and keys
  const zoom = (factor, share = 0.5) => {  // around the point that lies at this share of the window
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
  for (const { place } of charts) {
    place.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;  // the page scrolls
      event.preventDefault();
      const box = place.getBoundingClientRect();
      const share = (event.clientX - box.left - about.border[0]) / (box.width - about.border[0] - about.border[1]);
      zoom(event.deltaY < 0 ? 0.8 : 1.25, Math.min(Math.max(share, 0), 1));
    }, { passive: false });
    place.addEventListener("dblclick", acts.all);
  }
  $("charts").addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    event.preventDefault();
    acts[act]();
  });
  const phase = (n) => {
    const [start, end] = about.marks[n];
    const wide = end > start ? end - start : (whole.end - whole.start) / 20;
    show(start - wide * (end > start ? 0.05 : 0.5), (end > start ? end : start) + wide * (end > start ? 0.05 : 0.5));
  };
  for (const button of document.querySelectorAll("[data-mark]")) {
    button.addEventListener("click", () => {
      phase(Number(button.dataset.mark));
      $("charts").scrollIntoView();
    });
  }

  // ---- hosts: press to hide, point at or focus to bring out
  const lines = (host) => charts.flatMap((c) => c.model.renderers.filter((r) => r.name === `h${host}`));
  const every = charts.flatMap((c) => c.model.renderers.filter((r) => r.tags.includes("host")));
  for (const button of document.querySelectorAll("[data-host]")) {
    const mine = new Set(lines(button.dataset.host));
    const bring = (out) => { for (const line of every) line.muted = out && !mine.has(line); };
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      for (const line of mine) line.visible = on;
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
    models.event_manager.subscribed_models.add(plot);  // on_event alone comes too late for that
    plot.on_event("mousemove", (event) => {
      const { data } = images[chosen().name].data_source;
      const [rows, columns] = data.image[0].shape;
      const column = Math.floor((event.x - data.x[0]) / data.dw[0] * columns), row = Math.floor(event.y);
      if (!(column >= 0 && column < columns && row >= 0 && row < rows)) return;
      const code = data.image[0][row * columns + column];
      const value = code === 255 ? "not recorded" : `${(code * chosen().step).toPrecision(3)} ${chosen().unit}`;
      $("heat-at").textContent = `${about.hosts[rows - 1 - row]}, ${clock(event.x)} UTC: ${value}`;
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
    for (const chart of charts) if (chart.late) follow(chart);
    colour("light");
  });
  addEventListener("afterprint", () => colour(before));
  colour(natural());
  flush();
  root.dataset.ready = "yes";
})();
