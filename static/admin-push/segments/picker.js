// The field picker: opens by typing, searches names and groups, tells the type, how many have it and its commonest values.

import { unitOf } from "./catalogue.js";
import { freshId, icon, make, numbered, placeBelow, rounded } from "./elements.js";

const ABOUT_MS = 150;

const named = (field) => (field.which ? `${field.title}, ${field.which}` : field.title);

// The values of a person's field are counted in people, the field itself in devices, as segments are.
const toldOf = (field, have) => {
  const devices = have === "0" ? "no device yet" : have === "1" ? "1 device" : `${have} devices`;
  return `Known on ${devices}${field.name.startsWith("contact.") && have !== "0" ? ", of people who have it" : ""}`;
};

// A button that shows the chosen field and opens the picker. `choose(name)` takes a field; `leave()` is called when
// the picker is closed without one.
export function fieldButton({ field, name, store, choose, leave }) {
  const words = field?.which ? [make("span", { className: "pp-strong", textContent: field.title }), make("span", { className: "pp-faint", textContent: field.which })]
    : field ? [field.title.startsWith(field.group) ? "" : make("span", { className: "pp-faint", textContent: field.group }), make("span", { className: "pp-strong", textContent: field.title })]
    : [make("span", { className: name ? "pp-mono" : "pp-faint", textContent: name || "Choose a field…" })];
  const button = make("button", {
    type: "button", className: "pp-input pp-field-button", "data-part": "field", disabled: !store.editable, "aria-haspopup": "dialog",
    "aria-label": field ? `Field: ${field.group}, ${named(field)}` : name ? `Field: ${name}, not known` : "Choose a field",
  }, make("span", { className: "pp-field-words" }, ...words), icon("expand_more"));
  const open = (text = "") => openPicker({ anchor: button, text, store, chosen: field?.name, choose, leave });
  button.addEventListener("click", () => open());
  button.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" && !event.altKey) { event.preventDefault(); open(); }
    const typing = event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (typing) { event.preventDefault(); open(event.key); }
  });
  button.openPicker = open;
  return button;
}

function openPicker({ anchor, text, store, chosen, choose, leave }) {
  const id = freshId("picker");
  const search = make("input", {
    className: "pp-input", type: "text", placeholder: "Search fields", autocomplete: "off", spellcheck: false, value: text, role: "combobox",
    "aria-label": "Search fields", "aria-expanded": "true", "aria-controls": id, "aria-autocomplete": "list",
  });
  const list = make("div", { id, className: "pp-picker-list", role: "listbox", "aria-label": "Fields" });
  const about = make("div", { className: "pp-picker-about", "aria-live": "polite" });
  const panel = make("div", { className: "pp-picker", role: "dialog", "aria-label": "Choose a field" }, search, make("div", { className: "pp-picker-columns" }, list, about));
  let [active, options, timer, asking, done] = [-1, [], null, null, false];

  function close(name) {
    if (done) return;
    done = true;
    clearTimeout(timer);
    asking?.abort();
    removeEventListener("resize", place);
    removeEventListener("scroll", place, true);
    document.removeEventListener("pointerdown", outside, true);
    panel.remove();
    if (name) choose(name);
    else { anchor.focus(); leave?.(); }
  }
  const place = () => placeBelow(panel, anchor, 608);
  const outside = (event) => { if (!panel.contains(event.target)) close(); };

  function draw() {
    const found = store.catalogue.search(search.value);
    const sections = new Map();
    for (const field of found) sections.set(field.group, [...(sections.get(field.group) ?? []), field]);
    options = [];
    list.replaceChildren(...[...sections].map(([group, fields]) => make("div", { role: "group", "aria-label": group },
      make("p", { className: "pp-picker-group", "aria-hidden": "true", textContent: group }),
      ...fields.map((field) => {
        const index = options.length;
        const item = make("div", {
          id: `${id}-${index}`, role: "option", className: "pp-picker-option", "aria-selected": String(field.name === chosen),
          onclick: () => close(field.name), onpointermove: () => { if (active !== index) mark(index); },
        }, make("span", { className: "pp-grow", textContent: named(field) }), make("span", { className: "pp-tiny pp-faint", textContent: field.type }));
        options.push({ field, item });
        return item;
      }))));
    if (!found.length) list.append(make("p", { className: "pp-empty", textContent: "No field is called so. Attributes are set up under Contact attributes." }));
    mark(Math.max(0, search.value ? 0 : options.findIndex(({ field }) => field.name === chosen)));
  }

  function mark(index) {
    options[active]?.item.removeAttribute("data-active");
    active = index;
    clearTimeout(timer);
    asking?.abort();
    const one = options[index];
    if (!one) { search.removeAttribute("aria-activedescendant"); return about.replaceChildren(); }
    one.item.setAttribute("data-active", "");
    one.item.scrollIntoView({ block: "nearest" });
    search.setAttribute("aria-activedescendant", one.item.id);
    drawAbout(one.field, store.known(one.field.name));
    if (!store.known(one.field.name)) timer = setTimeout(() => tell(one.field), ABOUT_MS);
  }

  async function tell(field) {
    asking = new AbortController();
    const { signal } = asking;
    const found = await store.about(field.name, signal).catch(() => null);
    if (!signal.aborted && options[active]?.field === field) drawAbout(field, found ?? { values: [], have: null });
  }

  function drawAbout(field, found) {
    const names = new Map(field.choices);
    const values = found?.values.slice(0, 6) ?? [];
    const most = Math.max(1, ...values.map(([, count]) => count));
    about.replaceChildren(
      make("p", { className: "pp-strong", textContent: named(field) }),
      make("p", { className: "pp-tiny pp-faint", textContent: `${field.group} · ${field.type}` }),
      found ? make("p", { className: "pp-small", textContent: found.have == null ? "" : toldOf(field, found.have) }) : make("div", { className: "pp-picker-wait" }),
      values.length ? make("p", { className: "pp-tiny pp-faint", textContent: "Commonest values" }) : "",
      ...values.map(([value, count]) => make("div", { className: "pp-picker-value" },
        make("span", { className: "pp-clip", textContent: names.get(value) ?? value }), make("span", { className: "pp-number pp-faint", textContent: found.exact ? numbered(count, unitOf(field)) : `about ${numbered(rounded(count), unitOf(field))}` }),
        barOf(count / most))),
      !values.length && field.choices.length ? make("p", { className: "pp-tiny pp-faint", textContent: field.choices.slice(0, 8).map(([, words]) => words).join(", ") }) : null || "");
  }

  search.addEventListener("input", draw);
  search.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
    if (by && !event.altKey && options.length) {
      event.preventDefault();
      mark(Math.max(0, Math.min(options.length - 1, active + by)));
    }
    if (event.key === "Enter" || event.key === "Tab") {
      event.preventDefault();
      if (options[active]) close(options[active].field.name);
    }
    if (event.key === "Escape") { event.preventDefault(); close(); }
    event.stopPropagation();
  });
  anchor.closest("[data-builder]").append(panel);
  place();
  addEventListener("resize", place);
  addEventListener("scroll", place, true);
  document.addEventListener("pointerdown", outside, true);
  draw();
  search.focus();
  search.setSelectionRange(search.value.length, search.value.length);
}

function barOf(share) {
  const bar = make("span", { className: "pp-bar pp-bar-thin" }, make("i", { className: "pp-fill-main" }));
  bar.firstChild.style.width = `${100 * share}%`;
  return bar;
}
