// A campaign's page: its numbers follow the server once a second while it is alive, what is told around them every ten;
// the chart is drawn here.

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
  outlook(live.outlook.lines);
  services(live.services);
}

function pace(live) {
  seen.push([live.now, live.done]);
  while (seen.length > 2 && live.now - seen[0][0] > 6) seen.shift();
  const [begun, before] = seen[0];
  const speed = live.now > begun ? (live.done - before) / (live.now - begun) : 0;
  panel.querySelector("[data-speed]").textContent = live.status === "sending" && speed >= 1 ? `${whole(Math.round(speed))}/s` : "";
  panel.querySelector("[data-left]").textContent = live.status === "sending" && live.outlook.left !== null ? `${lengthOf(live.outlook.left)} left` : "";
}

function lengthOf(given) {
  const seconds = Math.ceil(given);
  const two = (number) => String(number).padStart(2, "0");
  const minutes = `${Math.floor(seconds / 60) % 60}`;
  return seconds < 3600 ? `${minutes}:${two(seconds % 60)}` : `${Math.floor(seconds / 3600)}:${two(minutes)}:${two(seconds % 60)}`;
}

// What is happening, why, and when it ends or expires; written anew only when a word of it changed.
function outlook(lines) {
  const list = panel.querySelector("[data-outlook]");
  const text = JSON.stringify(lines);
  if (list.dataset.shown === text) return;
  list.dataset.shown = text;
  list.replaceChildren(
    ...lines.map((one) => Object.assign(document.createElement("li"), { textContent: one.text, className: one.colour ? `pp-text-${one.colour}` : "" })),
  );
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
  for (let turn = 1; ; turn += 1) {
    await new Promise((done) => setTimeout(done, 1000));
    if (document.hidden) continue;
    if (turn % 10 === 0) takeMinutes(await freshen());
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
    if (turn % 6 === 5) takeMinutes(await freshen());
  }
}

// --- The chart: inline SVG
const SERIES = [["accepted", "pp-line-way"], ["shown", "pp-line-reach"], ["clicked", "pp-line-strong"]];
const chart = document.querySelector("[data-chart]");
let minutes = [];
let until = 0; // what the chart is drawn up to
let span = 0;
let scale = 0;

// Times are the Site's, so they are counted as if they were UTC: no clock of this computer has a say.
const minuteOf = (at) => Date.parse(`${at}:00Z`) / 60000;

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
  const last = total ? Math.min(until, ended + Math.max(9 * size, (ended - begun) / 4)) : ended;
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

function drawChart(scale) {
  const total = scale === 0;
  const size = scale || (span > 30 * 1440 ? 1440 : span > 1440 ? 60 : 1);
  const points = gather(size, total);
  drawLines(chart, {
    points,
    series: SERIES,
    label: "Accepted, shown and clicked over time",
    timeWord: (index) => timeWord(points[0].place + index * size, size),
    said: (point, time) => `${total ? "until " : ""}${time} · accepted ${whole(point.accepted)} · shown ${whole(point.shown)} · clicked ${whole(point.clicked)}`,
  });
}

// The minutes that a page carries, this one or a newer.
function takeMinutes(page) {
  const found = page?.querySelector("#minutes");
  if (!chart || !found) return;
  minutes = JSON.parse(found.textContent);
  until = minuteOf(JSON.parse(page.querySelector("#until").textContent));
  span = minutes.length ? minuteOf(minutes[minutes.length - 1].at) - minuteOf(minutes[0].at) : 0;
  document.querySelector("[data-scale]").hidden = !minutes.length;
  if (minutes.length) drawChart(scale);
  else chart.replaceChildren(Object.assign(document.createElement("p"), { className: "pp-empty", textContent: "Nothing has happened yet." }));
}

if (chart) {
  document.querySelector("[data-scale]").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    scale = Number(button.dataset.minutes);
    for (const one of document.querySelectorAll("[data-scale] button")) one.setAttribute("aria-pressed", String(one === button));
    drawChart(scale);
  });
  takeMinutes(document);
  new ResizeObserver(() => minutes.length && drawChart(scale)).observe(chart.parentElement);
}

// --- Which table
document.querySelector("[data-breakdowns]")?.addEventListener("click", (event) => {
  const button = event.target.closest("[data-table]");
  if (!button) return;
  for (const one of document.querySelectorAll("[data-table]")) one.setAttribute("aria-pressed", String(one === button));
  for (const rows of document.querySelectorAll("[data-rows-of]")) rows.hidden = rows.dataset.rowsOf !== button.dataset.table;
});
for (const stage of document.querySelectorAll("[data-still]")) stage.dataset.shade = document.documentElement.classList.contains("dark") ? "dark" : "light";

show(first);
if (panel) (panel.hasAttribute("data-alive") ? follow : followReceipts)();
