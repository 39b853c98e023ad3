// A campaign's page: its numbers follow the server once a second while it is alive; the chart is drawn here.

const whole = (number) => number.toLocaleString("en");
const first = JSON.parse(document.querySelector("#live").textContent);
const panel = document.querySelector("[data-progress]");

// --- Numbers that move
const seen = []; // (time, done) of the last seconds, for the speed
function show(live) {
  const { totals, done } = live;
  const numbers = { ...totals, done };
  for (const place of document.querySelectorAll("[data-live]")) {
    const number = numbers[place.dataset.live];
    if (number !== undefined) place.textContent = whole(number);
    place.closest("[data-none]")?.toggleAttribute("data-none", !number);
  }
  for (const [key, { share, width }] of Object.entries(live.funnel)) {
    const place = document.querySelector(`[data-share="${key}"]`);
    if (place) place.textContent = share ?? "–";
    const bar = document.querySelector(`[data-width="${key}"]`);
    if (bar) bar.style.width = `${width}%`;
  }
  if (!panel) return;
  const all = Math.max(totals.targeted, 1);
  panel.querySelector("[data-percent]").textContent = String(totals.targeted ? Math.floor((100 * done) / all) : 0);
  const parts = { accepted: totals.accepted, gone: totals.gone, failed: totals.failed, other: totals.expired + totals.skipped + totals.cancelled };
  for (const [name, number] of Object.entries(parts)) panel.querySelector(`[data-bar="${name}"]`).style.width = `${(100 * number) / all}%`;
  for (const place of panel.querySelectorAll("[data-as-of]")) place.textContent = live.as_of;
  pace(live);
  services(live.services);
}

function pace(live) {
  seen.push([live.now, live.done]);
  while (seen.length > 2 && live.now - seen[0][0] > 6) seen.shift();
  const [begun, before] = seen[0];
  const speed = live.now > begun ? (live.done - before) / (live.now - begun) : 0;
  const left = live.totals.remaining;
  panel.querySelector("[data-speed]").textContent = live.status === "sending" && speed >= 1 ? `${whole(Math.round(speed))}/s` : "";
  const seconds = speed >= 1 ? Math.ceil(left / speed) : null;
  panel.querySelector("[data-left]").textContent =
    live.status === "sending" && seconds !== null && left > 0 ? `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} left` : "";
}

function services(lines) {
  const list = panel.querySelector("[data-services]");
  list.replaceChildren(
    ...lines.map((one) => {
      const line = document.createElement("li");
      const name = Object.assign(document.createElement("span"), { textContent: one.name });
      const bar = Object.assign(document.createElement("span"), { className: "pp-bar pp-bar-thin" });
      const fill = bar.appendChild(Object.assign(document.createElement("i"), { className: one.slowed ? "pp-fill-look" : "pp-fill-way" }));
      if (one.done >= one.total) fill.className = "pp-fill-reach";
      fill.style.width = `${one.width}%`;
      const said = Object.assign(document.createElement("span"), { className: "pp-number", textContent: `${whole(one.done)} of ${whole(one.total)}` });
      line.append(name, bar, said);
      if (one.slowed) line.append(Object.assign(document.createElement("span"), { className: "pp-text-look", textContent: `▲ ${one.slowed}` }));
      return line;
    }),
  );
}

async function follow() {
  const trouble = panel.querySelector("[data-trouble]");
  let status = first.status;
  for (;;) {
    await new Promise((done) => setTimeout(done, 1000));
    if (document.hidden) continue;
    try {
      const response = await fetch(panel.dataset.progress, { headers: { Accept: "application/json" } });
      if (!response.ok) throw new Error(String(response.status));
      const live = await response.json();
      trouble.hidden = true;
      show(live);
      if (live.status !== status) return location.reload(); // other buttons, the chart, the tables
      status = live.status;
    } catch {
      trouble.hidden = false;
    }
  }
}

// --- Receipts still come in after the last push has gone
async function followReceipts() {
  for (let turn = 0; turn < 120; turn += 1) {
    await new Promise((done) => setTimeout(done, 5000));
    if (document.hidden) continue;
    const response = await fetch(panel.dataset.progress).catch(() => null);
    if (response?.ok) show(await response.json());
  }
}

show(first);
if (panel) (panel.hasAttribute("data-alive") ? follow : followReceipts)();

// --- The chart: inline SVG
const SERIES = [["accepted", "pp-line-way"], ["shown", "pp-line-reach"], ["clicked", "pp-line-strong"]];
const chart = document.querySelector("[data-chart]");
const minutes = chart ? JSON.parse(document.querySelector("#minutes").textContent) : [];
const svg = (name, attributes = {}, text) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
};

