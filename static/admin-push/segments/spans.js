// A span of time as the definition writes it: 90m, 12h, 30d, 8w.

import { make, option, takesAll } from "./elements.js";

const UNITS = [["m", "minutes"], ["h", "hours"], ["d", "days"], ["w", "weeks"]];

export function span({ value, put, disabled, label, empty }) {
  const [, amount, unit] = /^(\d+)([mhdw])$/.exec(value ?? "") ?? [null, "", "d"];
  const many = takesAll(make("input", { className: "pp-input pp-input-number", type: "number", min: 1, step: 1, value: amount, placeholder: empty ?? "", "aria-label": label, "data-part": "value", disabled }));
  const units = make("select", { className: "pp-input", "aria-label": "Unit of time", disabled }, ...UNITS.map(([one, words]) => option(one, words, unit)));
  const update = () => put(many.value ? `${many.value}${units.value}` : undefined);
  many.addEventListener("input", update);
  units.addEventListener("change", update);
  return make("div", { className: "pp-worded" }, many, units);
}
