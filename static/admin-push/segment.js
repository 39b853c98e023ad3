// The segment builder: rules as rows, or as JSON; the server says how many match and what is wrong.

const form = document.querySelector("#segment");
const fields = JSON.parse(document.querySelector("#fields").textContent);
const others = JSON.parse(document.querySelector("#others").textContent);
const byName = new Map(fields.map((field) => [field.name, field]));
const source = form.elements.definition;
const view = form.querySelector("[data-rows-view]");
const editable = !form.querySelector("fieldset").disabled;
const whole = (number) => number.toLocaleString("en");
const make = (tag, more = {}, ...inside) => {
  const made = Object.assign(document.createElement(tag), more);
  made.append(...inside);
  return made;
};

if (others.length) {
  byName.set("segment", {
    name: "segment", title: "In the segment", group: "Other segments", choices: others.map((one) => [one.id, one.name]),
    operators: [{ op: "eq", words: "is", input: "choice" }, { op: "ne", words: "is not", input: "choice" }],
  });
}
const groups = [...Map.groupBy ? Map.groupBy(byName.values(), (field) => field.group) : group([...byName.values()])];
function group(list) {
  const found = new Map();
  for (const field of list) found.set(field.group, [...(found.get(field.group) ?? []), field]);
  return found;
}

// --- Between the definition and what is shown: {kind: "group", mode, rules} and {kind: "test", field, op, value}.
// null says that rows cannot show it.
function read(definition) {
  if ("all" in definition || "any" in definition) {
    const mode = "all" in definition ? "all" : "any";
    const rules = definition[mode].map(read);
    return rules.includes(null) ? null : { kind: "group", mode, rules };
  }
  if ("not" in definition) {
    const inner = definition.not;
    if ("any" in inner) { const found = read(inner); return found && { ...found, mode: "none" }; }
    if ("segment" in inner) return { kind: "test", field: "segment", op: "ne", value: inner.segment };
    return null;
  }
  if ("segment" in definition) return byName.has("segment") ? { kind: "test", field: "segment", op: "eq", value: definition.segment } : null;
  const field = byName.get(definition.field);
  if (!field?.operators.some((one) => one.op === definition.op)) return null;
  return { kind: "test", field: definition.field, op: definition.op, value: definition.value };
}

function write(node) {
  if (node.kind === "group") {
    const rules = node.rules.map(write);
    return node.mode === "none" ? { not: { any: rules } } : { [node.mode]: rules };
  }
  if (node.field === "segment") return node.op === "eq" ? { segment: node.value } : { not: { segment: node.value } };
  const made = { field: node.field, op: node.op };
  if (node.value !== undefined) made.value = node.value;
  return made;
}

let root = null;
function understand(text) {
  try {
    const definition = JSON.parse(text);
    const found = definition && typeof definition === "object" ? read(definition) : null;
    return found?.kind === "test" ? { kind: "group", mode: "all", rules: [found] } : found;
  } catch {
    return null;
  }
}

// --- Drawing rows
const MODES = [["all", "all of"], ["any", "any of"], ["none", "none of"]];
const option = (value, text, chosen) => make("option", { value, textContent: text, selected: value === chosen });

function drawGroup(node, pointer, parent) {
  const mode = make("select", { className: "pp-input pp-input-mode", ariaLabel: "How the rules are joined" }, ...MODES.map(([value, text]) => option(value, text, node.mode)));
  mode.addEventListener("change", () => { node.mode = mode.value; changed(true); });
  const inside = node.mode === "none" ? `${pointer}/not/any` : `${pointer}/${node.mode}`;
  const rules = node.rules.map((rule, index) =>
    rule.kind === "group" ? drawGroup(rule, `${inside}/${index}`, node) : drawTest(rule, `${inside}/${index}`, node));
  const adder = make("button", { type: "button", className: "pp-button pp-button-plain", textContent: "+ rule" });
  adder.addEventListener("click", () => { node.rules.push(fresh()); changed(true, node.rules[node.rules.length - 1]); });
  const nester = make("button", { type: "button", className: "pp-button pp-button-plain", textContent: "+ group" });
  nester.addEventListener("click", () => {
    node.rules.push({ kind: "group", mode: node.mode === "any" ? "all" : "any", rules: [fresh()] });
    changed(true);
  });
  const head = make("div", { className: "pp-row" }, mode, make("span", { className: "pp-grow" }));
  if (parent) head.append(remover(node, parent));
  const nobody = node.mode === "any" ? "Nobody yet: add a rule." : "Everyone. Add a rule to make it fewer.";
  const box = make("div", { className: "pp-group" }, head, ...(rules.length ? rules : [make("p", { className: "pp-small pp-faint", textContent: nobody })]));
  if (editable) box.append(make("div", { className: "pp-row" }, adder, nester));
  return box;
}

function fresh() {
  const field = fields.find((one) => one.name === "contact.tags") ?? fields[0];
  return { kind: "test", field: field.name, op: field.operators[0].op, value: undefined };
}

