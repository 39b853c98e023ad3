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
const span = minutes.length ? minuteOf(minutes[minutes.length - 1].at) - minuteOf(minutes[0].at) : 0;

// The figures of each `size` minutes from the first to the last; `total` adds them up as they go.
function gather(size, total) {
  const sums = new Map();
  for (const one of minutes) {
    const place = Math.floor(minuteOf(one.at) / size) * size;
    const sum = sums.get(place) ?? { accepted: 0, shown: 0, clicked: 0 };
    for (const [name] of SERIES) sum[name] += one[name];
    sums.set(place, sum);
  }
  const places = [...sums.keys()];
  const [begun, ended] = [Math.min(...places), Math.max(...places)];
  const before = { accepted: 0, shown: 0, clicked: 0 };
  // A total begins at nothing, and stays what it is until now.
  const points = total ? [{ place: begun - size, ...before }] : [];
  const last = total ? Math.min(minuteOf(JSON.parse(document.querySelector("#until").textContent)), ended + Math.max(9 * size, (ended - begun) / 4)) : ended;
  for (let place = begun; place <= Math.max(last, ended) && points.length < 3000; place += size) {
    const here = sums.get(place) ?? { accepted: 0, shown: 0, clicked: 0 };
    for (const [name] of SERIES) before[name] += here[name];
    points.push({ place, ...(total ? before : here) });
  }
  return points;
}

const two = (number) => String(number).padStart(2, "0");
function timeWord(place, size) {
  const date = new Date(place * 60000);
  const day = `${date.getUTCDate()} ${date.toLocaleString("en", { month: "short", timeZone: "UTC" })}`;
  return size >= 1440 ? day : `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
}

function roofOf(most) {
  const step = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  return Math.max([1, 2, 4, 6, 8, 10].map((times) => times * step).find((roof) => roof >= most), 4);
}

function drawChart(scale) {
  const total = scale === 0;
  const size = scale || (span > 30 * 1440 ? 1440 : span > 1440 ? 60 : 1);
  const [width, height, left, bottom, top] = [Math.max(chart.clientWidth, 280), 230, 52, 24, 8];
  const points = gather(size, total);
  const roof = roofOf(Math.max(...points.flatMap((point) => SERIES.map(([name]) => point[name]))));
  const steps = Math.max(points.length - 1, 9); // a short campaign does not fill the whole width
  const x = (index) => left + (index * (width - left - 10)) / steps;
  const y = (number) => top + (1 - number / roof) * (height - bottom - top);
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": "Accepted, shown and clicked over time" });
  for (let line = 0; line <= 4; line += 1) {
    const number = (roof * line) / 4;
    drawing.append(svg("line", { x1: left, x2: width - 10, y1: y(number), y2: y(number), class: "pp-grid" }));
    drawing.append(svg("text", { x: left - 8, y: y(number) + 4, "text-anchor": "end" }, whole(number)));
  }
  const every = Math.ceil((steps + 1) / Math.max(2, Math.floor(width / 110)));
  for (let index = 0; index <= steps; index += every) {
    drawing.append(svg("text", { x: x(index), y: height - 6, "text-anchor": index ? "middle" : "start" }, timeWord(points[0].place + index * size, size)));
  }
  for (const [name, line] of SERIES) {
    const way = points.map((point, index) => `${index ? "L" : "M"}${x(index).toFixed(1)} ${y(point[name]).toFixed(1)}`).join("");
    drawing.append(svg("path", { d: way, class: `pp-line ${line}` }));
    const last = points[points.length - 1];
    drawing.append(svg("circle", { cx: x(points.length - 1), cy: y(last[name]), r: 3, class: `pp-point ${line}` }));
  }
  const marker = svg("line", { y1: top, y2: height - bottom, class: "pp-marker", visibility: "hidden" });
  drawing.append(marker);
  const said = Object.assign(document.createElement("p"), { className: "pp-chart-said pp-tiny pp-faint pp-number", textContent: "\u00a0" });
  drawing.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    const index = Math.round(((((event.clientX - box.left) * width) / box.width - left) / (width - left - 10)) * steps);
    const here = Math.min(Math.max(index, 0), points.length - 1);
    const point = points[here];
    marker.setAttribute("x1", x(here));
    marker.setAttribute("x2", x(here));
    marker.setAttribute("visibility", "visible");
    said.textContent = `${total ? "until " : ""}${timeWord(point.place, size)} · accepted ${whole(point.accepted)} · shown ${whole(point.shown)} · clicked ${whole(point.clicked)}`;
  });
  chart.replaceChildren(drawing, said);
}

if (chart) {
  if (!minutes.length) {
    chart.replaceChildren(Object.assign(document.createElement("p"), { className: "pp-empty", textContent: "Nothing has happened yet." }));
    document.querySelector("[data-scale]").hidden = true;
  } else {
    let size = 0;
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
