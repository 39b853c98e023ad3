// Rules as rows, groups around them: drawn anew after each change of their order, with the focus where it was.

import { iconButton, make, option } from "./elements.js";
import { eventName } from "./members.js";
import { menuButton } from "./menu.js";
import { fieldButton } from "./picker.js";
import { drawValues } from "./values.js";

const MODES = [["all", "all of"], ["any", "any of"], ["none", "none of"], ["notall", "not all of"]];
const modeOf = (node) => (node.not ? (node.mode === "any" ? "none" : "notall") : node.mode);

export function drawRules(root, store) {
  return drawGroup(root, null, 0, store);
}

function drawGroup(node, parent, depth, store) {
  const mode = make("select", { className: "pp-input pp-input-mode", "aria-label": "How the rules are joined", "data-part": "mode", disabled: !store.editable },
    ...MODES.filter(([value]) => parent || value !== "notall" || modeOf(node) === "notall").map(([value, words]) => option(value, words, modeOf(node))));
  mode.addEventListener("change", () => {
    node.mode = mode.value === "any" || mode.value === "none" ? "any" : "all";
    node.not = mode.value === "none" || mode.value === "notall";
    group.setAttribute("aria-label", labelOf(node, parent));
    store.chosen();
  });
  const head = make("div", { className: "pp-group-head" },
    parent && store.editable ? handle(node, store, "this group") : null, mode, make("span", { className: "pp-grow" }),
    parent && store.editable ? menuOf(node, store, "this group") : null,
    parent && store.editable ? iconButton("close", "Remove this group", { onclick: () => store.remove(node), "data-part": "remove" }) : null);
  const nobody = node.mode === "any" ? "Nobody yet: add a rule." : parent ? "No rule in it yet." : "Everyone. Add a rule to make it fewer.";
  const body = make("div", { className: "pp-group-body", "data-body": node.id },
    ...(node.rules.length ? node.rules.map((rule, index) => drawNode(rule, node, index, depth + 1, store)) : [make("p", { className: "pp-small pp-faint pp-group-empty", textContent: nobody })]));
  const foot = store.editable ? make("div", { className: "pp-row pp-group-foot" },
    adder("+ rule", "rule", () => store.addRule(node)), adder("+ group", "group", () => store.addGroup(node))) : null;
  const group = make("div", { className: "pp-group", role: "group", "aria-label": labelOf(node, parent), "data-id": node.id, "data-depth": depth % 2 }, head, body, errorLine(), foot);
  return group;
}

function labelOf(node, parent) {
  const words = MODES.find(([value]) => value === modeOf(node))[1];
  return `${parent ? "Group" : "Who is in it"}: ${words} these`;
}

const adder = (words, part, act) => make("button", { type: "button", className: "pp-button pp-button-plain", textContent: words, "data-part": `add-${part}`, onclick: act });
const errorLine = () => make("p", { className: "pp-rule-error", "data-error-line": true });

function drawNode(node, parent, index, depth, store) {
  if (node.kind === "group") return drawGroup(node, parent, depth, store);
  const place = `Rule ${index + 1} of ${parent.rules.length}`;
  const parts = node.kind === "odd" ? oddParts(node, store) : node.kind === "segment" ? segmentParts(node, store) : testParts(node, store);
  return make("div", { className: "pp-rule", role: "group", "aria-label": place, "data-id": node.id },
    store.editable ? handle(node, store, "this rule") : make("span"),
    make("div", { className: "pp-rule-parts" }, ...parts),
    store.editable ? make("div", { className: "pp-rule-acts" }, menuOf(node, store, "this rule"), iconButton("close", "Remove this rule", { onclick: () => store.remove(node), "data-part": "remove" })) : null,
    errorLine());
}

const handle = (node, store, what) => iconButton("drag_indicator", `Move ${what}: drag it, or Alt with the arrow keys`, {
  className: "pp-icon-button pp-handle", "data-part": "handle", onpointerdown: (event) => store.drag(event, node) });

const notMark = (node) => (node.not ? make("span", { className: "pp-not", textContent: "not" }) : null);

function chosenField(node, store) {
  return (name) => {
    const { id } = node;
    for (const key of Object.keys(node)) delete node[key];
    Object.assign(node, name === "segment" ? { id, not: false, kind: "segment", segment: "" } : { id, not: false, kind: "test", rule: store.catalogue.begin(name) });
    store.changed({ node, part: "op" });
  };
}

