// The size of a segment day by day, drawn; a table tells the same.

import { make, whole } from "./elements.js";

export function drawSizes(place) {
  const rows = JSON.parse(document.querySelector("#sizes").textContent);
  const days = rows.map((row) => Date.parse(row.day));
  const known = new Map(rows.map((row) => [row.day, row]));
  const points = [];
  for (let day = days[0]; day <= days.at(-1); day += 86_400_000) points.push(known.get(new Date(day).toISOString().slice(0, 10)) ?? { devices: null, people: null });
  const word = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", timeZone: "UTC" });
  const draw = () => drawLines(place, {
    points, series: [["devices", "pp-line-main"], ["people", "pp-line-strong"]], label: "Devices and people, day by day", height: 180,
    timeWord: (index) => word.format(new Date(days[0] + index * 86_400_000)),
    said: (point, day) => (point.devices === null ? `${day}: not counted` : `${day}: ${whole(point.devices)} devices, ${whole(point.people)} people`),
  });
  draw();
  addEventListener("resize", draw);
  const table = document.querySelector("[data-sizes-table] tbody");
  table.replaceChildren(...rows.toReversed().map((row) => make("tr", {}, make("td", { textContent: row.day }),
    make("td", { className: "pp-right", textContent: whole(row.devices) }), make("td", { className: "pp-right", textContent: whole(row.people) }))));
}
