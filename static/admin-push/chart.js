// What pages with charts share: lines over time as inline SVG.

const whole = (number) => number.toLocaleString("en");
const svg = (name, attributes = {}, text) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
};

function roofOf(most) {
  const step = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  return Math.max([1, 2, 4, 6, 8, 10].map((times) => times * step).find((roof) => roof >= most), 4);
}

// A line that breaks where its number is null, and the places of numbers that stand alone.
function wayOf(points, name, x, y) {
  let [way, alone] = ["", []];
  const at = (index) => points[index]?.[name] ?? null;
  points.forEach((point, index) => {
    const number = at(index);
    if (number === null) return;
    way += `${at(index - 1) === null ? "M" : "L"}${x(index).toFixed(1)} ${y(number).toFixed(1)}`;
    if (at(index - 1) === null && at(index + 1) === null) alone.push(index);
  });
  return [way, alone];
}

// Draws `series`, [name in a point, class of its line] each, over `points`, which are evenly apart in time.
// `timeWord` names the place of an index; `said` puts a point into words, shown under the pointer.
function drawLines(place, { points, series, label, timeWord, said, height = 230, least = 9, unit = "" }) {
  const [width, left, bottom, top] = [Math.max(place.clientWidth, 280), 52, 24, 8];
  const roof = roofOf(Math.max(0, ...points.flatMap((point) => series.map(([name]) => point[name] ?? 0))));
  const steps = Math.max(points.length - 1, least); // a short course does not fill the whole width
  const x = (index) => left + (index * (width - left - 10)) / steps;
  const y = (number) => top + (1 - number / roof) * (height - bottom - top);
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
  for (let line = 0; line <= 4; line += 1) {
    const number = (roof * line) / 4;
    drawing.append(svg("line", { x1: left, x2: width - 10, y1: y(number), y2: y(number), class: "pp-grid" }));
    drawing.append(svg("text", { x: left - 8, y: y(number) + 4, "text-anchor": "end" }, whole(number) + (line === 4 ? unit : "")));
  }
  const every = Math.ceil((steps + 1) / Math.max(2, Math.floor(width / 110)));
  for (let index = 0; index <= steps; index += every) {
    const anchor = !index ? "start" : x(index) > width - 30 ? "end" : "middle";
    drawing.append(svg("text", { x: x(index), y: height - 6, "text-anchor": anchor }, timeWord(index)));
  }
  for (const [name, line] of series) {
    const [way, alone] = wayOf(points, name, x, y);
    drawing.append(svg("path", { d: way, class: `pp-line ${line}` }));
    const end = points.length - 1;
    for (const index of points[end]?.[name] == null ? alone : [...alone, end]) {
      drawing.append(svg("circle", { cx: x(index), cy: y(points[index][name]), r: index === end ? 3 : 2, class: `pp-point ${line}` }));
    }
  }
  const marker = svg("line", { y1: top, y2: height - bottom, class: "pp-marker", visibility: "hidden" });
  drawing.append(marker);
  const words = Object.assign(document.createElement("p"), { className: "pp-chart-said pp-tiny pp-faint pp-number", textContent: "\u00a0" });
  drawing.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    const index = Math.round(((((event.clientX - box.left) * width) / box.width - left) / (width - left - 10)) * steps);
    const here = Math.min(Math.max(index, 0), points.length - 1);
    marker.setAttribute("x1", x(here));
    marker.setAttribute("x2", x(here));
    marker.setAttribute("visibility", "visible");
    words.textContent = said(points[here], timeWord(here));
  });
  place.replaceChildren(drawing, words);
}
