// The segment builder: what is written, what follows from it, and the keys that do what the mouse does.

import { Asking } from "./asking.js";
import { Catalogue } from "./catalogue.js";
import { Count } from "./count.js";
import { startDrag } from "./drag.js";
import { sentence } from "./elements.js";
import { History } from "./history.js";
import { JsonView } from "./json.js";
import { drawRules, markFaults } from "./rows.js";
import { drawSizes } from "./sizes.js";
import { copyOf, find, moveInto, newGroup, newTest, nodeAt, parentOf, readAll, remove, step, writeAll } from "./tree.js";
import { answerWhy } from "./why.js";

const form = document.querySelector("#segment");
const given = JSON.parse(document.querySelector("#builder").textContent);
const source = form.elements.definition;
const builder = form.querySelector("[data-builder]");
const view = form.querySelector("[data-rows-view]");
const jsonView = form.querySelector("[data-json-view]");
const spoken = form.querySelector("[data-spoken]");
const asking = new Asking(given.addresses, form);

let definition = parsed(source.value) ?? { all: [] };
let root = readAll(definition);
let places = placesOf(root);
let broken = parsed(source.value) === undefined;
let faults = [];
let saved = source.value;
const history = new History(root);

function parsed(text) {
  try { return JSON.parse(text); } catch { return undefined; }
}
function placesOf(node) {
  const found = new Map();
  writeAll(node, found);
  return found;
}

// --- What rows may do
const store = {
  catalogue: new Catalogue(given),
  editable: given.editable,
  values: (field, text, signal) => asking.values(field, text, signal),
  about: (field, signal) => asking.field(field, signal),
  known: (field) => asking.known(field),
  // A value changed in place: the rows stay.
  typed(node) { wrote(`${node.id}`); },
  // The same, as a step of its own.
  chosen() { wrote(null); },
  // Something else changed: the rows are drawn anew, the focus goes to a part of a node.
  changed(focus) { wrote(null); draw(focus); },
  addRule(group, index = group.rules.length) {
    const node = newTest();
    group.rules.splice(index, 0, node);
    store.changed({ node, part: "field" });
    view.querySelector(`[data-id="${node.id}"] [data-part=field]`).openPicker();
  },
  addGroup(group) {
    const node = newTest();
    group.rules.push(newGroup(group.mode === "any" ? "all" : "any", [node]));
    store.changed({ node, part: "field" });
    view.querySelector(`[data-id="${node.id}"] [data-part=field]`).openPicker();
  },
  // The picker was left without a choice: a rule that was never begun goes again, with a group around nothing else.
  left(node) {
    if (node.rule.field || !find(root, node.id)) return;
    const { parent } = remove(root, node.id);
    const above = parentOf(root, parent.id);
    if (above && !parent.rules.length) remove(root, parent.id);
    const group = above && !parent.rules.length ? above : parent;
    store.changed({ node: group, part: "add-rule" });
  },
  remove(node) {
    const { parent, index } = remove(root, node.id);
    const next = parent.rules[index] ?? parent.rules[index - 1];
    store.changed(next ? { node: next, part: next.kind === "group" ? "mode" : "field" } : { node: parent, part: "add-rule" });
    speak("Removed. Ctrl+Z takes it back.");
  },
  duplicate(node) {
    const parent = parentOf(root, node.id);
    const copy = copyOf(node);
    parent.rules.splice(parent.rules.indexOf(node) + 1, 0, copy);
    store.changed({ node: copy, part: copy.kind === "group" ? "mode" : "field" });
    speak("Duplicated.");
  },
  negate(node) {
    node.not = !node.not;
    store.changed({ node, part: "menu" });
  },
  step(node, by, part = "handle") {
    if (!step(root, node.id, by)) return speak(by < 0 ? "It is the first already." : "It is the last already.");
    store.changed({ node, part });
    const parent = parentOf(root, node.id);
    speak(`Now number ${parent.rules.indexOf(node) + 1} of ${parent.rules.length}.`);
  },
  wrap(node) {
    const parent = parentOf(root, node.id);
    parent.rules[parent.rules.indexOf(node)] = newGroup(parent.mode === "any" ? "all" : "any", [node]);
    store.changed({ node, part: "menu" });
  },
  // The rules of a group take its place.
  dissolve(node) {
    const parent = parentOf(root, node.id);
    parent.rules.splice(parent.rules.indexOf(node), 1, ...node.rules);
    store.changed({ node: node.rules[0] ?? parent, part: node.rules.length ? "menu" : "add-rule" });
  },
  drag(event, node) {
    startDrag(event, view, node.id, (group, index) => {
      if (moveInto(root, node.id, group, index)) store.changed({ node, part: "handle" });
    });
  },
};

// --- What follows a change
function wrote(key) {
  places = new Map();
  definition = writeAll(root, places);
  broken = false;
  source.value = JSON.stringify(definition, null, 2);
  history.note(root, key);
  followed(key);
}
// What was wrong with the changed node may be right now; the other marks stay until the server has looked again.
function followed(key) {
  faults = faults.filter(({ node }) => node && String(node) !== key && find(root, node));
  mark();
  tellUndo();
  count.soon();
}
function tellUndo() {
  form.querySelector("[data-undo]").disabled = !history.canUndo;
  form.querySelector("[data-redo]").disabled = !history.canRedo;
}
function draw(focus) {
  const here = focus ?? focused();
  view.replaceChildren(drawRules(root, store));
  if (here) focusOn(here);
  mark();
}
function focused() {
  const part = document.activeElement?.closest?.("[data-part]");
  const id = part?.closest("[data-id]")?.dataset.id;
  return id && view.contains(part) ? { node: { id }, part: part.dataset.part } : null;
}
function focusOn({ node, part }) {
  const row = view.querySelector(`[data-id="${node.id}"]`);
  const wanted = [part, "op", "field", "mode", "handle"].map((one) => row?.querySelector(`[data-part="${one}"]:not(:disabled)`)).find(Boolean);
  wanted?.focus({ preventScroll: false });
}
function speak(words) {
  spoken.textContent = words;
}
function travel(value) {
  if (value === undefined) return;
  root = value;
  places = new Map();
  definition = writeAll(root, places);
  broken = false;
  source.value = JSON.stringify(definition, null, 2);
  draw();
  followed();
}

