// What operators take beside a value: a campaign, a time to count within, an event's name and its properties.

import { unitOf } from "./catalogue.js";
import { suggestedInput } from "./chips.js";
import { iconButton, make, option } from "./elements.js";
import { span } from "./spans.js";

const OPS = [
  ["eq", "is"], ["ne", "is not"], ["in", "is one of"], ["gt", "is more than"], ["gte", "is at least"], ["lt", "is less than"],
  ["lte", "is at most"], ["contains", "contains"], ["starts_with", "starts with"], ["is_set", "is known"],
];
const NUMBERS = new Set(["gt", "gte", "lt", "lte"]);

export function drawMembers(about) {
  const { members } = about.operator;
  const draw = { within, campaign, where };
  return ["within", "campaign", "where"].filter((one) => members.includes(one)).map((one) => draw[one](about));
}

const putting = ({ node, store }, member) => (value) => {
  if (value === undefined) delete node.rule[member];
  else node.rule[member] = value;
  store.typed(node);
};

const worded = (words, ...inside) => make("div", { className: "pp-worded" }, make("span", { className: "pp-small pp-faint", textContent: words }), ...inside);

// The name of the event; it stands before the operator.
export function eventName(node, store) {
  return suggestedInput({
    value: node.rule.name, put: putting({ node, store }, "name"), disabled: !store.editable, label: "Name of the event",
    load: async (text, signal) => (await store.values("event", text.trim(), signal)).values.map(([value, count]) => ({ value, label: value, count, unit: unitOf({ name: "event" }) })),
  });
}

const within = (about) => worded("within the last", span({
  value: about.node.rule.within, put: putting(about, "within"), disabled: about.disabled, label: "Within the last", empty: "ever" }));

function campaign(about) {
  const { node, store, disabled } = about;
  if (!store.catalogue.campaigns.length && !node.rule.campaign) return null;
  const known = store.catalogue.campaigns.some(([id]) => id === node.rule.campaign);
  const select = make("select", { className: "pp-input", "aria-label": "Of which campaign", disabled },
    option("", "any campaign", node.rule.campaign ?? ""),
    node.rule.campaign && !known ? option(node.rule.campaign, `${node.rule.campaign} (not among the newest)`, node.rule.campaign) : null,
    ...store.catalogue.campaigns.map(([id, name]) => option(id, name, node.rule.campaign)));
  const put = putting(about, "campaign");
  select.addEventListener("change", () => put(select.value || undefined));
  return worded("of", select);
}

// Conditions on an event's properties.
function where(about) {
  const { node, store, disabled } = about;
  const conditions = Array.isArray(node.rule.where) ? node.rule.where : [];
  const put = (next, redraw) => {
    putting(about, "where")(next.length ? next : undefined);
    if (redraw) store.changed({ node, part: "value" });
  };
  const change = (index, more) => put(conditions.map((one, place) => (place === index ? Object.assign(one, more) : one)), false);
  const rows = conditions.map((condition, index) => {
    const property = make("input", { className: "pp-input", value: condition.property ?? "", placeholder: "property", "aria-label": "Property", disabled, oninput: () => change(index, { property: property.value }) });
    const op = make("select", { className: "pp-input", "aria-label": "How it compares", disabled }, ...OPS.map(([value, words]) => option(value, words, condition.op)));
    op.addEventListener("change", () => {
      const next = { property: condition.property, op: op.value };
      if (op.value !== "is_set" && condition.value !== undefined) next.value = readAs(op.value, said(condition.value));
      put(conditions.map((one, place) => (place === index ? next : one)), true);
    });
    const value = condition.op === "is_set" ? null : make("input", {
      className: "pp-input", value: said(condition.value), placeholder: condition.op === "in" ? "one, another" : "value", "aria-label": "Value of the property", disabled,
      oninput: () => change(index, { value: readAs(condition.op, value.value) }) });
    return make("div", { className: "pp-where" }, property, op, value, disabled ? null :
      iconButton("close", "Take this condition away", { onclick: () => put(conditions.filter((one) => one !== condition), true) }));
  });
  const add = make("button", { type: "button", className: "pp-button pp-button-plain", textContent: "+ property", disabled,
    onclick: () => put([...conditions, { property: "", op: "eq", value: "" }], true) });
  return make("div", { className: "pp-value-wide pp-stack-small" }, ...rows, disabled ? null : make("div", {}, add));
}

const said = (value) => (Array.isArray(value) ? value.join(", ") : value === undefined ? "" : String(value));

// Numbers and true or false are compared as such, as the event told them.
function scalar(text) {
  if (text === "true" || text === "false") return text === "true";
  return text.trim() !== "" && String(Number(text)) === text.trim() ? Number(text) : text;
}
function readAs(op, text) {
  if (NUMBERS.has(op)) return text.trim() === "" || !Number.isFinite(Number(text)) ? text : Number(text);
  if (op === "in") return text.split(",").map((one) => one.trim()).filter(Boolean).map(scalar);
  return op === "contains" || op === "starts_with" ? text : scalar(text);
}