function remover(node, parent) {
  const button = make("button", { type: "button", className: "pp-button pp-button-plain", ariaLabel: "Take this away", title: "Take this away" },
    make("span", { className: "material-symbols-outlined", textContent: "close" }));
  button.addEventListener("click", () => take(node, parent));
  return button;
}
function take(node, parent) {
  parent.rules.splice(parent.rules.indexOf(node), 1);
  changed(true);
}

function drawTest(node, pointer, parent) {
  const field = byName.get(node.field);
  const picker = make("select", { className: "pp-input", ariaLabel: "Field" },
    ...groups.map(([name, list]) => make("optgroup", { label: name }, ...list.map((one) => option(one.name, one.title, node.field)))));
  picker.addEventListener("change", () => {
    const chosen = byName.get(picker.value);
    Object.assign(node, { field: chosen.name, op: chosen.operators[0].op, value: undefined });
    changed(true, node);
  });
  const operator = make("select", { className: "pp-input", ariaLabel: "How it compares" }, ...field.operators.map((one) => option(one.op, one.words, node.op)));
  const input = field.operators.find((one) => one.op === node.op).input;
  operator.addEventListener("change", () => {
    const next = field.operators.find((one) => one.op === operator.value).input;
    if (next !== input) node.value = undefined;
    node.op = operator.value;
    changed(true, node);
  });
  const row = make("div", { className: "pp-rule", tabIndex: -1 }, picker, operator, drawValue(node, field, input), make("div", {}, remover(node, parent)));
  row.append(make("p", { className: "pp-error pp-rule-error" }));
  row.dataset.pointer = pointer;
  row.node = node;
  row.addEventListener("keydown", (event) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.altKey && step) {
      event.preventDefault();
      const from = parent.rules.indexOf(node);
      const to = from + step;
      if (to < 0 || to >= parent.rules.length) return;
      parent.rules.splice(from, 1);
      parent.rules.splice(to, 0, node);
      changed(true, node);
    }
    if (event.key === "Enter" && event.target.matches("input")) {
      event.preventDefault();
      parent.rules.splice(parent.rules.indexOf(node) + 1, 0, fresh());
      changed(true, parent.rules[parent.rules.indexOf(node) + 1]);
    }
  });
  return row;
}

const UNITS = [["m", "minutes"], ["h", "hours"], ["d", "days"], ["w", "weeks"]];
function drawValue(node, field, input) {
  const put = (value) => { node.value = value; changed(false); };
  if (input === "none") return make("span");
  if (input === "boolean") {
    if (typeof node.value !== "boolean") node.value = true;
    const select = make("select", { className: "pp-input", ariaLabel: "Value" }, option("true", "yes", String(node.value)), option("false", "no", String(node.value)));
    select.addEventListener("change", () => put(select.value === "true"));
    return select;
  }
  if (input === "span") {
    const [, number, unit] = /^(\d+)([mhdw])$/.exec(node.value ?? "") ?? [null, "30", "d"];
    const amount = make("input", { className: "pp-input", type: "number", min: 1, value: number, ariaLabel: "How many" });
    const units = make("select", { className: "pp-input", ariaLabel: "Unit" }, ...UNITS.map(([value, text]) => option(value, text, unit)));
    node.value = `${number}${unit}`;
    const update = () => put(`${amount.value}${units.value}`);
    amount.addEventListener("input", update);
    units.addEventListener("change", update);
    return make("div", { className: "pp-span" }, amount, units);
  }
  const list = input === "list" || input === "numbers";
  if (input === "choice" || (field.choices.length && !list)) {
    if (node.value === undefined) node.value = field.choices[0]?.[0];
    const select = make("select", { className: "pp-input", ariaLabel: "Value" }, ...field.choices.map(([value, text]) => option(value, text, node.value)));
    select.addEventListener("change", () => put(select.value));
    return select;
  }
  if (field.choices.length) {
    const chosen = new Set(Array.isArray(node.value) ? node.value : []);
    node.value = [...chosen];
    return make("div", { className: "pp-chips" }, ...field.choices.map(([value, text]) => {
      const box = make("input", { type: "checkbox", checked: chosen.has(value) });
      box.addEventListener("change", () => { box.checked ? chosen.add(value) : chosen.delete(value); put([...chosen]); });
      return make("label", {}, box, make("span", { textContent: text }));
    }));
  }
  const typed = make("input", {
    className: "pp-input", ariaLabel: "Value", autocomplete: "off",
    type: input === "number" ? "number" : input === "date" ? "date" : "text",
    placeholder: list ? "one, another" : "",
    value: list ? (node.value ?? []).join(", ") : (node.value ?? ""),
  });
  if (input === "number") typed.step = "any";
  typed.addEventListener("input", () => {
    const parts = typed.value.split(",").map((text) => text.trim()).filter(Boolean);
    const number = (text) => (text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text);
    if (input === "numbers") put(parts.map(number));
    else if (list) put(parts);
    else if (input === "number") put(typed.value === "" ? undefined : number(typed.value));
    else put(typed.value === "" ? undefined : typed.value);
  });
  return typed;
}