// Times are the Site's, so they are counted as if they were UTC: no clock of this computer has a say.
const minuteOf = (at) => Date.parse(`${at}:00Z`) / 60000;
function gather(size) {
  const sums = new Map();
  for (const one of minutes) {
    const place = Math.floor(minuteOf(one.at) / size) * size;
    const sum = sums.get(place) ?? { accepted: 0, shown: 0, clicked: 0 };
    for (const [name] of SERIES) sum[name] += one[name];
    sums.set(place, sum);
  }
  const places = [...sums.keys()].sort((a, b) => a - b);
  const begun = places[0];
  const ended = Math.max(places[places.length - 1], begun + 11 * size);
  const steps = Math.min((ended - begun) / size, 1500);
  return Array.from({ length: steps + 1 }, (_, index) => {
    const place = begun + index * size;
    return { place, ...(sums.get(place) ?? { accepted: 0, shown: 0, clicked: 0 }) };
  });
}

const two = (number) => String(number).padStart(2, "0");
function timeWord(place, size) {
  const date = new Date(place * 60000);
  const day = `${date.getUTCDate()} ${date.toLocaleString("en", { month: "short", timeZone: "UTC" })}`;
  return size >= 1440 ? day : `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
}

function drawChart(size) {
  const [width, height, left, bottom, top] = [Math.max(chart.clientWidth, 280), 220, 48, 24, 8];
  const points = gather(size);
  const most = Math.max(1, ...points.flatMap((point) => SERIES.map(([name]) => point[name])));
  const step = 10 ** Math.floor(Math.log10(most)) || 1;
  const roof = Math.max(Math.ceil(most / step) * step, 4);
  const x = (index) => left + (index * (width - left - 8)) / Math.max(points.length - 1, 1);
  const y = (number) => top + (1 - number / roof) * (height - bottom - top);
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": "Accepted, shown and clicked over time" });
  for (let line = 0; line <= 4; line += 1) {
    const number = (roof * line) / 4;
    drawing.append(svg("line", { x1: left, x2: width - 8, y1: y(number), y2: y(number), class: "pp-grid" }));
    drawing.append(svg("text", { x: left - 8, y: y(number) + 4, "text-anchor": "end" }, whole(Math.round(number * 100) / 100)));
  }
  const labels = Math.max(2, Math.floor(width / 110));
  points.forEach((point, index) => {
    if (index % Math.ceil(points.length / labels) === 0) {
      drawing.append(svg("text", { x: x(index), y: height - 6, "text-anchor": index === 0 ? "start" : "middle" }, timeWord(point.place, size)));
    }
  });
  for (const [name, line] of SERIES) {
    const way = points.map((point, index) => `${index ? "L" : "M"}${x(index).toFixed(1)} ${y(point[name]).toFixed(1)}`).join("");
    drawing.append(svg("path", { d: way, class: `pp-line ${line}` }));
  }
  const marker = svg("line", { y1: top, y2: height - bottom, class: "pp-marker", visibility: "hidden" });
  drawing.append(marker);
  const said = Object.assign(document.createElement("p"), { className: "pp-chart-said pp-tiny pp-faint pp-number", textContent: "\u00a0" });
  drawing.addEventListener("pointermove", (event) => {
    const place = ((event.clientX - drawing.getBoundingClientRect().left) * width) / drawing.getBoundingClientRect().width;
    const index = Math.round(((place - left) / (width - left - 8)) * (points.length - 1));
    const point = points[Math.min(Math.max(index, 0), points.length - 1)];
    marker.setAttribute("x1", x(points.indexOf(point)));
    marker.setAttribute("x2", x(points.indexOf(point)));
    marker.setAttribute("visibility", "visible");
    said.textContent = `${timeWord(point.place, size)} · accepted ${whole(point.accepted)} · shown ${whole(point.shown)} · clicked ${whole(point.clicked)}`;
  });
  chart.replaceChildren(drawing, said);
}

if (chart) {
  if (!minutes.length) {
    chart.replaceChildren(Object.assign(document.createElement("p"), { className: "pp-empty", textContent: "Nothing has happened yet." }));
    document.querySelector("[data-scale]").hidden = true;
  } else {
    const span = minuteOf(minutes[minutes.length - 1].at) - minuteOf(minutes[0].at);
    let size = span > 14 * 1440 ? 1440 : span > 360 ? 60 : 1;
    const choose = (wanted) => {
      size = wanted;
      for (const button of document.querySelectorAll("[data-scale] button")) button.setAttribute("aria-pressed", String(Number(button.dataset.minutes) === size));
      drawChart(size);
    };
    document.querySelector("[data-scale]").addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) choose(Number(button.dataset.minutes));
    });
    choose(size);
    new ResizeObserver(() => drawChart(size)).observe(chart.parentElement);
  }
}

// --- Which table
document.querySelector("[data-breakdowns]")?.addEventListener("click", (event) => {
  const button = event.target.closest("[data-table]");
  if (!button) return;
  for (const one of document.querySelectorAll("[data-table]")) one.setAttribute("aria-pressed", String(one === button));
  for (const rows of document.querySelectorAll("[data-rows-of]")) rows.hidden = rows.dataset.rowsOf !== button.dataset.table;
});
for (const stage of document.querySelectorAll("[data-still]")) stage.dataset.shade = document.documentElement.classList.contains("dark") ? "dark" : "light";
