// How each kind of value is asked for: `input` of an operator, as the catalogue names it.

import { unitOf } from "./catalogue.js";
import { chipInput, suggestedInput } from "./chips.js";
import { make, option, takesAll } from "./elements.js";
import { drawMembers } from "./members.js";
import { span } from "./spans.js";

const number = (text) => (text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : undefined);
const isDay = (text) => /^\d{4}-\d{2}-\d{2}$/.test(text);

// The elements after the operator of a test: its value, and what else the operator takes.
export function drawValues(node, store) {
  const field = store.catalogue.byName.get(node.rule.field);
  const operator = store.catalogue.operator(node.rule);
  const put = (value) => {
    if (value === undefined || (Array.isArray(value) && !value.length)) delete node.rule.value;
    else node.rule.value = value;
    store.typed(node);
  };
  const about = { node, store, field, operator, put, value: node.rule.value, disabled: !store.editable };
  const draw = INPUTS[operator.input] ?? raw;
  return [draw(about), ...drawMembers(about)].filter(Boolean);
}

const INPUTS = {
  none: () => null,
  text: (about) => (about.field.suggests ? suggestedInput({ ...about, load: loader(about), label: "Value" }) : typed(about, "text")),
  texts: (about) => chips(about, (text) => text, "one or several"),
  numbers: (about) => chips(about, number, "one or several numbers"),
  dates: (about) => chips(about, (text) => (isDay(text) ? text : undefined), "2026-03-31"),
  choice: chosen, list: chosen, boolean: chosen,
  choices: (about) => chips(about, (text) => choiceCalled(about, text), "Choose…"),
  lists: (about) => chips(about, (text) => choiceCalled(about, text), "Choose…"),
  number: (about) => typed(about, "number", { step: "any" }),
  date: (about) => typed(about, "date"),
  moment: (about) => moment(about, about.value, about.put),
  count: (about) => worded(typed(about, "number", { min: 0, step: 1 }), "times"),
  ahead: (about) => worded(typed(about, "number", { min: 0, max: 365, step: 1 }), "days ahead; 0 is today"),
  range: (about) => pair(about, (value, put, label) => typed({ ...about, value, put, label }, "number", { step: "any" })),
  counts: (about) => worded(pair(about, (value, put, label) => typed({ ...about, value, put, label }, "number", { min: 0, step: 1 })), "times"),
  days: (about) => pair(about, (value, put, label) => typed({ ...about, value, put, label }, "date")),
  moments: (about) => pair(about, (value, put) => moment(about, value, put)),
  span: (about) => span({ ...about, label: "How long" }),
};

function typed({ value, put, disabled, label = "Value" }, type, more = {}) {
  const input = make("input", {
    className: `pp-input ${type === "number" ? "pp-input-number" : ""}`, type, autocomplete: "off", "aria-label": label, "data-part": "value",
    value: value ?? "", disabled, ...more,
    oninput: () => put(type === "number" ? number(input.value) : input.value === "" ? undefined : input.value),
  });
  return type === "number" ? takesAll(input) : input;
}

// What the page cannot ask for is shown as it is, and kept.
const raw = ({ value }) => make("code", { className: "pp-mono", textContent: JSON.stringify(value) ?? "" });

const worded = (element, words) => make("div", { className: "pp-worded" }, element, make("span", { className: "pp-small pp-faint", textContent: words }));

// A day; a time with its offset, which only JSON can write here, stays what it is.
const moment = (about, value, put) => typed({ ...about, value, put }, value === undefined || isDay(value) ? "date" : "text");

function pair({ value, put }, draw) {
  const both = Array.isArray(value) ? [...value] : [undefined, undefined];
  const set = (place) => (one) => {
    both[place] = one;
    put(both.some((each) => each === undefined) ? undefined : [...both]);
  };
  return make("div", { className: "pp-worded" }, draw(both[0], set(0), "From"), make("span", { className: "pp-small pp-faint", textContent: "and" }), draw(both[1], set(1), "To"));
}

function chosen({ operator, value, put, disabled }) {
  const isBoolean = operator.input === "boolean";
  const select = make("select", { className: "pp-input", "aria-label": "Value", "data-part": "value", disabled },
    value === undefined ? option("", "Choose…", "") : null,
    ...(value !== undefined && !operator.choices.some(([one]) => one === String(value)) ? [option(String(value), `${value} (not known)`, String(value))] : []),
    ...operator.choices.map(([one, words]) => option(one, words, value === undefined ? "" : String(value))));
  select.addEventListener("change", () => put(select.value === "" ? undefined : isBoolean ? select.value === "true" : select.value));
  return select;
}

function choiceCalled({ operator }, text) {
  const wanted = text.toLowerCase();
  return operator.choices.find(([value, words]) => [value.toLowerCase(), words.toLowerCase()].includes(wanted))?.[0];
}

function chips(about, read, placeholder) {
  const { operator, value, put, disabled } = about;
  const names = new Map(operator.choices);
  return chipInput({
    values: Array.isArray(value) ? value : [], load: loader(about), read, put, disabled, placeholder, label: "Values",
    say: (one) => names.get(one) ?? String(one),
  });
}

// Suggestions of a field: its choices, or the commonest values there are, with how many have each.
function loader({ node, field, operator, store }) {
  return async (text, signal) => {
    const wanted = text.trim().toLowerCase();
    if (!field.suggests && !operator.choices.length) return [];
    const { values: found, exact } = field.suggests ? await store.values(node.rule.field, operator.choices.length ? "" : text.trim(), signal) : { values: [] };
    const more = { unit: unitOf(field), exact };
    if (!operator.choices.length) return found.map(([value, count]) => ({ value: operator.input === "numbers" ? Number(value) : value, label: value, count, ...more }));
    const counts = new Map(found);
    return operator.choices
      .filter(([value, words]) => `${value} ${words}`.toLowerCase().includes(wanted))
      .map(([value, words]) => ({ value, label: words, count: field.suggests ? (counts.get(value) ?? 0) : null, ...more }))
      .sort((a, b) => (b.count ?? 0) - (a.count ?? 0));
  };
}