// --- What changes, and what follows
let timer;
function changed(redraw, focus) {
  source.value = JSON.stringify(write(root), null, 2);
  if (redraw) draw(focus);
  source.value = JSON.stringify(write(root), null, 2); // drawing fills in first choices
  clearTimeout(timer);
  timer = setTimeout(count, 300);
}
function draw(focus) {
  view.replaceChildren(drawGroup(root, "", null));
  for (const row of view.querySelectorAll(".pp-rule")) {
    if (row.node === focus) (row.querySelector("input") ?? row.querySelector("select")).focus();
  }
}

function show(kind) {
  for (const button of form.querySelectorAll("[data-view]")) button.setAttribute("aria-pressed", String(button.dataset.view === kind));
  root = understand(source.value);
  form.querySelector("[data-too-deep]").hidden = kind !== "rows" || Boolean(root);
  view.hidden = kind !== "rows" || !root;
  form.querySelector("[data-json-view]").hidden = kind === "rows" && Boolean(root);
  if (root && kind === "rows") draw();
}

function faulty(faults) {
  const general = [];
  for (const row of view.querySelectorAll(".pp-rule")) {
    row.classList.remove("errors");
    row.querySelector(".pp-rule-error").replaceChildren();
  }
  for (const fault of faults) {
    const row = [...view.querySelectorAll(".pp-rule")].find((one) => fault.at === one.dataset.pointer || fault.at.startsWith(`${one.dataset.pointer}/`));
    if (row && !view.hidden) {
      row.classList.add("errors");
      row.querySelector(".pp-rule-error").append(make("span", { textContent: sentence(fault) }));
    } else {
      general.push(make("p", { textContent: fault.at ? `${fault.at}: ${fault.detail}` : sentence(fault) }));
    }
  }
  form.querySelector("[data-faults]").replaceChildren(...general);
}
const MEMBERS = { value: "The value ", field: "The field: ", op: "The comparison " };
const sentence = (fault) => {
  const member = MEMBERS[fault.at.split("/").pop()];
  const text = member ? member + fault.detail : fault.detail[0].toUpperCase() + fault.detail.slice(1);
  return `${text}.`;
};

// --- Count
const pane = form.querySelector("[data-count-pane]");
const part = (name) => pane.querySelector(`[data-${name}]`);
let asked = 0;
async function count() {
  const mine = (asked += 1);
  pane.querySelector(".pp-body").classList.add("pp-stale");
  const waiting = setTimeout(() => { part("count-state").textContent = "counting…"; }, 300);
  const data = new FormData(form);
  data.set("definition", source.value);
  if (form.dataset.segment) data.set("segment", form.dataset.segment);
  data.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  const answer = await fetch(form.dataset.count, { method: "POST", body: data })
    .then(async (response) => ({ ok: response.ok, body: await response.json() }))
    .catch(() => ({ ok: false, body: { lost: true } }));
  clearTimeout(waiting);
  if (mine !== asked) return;
  pane.querySelector(".pp-body").classList.remove("pp-stale");
  part("count-state").textContent = "";
  faulty(answer.body.faults ?? []);
  const words = form.querySelector("[data-words]");
  part("total").hidden = part("waterfall").hidden = !answer.ok;
  part("count-note").hidden = answer.ok;
  part("examples").hidden = !answer.ok || !answer.body.examples.length;
  if (!answer.ok) {
    words.textContent = "not finished";
    part("count-note").textContent = answer.body.lost ? "It could not be counted: the server did not answer. What you wrote is kept." : "Finish the rules, and you see how many match.";
    return;
  }
  words.textContent = answer.body.words;
  showFigures(answer.body);
}

function showFigures(found) {
  part("people").textContent = whole(found.people);
  part("devices").textContent = whole(found.active);
  part("purpose").textContent = found.purpose ?? "";
  for (const line of pane.querySelectorAll("[data-figure]")) {
    const number = found[line.dataset.figure];
    line.hidden = line.dataset.figure === "consenting" && !found.purpose;
    line.querySelector("b")?.remove();
    line.querySelector(".pp-bar")?.remove();
    const bar = make("span", { className: "pp-bar" }, make("i", { className: "pp-fill-main" }));
    bar.firstChild.style.width = `${found.everyone ? (100 * number) / found.everyone : 0}%`;
    line.append(make("b", { textContent: whole(number) }), bar);
  }
  const address = document.querySelector("template[data-contact]").dataset.contact;
  part("example-list").replaceChildren(...found.examples.map((one) =>
    make("li", {}, make("a", { className: "pp-link", href: address.replace("/0/", `/${one.id}/`), textContent: one.name ? `${one.name} (${one.crm})` : one.crm }))));
}

form.addEventListener("click", (event) => {
  const button = event.target.closest("[data-view]");
  if (button) { show(button.dataset.view); count(); }
});
source.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(count, 500); });
form.elements.purpose.addEventListener("change", count);
show("rows");
count().then(() => { const faults = JSON.parse(document.querySelector("#faults").textContent); if (faults.length) faulty(faults); });