function testParts(node, store) {
  const field = store.catalogue.byName.get(node.rule.field);
  const button = fieldButton({ field, name: node.rule.field, store, choose: chosenField(node, store), leave: () => store.left(node) });
  if (!field) return [notMark(node), button, node.rule.field ? verbatim(node.rule) : null];
  const known = store.catalogue.operator(node.rule);
  const op = make("select", { className: "pp-input pp-input-op", "aria-label": "How it compares", "data-part": "op", disabled: !store.editable },
    known ? null : option("", node.rule.op === undefined ? "Choose…" : `${node.rule.op} (does not fit)`, ""),
    ...store.catalogue.operators(field, node.rule.op).map((one) => option(one.op, one.words, known ? node.rule.op : "")));
  // The select itself stays: who types into it, or goes through it with the arrows, is not interrupted, and values
  // that an operator on the way does not take are there again behind it.
  const kept = new Map();
  op.addEventListener("change", () => {
    kept.set(store.catalogue.operator(node.rule)?.input, node.rule.value);
    const next = store.catalogue.withOperator(node.rule, op.value);
    const before = kept.get(store.catalogue.operator(next).input);
    node.rule = before === undefined ? next : { ...next, value: before };
    while (op.nextSibling) op.nextSibling.remove();
    op.after(...drawValues(node, store));
    store.chosen();
  });
  const name = field.operators[0].members.includes("name") ? eventName(node, store) : null;
  return [notMark(node), button, name, op, ...(known ? drawValues(node, store) : [verbatim(node.rule)])];
}

const verbatim = (rule) => make("code", { className: "pp-mono pp-verbatim", textContent: JSON.stringify(rule) });

function segmentParts(node, store) {
  const field = store.catalogue.byName.get("segment") ?? { group: "Segments", title: "In the segment" };
  const button = fieldButton({ field, name: "segment", store, choose: chosenField(node, store) });
  const op = make("select", { className: "pp-input pp-input-op", "aria-label": "How it compares", "data-part": "op", disabled: !store.editable },
    option("is", "is", node.not ? "ne" : "is"), option("ne", "is not", node.not ? "ne" : "is"));
  op.addEventListener("change", () => { node.not = op.value === "ne"; store.chosen(); });
  const known = store.catalogue.segments.some((one) => one.id === node.segment);
  const value = make("select", { className: "pp-input", "aria-label": "Segment", "data-part": "value", disabled: !store.editable },
    known ? null : option(node.segment, node.segment ? `${node.segment} (not there)` : "Choose…", node.segment),
    ...store.catalogue.segments.map((one) => option(one.id, one.name, node.segment)));
  value.addEventListener("change", () => { node.segment = value.value; store.typed(node); });
  return [button, op, make("div", { className: "pp-value-wide" }, value)];
}

const oddParts = (node) => [make("div", { className: "pp-value-wide" },
  make("p", { className: "pp-small", textContent: "This part says what rows cannot show. It is kept as it is; change it as JSON." }),
  make("code", { className: "pp-mono pp-verbatim", textContent: JSON.stringify(node.raw) }))];

function menuOf(node, store, what) {
  return menuButton(`More for ${what}`, () => [
    { words: "Duplicate", act: () => store.duplicate(node) },
    node.kind === "odd" ? null : { words: node.not ? "Without “not”" : "Turn into “not”", act: () => store.negate(node) },
    { words: "Move up", keys: "Alt ↑", act: () => store.step(node, -1) },
    { words: "Move down", keys: "Alt ↓", act: () => store.step(node, 1) },
    node.kind === "group" ? { words: "Take out of its group", act: () => store.dissolve(node) } : { words: "Put into a group", act: () => store.wrap(node) },
    { words: "Remove", keys: "Del", act: () => store.remove(node) },
  ].filter(Boolean));
}

// Marks what is wrong at its rule; gives back the faults of rules that are not shown.
export function markFaults(view, faults) {
  for (const line of view.querySelectorAll("[data-error-line]")) {
    line.replaceChildren();
    line.closest("[data-id]").removeAttribute("data-wrong");
  }
  const left = [];
  for (const { node, words, unfinished } of faults) {
    const row = node && view.querySelector(`[data-id="${node}"]`);
    if (!row) { left.push(words); continue; }
    if (row.dataset.wrong !== "wrong") row.dataset.wrong = unfinished ? "unfinished" : "wrong";
    const line = row.querySelector(":scope > [data-error-line]");
    line.append(make("span", { textContent: words }));
  }
  return left;
}
