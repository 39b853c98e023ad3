// Push services: the lines follow the server every two seconds, answers and strips every ten; a road's history is asked
// for when it is opened.

const place = document.querySelector("[data-roads]");
const kinds = JSON.parse(document.querySelector("#kinds").textContent);
const make = (name, className, textContent = "") => Object.assign(document.createElement(name), { className, textContent });

// --- Lines that move
const seen = new Map(); // road -> (time, requests so far) of the last seconds, for the rate of the moment
function rateOf(line, now) {
  const road = seen.get(line.id) ?? { before: new Map(), total: 0, course: [] };
  seen.set(line.id, road);
  const isFirst = !road.course.length;
  for (const [minute, number] of line.minutes) {
    if (!isFirst) road.total += Math.max(number - (road.before.get(minute) ?? 0), 0);
    road.before.set(minute, number);
  }
  road.course.push([now, road.total]);
  while (road.course.length > 2 && now - road.course[0][0] > 12) road.course.shift();
  const [begun, total] = road.course[0];
  const seconds = now - begun;
  const rate = seconds >= 4 ? (road.total - total) / seconds : 0;
  if (rate >= 10 && line.cells.rate !== "0/s") return `${whole(Math.round(rate))}/s`;
  // On a slow road requests come in slices; on one that is clear, none in ten seconds is none.
  return seconds >= 10 && !rate && line.course === "open" ? "0/s" : line.cells.rate;
}

function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

function show({ lines, now, as_of: asOf }) {
  const shown = [...place.querySelectorAll("[data-road]")];
  const changed = lines.length !== shown.length || lines.some((line, index) => line.id !== shown[index].dataset.road);
  if (changed) return location.reload();
  for (const [index, line] of lines.entries()) {
    const row = shown[index];
    const asked = [line.course, row.dataset.course];
    if (asked[0] !== asked[1] && asked.includes("refused")) return location.reload(); // with its button, or without
    row.dataset.course = line.course;
    const mark = row.querySelector("[data-mark]");
    mark.className = `pp-mark pp-mark-${line.colour}`;
    write(mark, line.mark);
    for (const [name, text] of Object.entries({ ...line.cells, rate: rateOf(line, now) })) write(row.querySelector(`[data-cell="${name}"]`), text);
    troubles(row.querySelector("[data-troubles]"), line.troubles);
  }
  for (const one of document.querySelectorAll("[data-as-of]")) one.textContent = asOf;
}

function troubles(list, lines) {
  const text = JSON.stringify(lines);
  if (list.dataset.shown === text) return;
  list.dataset.shown = text;
  list.hidden = !lines.length;
  list.replaceChildren(
    ...lines.map((one) => {
      const item = Object.assign(document.createElement("li"), { title: one.meaning });
      item.append(`${one.word} `, make("b", "pp-number pp-text-look", one.number));
      return item;
    }),
  );
}

async function follow() {
  const trouble = document.querySelector("[data-trouble]");
  for (let turn = 1; ; turn += 1) {
    await new Promise((done) => setTimeout(done, 2000));
    if (document.hidden) continue;
    if (turn % 5 === 0) await freshen();
    try {
      const response = await fetch(place.dataset.roads, { headers: { Accept: "application/json" } });
      if (!response.ok) throw new Error(String(response.status));
      show(await response.json());
      trouble.hidden = true;
    } catch {
      trouble.hidden = false;
    }
  }
}
follow();

// --- History
const SERIES = [["allowed", "pp-line-allowed"], ["failed", "pp-line-fail"], ["slowed", "pp-line-look"], ["accepted", "pp-line-way"]];
const FAILED = ["unavailable", "refused", "rejected", "no_answer", "unsent"];
const SAID = { accepted: "accepted", slowed: "too many", failed: "failed" };
const perMinute = (number, minutes) => Math.round((10 * number) / minutes) / 10;
const milliseconds = (number) => (number === null ? "–" : `${whole(number)} ms`);

function pointsOf({ minutes, minutes_of_last: begun, points }) {
  const drawn = points.map((point, index) => {
    const counts = point.counts ?? {};
    const isLast = index === points.length - 1;
    const length = isLast ? begun : minutes;
    // A step that has only just begun says nothing of its rate yet.
    const sum = (names) => (isLast && begun < 0.4 ? null : perMinute(names.reduce((total, name) => total + (counts[name] ?? 0), 0), length));
    return { ...point, accepted: sum(["accepted"]), slowed: sum(["throttled"]), failed: sum(FAILED), allowed: point.allowed ?? null, p50: point.p50 ?? null, p99: point.p99 ?? null };
  });
  const most = Math.max(...drawn.flatMap((point) => [point.accepted, point.slowed, point.failed]));
  for (const point of drawn) if (point.allowed !== null && point.allowed > 2 * most) point.over = true; // it would press all else flat
  return drawn.map((point) => (point.over ? { ...point, allowed: null, limit: point.allowed } : { ...point, limit: point.allowed }));
}