// --- What is wrong, at its rule
const MEMBERS = { value: "The value", op: "The comparison", name: "The event’s name", within: "The time", where: "The properties", campaign: "The campaign" };
function inWords({ at, code, detail }) {
  if (code === "required") return at.endsWith("/name") ? "Not finished: name the event." : "Not finished: give a value.";
  const node = find(root, nodeAt(places, at));
  if (node?.kind === "test" && !node.rule.field) return "Not finished: choose a field.";
  if (node?.kind === "segment" && !node.segment) return "Not finished: choose a segment.";
  const member = MEMBERS[at.split("/").reverse().find((part) => part in MEMBERS)];
  return sentence(member && at ? `${member} ${detail}` : detail);
}
const isUnfinished = ({ words }) => words.startsWith("Not finished");
function faulty(found) {
  faults = found.filter(({ code }) => code !== "broken_exclusion").map((fault) => ({ ...fault, node: nodeAt(places, fault.at), words: inWords(fault) })).map((fault) => ({ ...fault, unfinished: isUnfinished(fault) }));
  mark();
}
function mark() {
  const isJson = !jsonView.hidden;
  const left = markFaults(view, faults);
  json.show(isJson ? faults : []);
  const lines = isJson ? [] : left;
  form.querySelector("[data-faults]").replaceChildren(...lines.map((words) => Object.assign(document.createElement("p"), { textContent: words })));
}

const count = new Count(form.querySelector("[data-count-pane]"), {
  asking, faulty, definition: () => definition, contact: given.addresses.contact, showsPeople: given.shows_people });
const json = new JsonView(jsonView, source, {
  put(next) {
    definition = next;
    broken = false;
    root = readAll(next);
    places = placesOf(root);
    history.note(root, "json");
    followed();
  },
  faulty(found) { broken = true; faulty(found); },
});

function show(wanted) {
  const kind = broken ? "json" : wanted; // rows cannot show what is no JSON
  for (const button of form.querySelectorAll("[data-view]")) button.setAttribute("aria-pressed", String(button.dataset.view === kind));
  view.hidden = kind !== "rows";
  jsonView.hidden = kind !== "json";
  if (kind === "rows") draw();
  mark();
}

// --- Keys and buttons
function nodeOf(element) {
  const id = element.closest("[data-id]")?.dataset.id;
  return id && view.contains(element) ? find(root, Number(id)) : null;
}
builder.addEventListener("keydown", (event) => {
  if (event.isComposing || event.defaultPrevented || !store.editable) return;
  const control = event.ctrlKey || event.metaKey;
  if (control && !event.altKey && ["z", "y"].includes(event.key.toLowerCase()) && event.target !== source) {
    event.preventDefault();
    const back = event.key.toLowerCase() === "z" && !event.shiftKey;
    return travel(back ? history.undo() : history.redo());
  }
  const node = nodeOf(event.target);
  if (!node) return;
  const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const isText = event.target.matches("input");
  if (event.altKey && by && node !== root) {
    event.preventDefault();
    store.step(node, by, event.target.dataset.part);
  } else if (event.key === "Delete" && node !== root && !(isText && event.target.value)) {
    event.preventDefault();
    store.remove(node);
  } else if (event.key === "Enter" && isText && node.kind !== "group") {
    event.preventDefault();
    const parent = parentOf(root, node.id);
    store.addRule(parent, parent.rules.indexOf(node) + 1);
  }
});
form.querySelector("[data-undo]").addEventListener("click", () => travel(history.undo()));
form.querySelector("[data-redo]").addEventListener("click", () => travel(history.redo()));
for (const button of form.querySelectorAll("[data-view]")) button.addEventListener("click", () => show(button.dataset.view));
form.querySelector("[data-counted-for]").addEventListener("change", () => count.soon());

form.addEventListener("submit", (event) => {
  if (event.submitter?.formAction && event.submitter.hasAttribute("formaction")) return;
  if (broken || faults.length) {
    event.preventDefault();
    event.stopImmediatePropagation();
    const first = faults.find(({ node }) => node)?.node;
    speak(`It cannot be saved yet. ${faults[0]?.words ?? ""}`);
    form.querySelector("[data-faults]").textContent = `It cannot be saved yet: ${broken ? "this is no JSON." : "finish the marked rule."}`;
    if (first && jsonView.hidden) focusOn({ node: { id: first }, part: "value" });
    return;
  }
  saved = source.value;
}, true);
addEventListener("beforeunload", (event) => { if (given.editable && source.value !== saved) event.preventDefault(); });

const sizes = document.querySelector("[data-sizes]");
if (sizes) drawSizes(sizes);
const why = document.querySelector("[data-why]");
if (why) answerWhy(why, { asking, definition: () => definition, contact: given.addresses.contact });

show(broken ? "json" : "rows");
tellUndo();
faulty(given.faults);
count.now();
form.dataset.ready = "yes";
