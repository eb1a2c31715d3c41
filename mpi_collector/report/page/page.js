// Moves all charts together, those in sight first, and applies the theme. Every action of the mouse has a key.
async function startPage() {
  const about = JSON.parse(document.getElementById("about").textContent);
  const PAPER = 690;  // px: width between the margins of A4 and Letter
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;
  if (typeof DecompressionStream === "undefined") {
    document.querySelector(".old-browser").hidden = false;
    return;
  }
  const array = await unpackArrays($("arrays").textContent, about.arrays);

  // ---- one window of time for all charts
  const whole = { start: about.start, end: about.end };
  const least = Math.max((whole.end - whole.start) / 1e5, 1);
  const clock = new Clock(about.relative);
  const phases = about.phases.map(([start, end, text, lane, tone]) => ({ start, end, text, lane, tone, moment: end <= start }));
  const rows = about.rows ? new WindowFigures(about.rows, array) : null;
  const page = {
    array, clock, phases, whole, view: { ...whole }, border: about.border, scales: about.scales, style: {},
    rowTimes: rows && rows.begin.length ? [rows.begin[0], ...rows.end] : [],
    onZoom: (from, to) => from === null ? show(whole.start, whole.end) : show(from, to),
    onPoint: (...where) => point(...where),
  };
  const charts = about.charts.map((spec) => new Chart(spec, page));
  const heat = about.heat ? new HeatMap(about.heat, page) : null;
  if (heat) charts.push(heat.chart);
  let due = 0;

  const follow = (chart) => {
    chart.make();
    chart.follow();
  };
  const flush = () => {
    due = 0;
    const late = charts.filter((c) => c.late);  // charts out of sight last: they are needed for printing
    const next = late.find((c) => c.place.matches(":hover, :focus")) || late.find((c) => c.seen) || late[0];
    if (next) follow(next);
    if (late.length > 1) due = requestAnimationFrame(flush);  // one chart a frame, so that keys are handled in between
  };
  const show = (start, end) => {
    const wide = Math.min(Math.max(end - start, least), whole.end - whole.start);
    const from = Math.min(Math.max(start, whole.start), whole.end - wide);
    page.view = { start: from, end: from + wide };
    for (const chart of charts) chart.late = true;
    point(null);
    tell();
    due = due || requestAnimationFrame(flush);
  };
  const tell = () => {
    const { start, end } = page.view, fine = end - start < 1e4;
    $("window").textContent = `${clock.time(start, fine)} – ${clock.time(end, fine)} ${clock.zone}, ${spanText((end - start) / 1000)}`;
    strip();
    figures();
  };
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const chart = charts.find((c) => c.place === entry.target);
      chart.seen = entry.isIntersecting;
      if (chart.seen && chart.late) follow(chart);
    }
  }, { rootMargin: "150px" });
  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) charts.find((c) => c.place === target)?.resize();
  });
  const watch = (chart) => {
    chart.late = true;
    watcher.observe(chart.place);
    sizes.observe(chart.place);
  };

  // ---- the figures of the window: tables and captions
  const kept = new Map();  // element -> its text for the whole run
  const put = (element, text) => {
    if (!kept.has(element)) kept.set(element, element.innerHTML);
    element.textContent = text;
  };
  const figures = () => {
    const { start, end } = page.view, all = start === whole.start && end === whole.end;
    for (const place of document.querySelectorAll(".figures-of")) {
      place.textContent = all || !rows ? "of the whole run" : `of ${clock.time(start, true)} – ${clock.time(end, true)} ${clock.zone}`;
    }
    for (const [element, html] of kept) element.innerHTML = html;  // what the page came with, escaped there
    kept.clear();
    if (all || !rows) return;
    const part = rows.select(start, end);
    for (const [name, { total, hosts, unit }] of Object.entries(about.rows.figures)) {
      const places = document.querySelectorAll(`[data-figure="${name}"]`);
      if (!places.length) continue;
      const values = { ...rows.values(part, total), ...spread(part, hosts) };
      for (const place of places) {
        const { value } = place.dataset, text = (v) => quantityText(about.scales, v, unit);
        if (value === "caption") put(place, `${about.hosts.length > 1 ? "all hosts: " : ""}mean ${text(values.mean)}, peak ${text(values.peak)}`);
        else if (value === "lowest" || value === "highest") {
          const of = values[value];
          put(place, of ? text(of.mean) : "-");
          if (of && values.differ) {
            const host = document.createElement("span");
            host.className = "quiet";
            host.textContent = ` ${about.hosts[of.host]}`;
            place.append(host);
          }
        } else put(place, text(values[value] ?? null));
      }
    }
  };
  const spread = (part, hosts) => {  // of the hosts by their means
    const means = Object.entries(hosts).map(([host, numbers]) => ({ host: Number(host), mean: rows.values(part, numbers).mean }))
      .filter((h) => h.mean !== null).sort((a, b) => a.mean - b.mean);
    if (!means.length) return {};
    const middle = (means[(means.length - 1) >> 1].mean + means[means.length >> 1].mean) / 2;
    return { lowest: means[0], highest: means[means.length - 1], median: middle, differ: means[0].mean !== means[means.length - 1].mean };
  };

  // ---- phases above the charts
  const lanes = Math.max(-1, ...phases.filter((p) => !p.moment).map((p) => p.lane)) + 1;
  const moments = phases.filter((p) => p.moment);
  moments.forEach((p, n) => { p.until = n + 1 < moments.length ? moments[n + 1].start : whole.end; });
  for (const p of $("strip") ? phases : []) {
    p.box = document.createElement("i");
    p.box.textContent = p.text;
    p.box.className = p.moment ? "moment" : "";
    p.box.style.setProperty("--tone", p.tone);
    p.box.style.top = `${(p.moment ? lanes : p.lane) * 19}px`;
    p.box.addEventListener("click", () => showPhase(p.start, p.end));
    $("strip").append(p.box);
  }
  if ($("strip")) $("strip").style.height = `${(lanes + (moments.length ? 1 : 0)) * 19}px`;
  const strip = () => {
    if (!$("strip")) return;
    const [left, right] = about.border, { start, end } = page.view;
    const part = (ms) => Math.min(Math.max((ms - start) / (end - start), 0), 1);
    const room = `(100% - ${left + right}px)`;
    for (const p of phases) {
      const until = p.moment ? p.until : p.end;
      p.box.hidden = until <= start || p.start >= end || (p.moment && p.start < start);
      if (p.box.hidden) continue;
      p.box.title = `${p.text}, ${p.moment ? "at" : "from"} ${clock.time(p.start)} ${clock.zone}${p.moment ? "" : `, ${spanText((p.end - p.start) / 1000)}`}`;
      const wide = part(until) - part(p.start);
      p.box.style.left = `calc(${left}px + ${part(p.start)} * ${room})`;
      p.box.style.width = `max(calc(${wide} * ${room}), 2px)`;
      p.box.style.padding = wide < 0.01 ? "0" : "";
    }
  };

  // ---- the pointer: a line through all charts, and a box with the values of one
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  document.body.append(tip);
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
    const inside = chart && ms >= page.view.start && ms <= page.view.end;
    const index = inside && !chart.heat ? chart.nearest(ms) : -1;
    const at = index >= 0 ? chart.values[0][index] : inside ? ms : null;
    for (const c of charts) if (c !== chart && (c.seen || at === null)) c.cursorAt(at);
    if (inside && chart.heat) {
      const box = chart.plot.over.getBoundingClientRect();
      $("heat-at").textContent = heat.describe(ms, (y - box.top) / box.height);
    }
    if (index < 0) return;
    pointed = { chart, index };
    const lines = chart.lines.map((l, n) => [l, chart.values[n + 1][index]]).filter(([l]) => !chart.hidden.has(l.host));
    tip.replaceChildren(line(clock.zone, clock.time(at, true)), ...lines.map(([l, value]) => line(l.name,
      (value ?? null) === null ? "not known" : quantityText(about.scales, value, chart.unit), l.colour)));
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${x + 18 + width < innerWidth ? x + 18 : Math.max(x - 18 - width, 0)}px`;
    tip.style.top = `${Math.max(Math.min(y + 14, innerHeight - height - 4), 0)}px`;
  };
  addEventListener("scroll", () => { if (!tip.hidden && !pointed?.key) point(null); }, { passive: true });
  const step = (chart, by) => {  // move the pointer with the keyboard
    follow(chart);
    const times = chart.values[0], { start, end } = page.view;
    const from = pointed && pointed.chart === chart ? pointed.index + by : chart.nearest((start + end) / 2);
    const at = times[Math.min(Math.max(from, 0), times.length - 1)];
    const box = chart.plot.over.getBoundingClientRect();
    chart.cursorAt(at);
    point(chart, at, box.left + (at - start) / (end - start) * box.width, box.top + 20);
    if (pointed) pointed.key = true;  // the key may scroll the chart into view
  };

  // ---- buttons and keys
  const zoom = (factor, share = 0.5) => {  // around the point at this share of the window
    const { start, end } = page.view, wide = end - start, at = start + wide * share;
    show(at - wide * factor * share, at + wide * factor * (1 - share));
  };
  const move = (share) => {
    const { start, end } = page.view, by = (end - start) * share;
    show(start + by, end + by);
  };
  const acts = {
    in: () => zoom(0.5), out: () => zoom(2), left: () => move(-0.25), right: () => move(0.25),
    all: () => show(whole.start, whole.end), zone: () => setZone(!clock.local),
  };
  const keys = { "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", 0: "all", Home: "all", u: "zone" };
  for (const button of document.querySelectorAll("[data-act]")) {
    button.addEventListener("click", () => acts[button.dataset.act]());
  }
  const listen = (chart) => {
    const { place } = chart;
    place.addEventListener("wheel", (event) => {
      if (!event.ctrlKey || !chart.plot) return;  // leave the wheel to scrolling the page
      event.preventDefault();
      const box = chart.plot.over.getBoundingClientRect();
      zoom(event.deltaY < 0 ? 0.8 : 1.25, Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1));
    }, { passive: false });
    place.addEventListener("blur", () => point(null));
  };
  addEventListener("keydown", (event) => {
    const { target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || target.closest("select, input, .scroll")) return;
    const chart = charts.find((c) => c.place === target && !c.heat);
    if (chart && (event.key === "," || event.key === ".")) step(chart, event.key === "," ? -1 : 1);
    else if (keys[event.key]) acts[keys[event.key]]();
    else return;
    event.preventDefault();
  });
  const showPhase = (start, end) => {
    const around = (whole.end - whole.start) / 40;
    if (end > start) show(start, end); else show(start - around, start + around);
  };
  for (const button of document.querySelectorAll("[data-mark]")) {
    button.addEventListener("click", () => {
      showPhase(...about.marks[Number(button.dataset.mark)]);
      $("charts").scrollIntoView();
    });
  }

  // ---- UTC, or the time of this browser's zone
  const setZone = (local) => {
    clock.local = local;
    for (const time of document.querySelectorAll("time[data-ms]")) time.textContent = clock.full(Number(time.dataset.ms));
    for (const zone of document.querySelectorAll(".zone")) zone.textContent = clock.zone;
    for (const chart of charts) chart.plot?.redraw(false, true);
    point(null);
    tell();
  };

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
  for (const button of document.querySelectorAll("[data-host]")) {
    const host = Number(button.dataset.host);
    const bring = (which) => { for (const chart of charts) if (chart.seen && !chart.heat) chart.highlight(which); };
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      for (const chart of charts) chart.show(host, on);
    });
    button.addEventListener("mouseenter", () => bring(host));
    button.addEventListener("mouseleave", () => bring(null));
    button.addEventListener("focus", () => { if (button.matches(":focus-visible")) bring(host); });
    button.addEventListener("blur", () => bring(null));
  }

  // ---- map of hosts over time
  if (heat) {
    const pick = () => {
      heat.chosen = heat.figures[$("heat-figure").selectedIndex];
      $("heat-top").textContent = heat.chosen.top;
      heat.chart.plot?.redraw();
    };
    $("heat-figure").addEventListener("change", pick);
    pick();
  }

  // ---- light and dark, and paper
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colour = (theme) => {
    root.dataset.theme = theme;
    const style = getComputedStyle(root);
    page.style = { quiet: style.getPropertyValue("--quiet").trim(), line: style.getPropertyValue("--line").trim() };
    for (const chart of charts) chart.plot?.redraw(false, true);
  };
  const natural = () => dark.matches ? "dark" : "light";
  dark.addEventListener("change", () => colour(natural()));
  $("theme")?.addEventListener("click", () => colour(root.dataset.theme === "dark" ? "light" : "dark"));
  let before = "light";
  addEventListener("beforeprint", () => {
    before = root.dataset.theme;
    root.classList.add("paper");
    colour("light");
    for (const chart of charts) {
      follow(chart);
      chart.resize(PAPER);  // a canvas does not reflow
    }
  });
  addEventListener("afterprint", () => {
    root.classList.remove("paper");
    for (const chart of charts) chart.resize();
    colour(before);
  });
  colour(natural());
  for (const chart of charts) {
    watch(chart);
    listen(chart);
  }
  if (about.devices) {
    page.devices = new DeviceCharts(about.devices, page, (chart) => {
      charts.push(chart);
      watch(chart);
      listen(chart);
    }, (chart) => {
      charts.splice(charts.indexOf(chart), 1);
      watcher.unobserve(chart.place);
      sizes.unobserve(chart.place);
      chart.plot?.destroy();
    });
  }
  if ($("window")) {
    tell();
    if (charts.length) follow(charts[0]);
    due = requestAnimationFrame(flush);
  }
  root.page = { page, charts, heat };  // for the console
  root.dataset.ready = "yes";
}
startPage();
