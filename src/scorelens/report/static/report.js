"use strict";

/* Draws the figures of the page, in the reader's light or dark colours, and wires sliders and choices. */
(() => {
  const NARROW = 560;
  const LEGEND_ROW = 18; // on a phone, a legend takes a row per entry: the figure grows by those beyond the first
  const SHORT_LEGEND = 4;
  const SMALLEST = 120; // a page that is not laid out yet: its figures are drawn when it has a width
  const CONFIG = {
    displaylogo: false,
    responsive: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  };
  const figures = new Map();

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function assign(target, path, value) {
    const keys = path.split(".");
    const last = keys.pop();
    const place = keys.reduce((node, key) => (node[key] ??= {}), target);
    place[last] = value;
  }

  function paintAxis(axis, ink, soft, grid) {
    Object.assign(axis, { linecolor: soft, tickcolor: soft, gridcolor: grid, color: ink });
  }

  function themed(layout, width, legendEntries) {
    const ink = colour("--ink");
    layout.font = { ...layout.font, color: ink };
    layout.hoverlabel = {
      bgcolor: colour("--card"),
      bordercolor: colour("--soft"),
      font: { color: ink, family: layout.font.family, size: 13 },
    };
    layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: colour("--accent") };
    for (const key of Object.keys(layout)) {
      if (/^[xy]axis\d*$/.test(key)) paintAxis(layout[key], ink, colour("--soft"), colour("--grid"));
    }
    if (width < NARROW) {
      layout.margin = { ...layout.margin, l: 44, r: 8 };
      layout.height += LEGEND_ROW * Math.max(0, legendEntries - SHORT_LEGEND);
    }
    if (matchMedia("(pointer: coarse)").matches) layout.dragmode = false;
    layout.width = width;
    return layout;
  }

  function composed(state) {
    const { spec, frame, view } = state;
    const data = structuredClone(spec.data);
    const layout = structuredClone(spec.layout);
    const shown = spec.frames[frame];
    if (shown) shown.traces.forEach((at, i) => Object.assign(data[at], shown.data[i]));
    const chosen = spec.layout.meta?.views?.[view];
    if (chosen) {
      data.forEach((trace, i) => (trace.visible = chosen.visible[i]));
      for (const [path, value] of Object.entries(chosen.layout)) assign(layout, path, structuredClone(value));
    }
    const legendEntries = data.filter((trace) => trace.showlegend !== false && trace.visible !== false).length;
    return { data, layout: themed(layout, state.width, legendEntries) };
  }

  function draw(state) {
    if (state.place.clientWidth < SMALLEST) return;
    state.width = state.place.clientWidth;
    const { data, layout } = composed(state);
    state.place.style.height = `${layout.height}px`;
    Plotly.react(state.place, data, layout, CONFIG);
    markDrawn();
  }

  function markDrawn() {
    const waiting = [...figures.values()].some((figure) => figure.width === 0);
    if (!waiting) document.documentElement.dataset.drawn = "yes";
  }

  function drawAll() {
    figures.forEach(draw);
    markDrawn(); // a page may have no figure
  }

  function prepare(place) {
    const spec = JSON.parse(document.getElementById(`${place.id}-data`).textContent);
    figures.set(place.id, { place, spec, frame: spec.frames.length - 1, view: 0, width: 0 });
  }

  function show(name, position) {
    const state = figures.get(name);
    if (state) {
      state.frame = position;
      draw(state);
      return;
    }
    const images = document.getElementById(name).querySelectorAll("img");
    images.forEach((image, i) => (image.hidden = i !== position));
  }

  function wireSlider(input) {
    const labels = JSON.parse(input.dataset.labels);
    const output = document.getElementById(`${input.dataset.for}-value`);
    input.addEventListener("input", () => {
      const position = Number(input.value);
      output.textContent = labels[position];
      input.setAttribute("aria-valuetext", labels[position]);
      show(input.dataset.for, position);
    });
  }

  function wireChoice(input) {
    input.addEventListener("change", () => {
      const state = figures.get(input.dataset.for);
      state.view = Number(input.value);
      draw(state);
    });
  }

  function markCurrentSection() {
    const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
    const observer = new IntersectionObserver(
      (entries) => {
        for (const entry of entries.filter((e) => e.isIntersecting)) {
          links.forEach((link) => link.removeAttribute("aria-current"));
          links.get(entry.target.id)?.setAttribute("aria-current", "true");
        }
      },
      { rootMargin: "-15% 0px -75% 0px" },
    );
    document.querySelectorAll("main > section").forEach((section) => observer.observe(section));
  }

  function redrawWhenResized() {
    const observer = new ResizeObserver((entries) => {
      for (const { target } of entries) {
        const state = figures.get(target.id);
        if (state.width !== target.clientWidth) draw(state);
      }
    });
    figures.forEach(({ place }) => observer.observe(place));
  }

  document.querySelectorAll(".plot").forEach(prepare);
  drawAll();
  document.querySelectorAll("input[type=range][data-for]").forEach(wireSlider);
  document.querySelectorAll("input[type=radio][data-for]").forEach(wireChoice);
  markCurrentSection();
  redrawWhenResized();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  matchMedia("print").addEventListener("change", drawAll);
})();