function tableOf(points) {
  const details = document.createElement("details");
  details.append(make("summary", "pp-small pp-link", "As a table"));
  const box = Object.assign(make("div", "pp-body-flush pp-table-box"), { tabIndex: 0, role: "region", ariaLabel: "The history as a table" });
  const table = make("table", "pp-table pp-table-dense");
  const head = table.createTHead().insertRow();
  for (const [index, word] of ["Time", ...kinds.map(([, word]) => word), "p50", "p99", "Window", "Limit a minute", "Rested"].entries()) {
    head.append(Object.assign(make("th", index ? "pp-right" : "", word), { scope: "col" }));
  }
  const body = table.createTBody();
  for (const point of points.filter((one) => one.counts).reverse()) {
    const row = body.insertRow();
    const limit = point.limit === null ? "–" : whole(point.limit);
    const cells = [point.at, ...kinds.map(([kind]) => whole(point.counts[kind])), milliseconds(point.p50), milliseconds(point.p99), point.window ?? "–", limit, point.rested ? `${whole(point.rested)} s` : "–"];
    for (const [index, text] of cells.entries()) row.append(make("td", index ? "pp-right" : "pp-first pp-nowrap", String(text)));
  }
  box.append(table);
  details.append(box);
  return details;
}

function chart(title, legend, draw) {
  const figure = document.createElement("figure");
  const caption = make("figcaption", "pp-row");
  caption.append(make("span", "pp-small pp-strong", title));
  const words = make("div", "pp-legend pp-tiny");
  for (const [dot, word] of legend) words.append(make("span", dot, word));
  caption.append(words);
  const inside = make("div", "pp-chart");
  figure.append(caption, inside);
  return [figure, () => draw(inside)];
}

function draw(target, data) {
  const points = pointsOf(data);
  if (!points.some((point) => point.counts)) return target.replaceChildren(make("p", "pp-empty", "Nothing was sent on it in this time."));
  const common = { points, timeWord: (index) => points[index]?.at ?? "", height: 180 };
  const [answers, drawAnswers] = chart(
    "Answers a minute",
    [["pp-dot-way", "accepted"], ["pp-dot-look", "too many (429)"], ["pp-dot-fail", "failed"], ["pp-dot-strong", "limit"]],
    (inside) =>
      drawLines(inside, {
        ...common,
        series: SERIES.filter(([name]) => points.some((point) => point[name])), // no line along the bottom
        label: "Accepted, refused as too many, and failed, a minute",
        said: (point, time) => `${time} · ${Object.entries(SAID).map(([name, word]) => `${word} ${point[name] === null ? "–" : whole(point[name])}`).join(" · ")}${point.limit === null ? "" : ` · limit ${whole(point.limit)}`}${point.window ? ` · window ${whole(point.window)}` : ""}`,
      }),
  );
  const [times, drawTimes] = chart("Time to answer, ms", [["pp-dot-reach", "p50"], ["pp-dot-main", "p99"]], (inside) =>
    drawLines(inside, {
      ...common,
      series: [["p99", "pp-line-main"], ["p50", "pp-line-reach"]],
      label: "Half of the answers, and 99 of 100, came within so many milliseconds",
      said: (point, time) => `${time} · p50 ${milliseconds(point.p50)} · p99 ${milliseconds(point.p99)}`,
    }),
  );
  const charts = make("div", "pp-columns pp-columns-2");
  charts.append(answers, times);
  target.replaceChildren(charts, tableOf(points));
  const again = () => [drawAnswers, drawTimes].forEach((one) => one());
  target.redraw = again;
  again();
}

async function load(details, span) {
  const target = details.querySelector("[data-drawn]");
  const asked = (details.asked = Symbol(span));
  const slow = setTimeout(() => target.replaceChildren(make("div", "pp-skeleton")), 300);
  for (const button of details.querySelectorAll("[data-span]")) button.setAttribute("aria-pressed", String(button.dataset.span === span));
  try {
    const response = await fetch(`${place.dataset.history}?road=${details.dataset.roadHistory}&span=${span}`);
    if (!response.ok) throw new Error(String(response.status));
    const data = await response.json();
    if (details.asked === asked) draw(target, data);
  } catch {
    if (details.asked !== asked) return;
    const again = make("button", "pp-button", "Try again");
    again.type = "button";
    again.addEventListener("click", () => load(details, span));
    const said = make("p", "pp-note pp-note-look pp-row");
    said.append(make("span", "pp-grow", "The history could not be read. Nothing is lost by that."), again);
    target.replaceChildren(said);
  } finally {
    clearTimeout(slow);
  }
}

for (const details of document.querySelectorAll("[data-road-history]")) {
  const chosen = () => details.querySelector("[data-span][aria-pressed=true]").dataset.span;
  details.addEventListener("toggle", () => details.open && load(details, chosen()));
  details.addEventListener("click", (event) => {
    const span = event.target.closest("[data-span]")?.dataset.span;
    if (span) load(details, span);
  });
  // The hour goes on; the longer spans change too slowly to be drawn anew while one looks at them.
  setInterval(() => details.open && !document.hidden && chosen() === "hour" && !details.querySelector("[data-drawn] details[open]") && load(details, "hour"), 30000);
}
addEventListener("resize", () => {
  for (const drawn of document.querySelectorAll("details[open] > div > [data-drawn]")) drawn.redraw?.();
});
