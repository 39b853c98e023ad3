// A list of suggestions below a text input: a combobox as the ARIA practices describe it.

import { freshId, icon, make, numbered, placeBelow, rounded } from "./elements.js";
import { released } from "./pressing.js";

const SLOW_MS = 120;

// `load(text, signal)` gives [{value, label, count, unit, exact}]; `pick(value)` takes one; `chosen(value)` marks it.
// Enter on nothing is left to whoever listens further out.
export function suggestions(input, { load, pick, chosen = () => false, many = false, label, wait = SLOW_MS }) {
  const id = freshId("suggestions");
  const list = make("ul", { id, className: "pp-suggestions", role: "listbox", hidden: true, "aria-label": label });
  if (many) list.setAttribute("aria-multiselectable", "true");
  for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": id })) input.setAttribute(name, value);
  let [active, shown, timer, loading] = [-1, [], null, null];

  function mark(index) {
    active = index;
    [...list.children].forEach((item, place) => item.toggleAttribute("data-active", place === index));
    const item = list.children[index];
    if (item) {
      input.setAttribute("aria-activedescendant", item.id);
      item.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  }

  function close() {
    clearTimeout(timer);
    loading?.abort();
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    mark(-1);
  }

  function show(found) {
    shown = found;
    list.replaceChildren(...found.map(({ value, label: text, count, unit, exact = true }, index) =>
      make("li", {
        id: `${id}-${index}`, role: "option", "aria-selected": String(chosen(value)),
        onpointerdown: (event) => event.preventDefault(), // the input keeps the focus
        onclick: () => take(index),
      }, make("span", { className: "pp-grow pp-clip", textContent: text }), chosen(value) ? icon("check") : null,
      count == null ? null : make("span", { className: "pp-faint pp-number pp-tiny", textContent: exact ? numbered(count, unit) : `about ${numbered(rounded(count), unit)}` }))));
    list.hidden = !found.length || document.activeElement !== input;
    input.setAttribute("aria-expanded", String(!list.hidden));
    mark(-1);
    if (!list.hidden) placeBelow(list, input.closest(".pp-chip-box") ?? input);
  }

  async function open() {
    loading?.abort();
    loading = new AbortController();
    const { signal } = loading;
    const found = await load(input.value, signal).catch(() => []);
    await released();
    if (!signal.aborted) show(found);
  }

  function take(index) {
    pick(shown[index].value);
    open();
  }

  input.addEventListener("focus", open);
  input.addEventListener("click", () => { if (list.hidden) open(); });
  input.addEventListener("blur", close);
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(open, wait); });
  input.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.isComposing) return;
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) {
      event.preventDefault();
      if (list.hidden) open();
      else mark((active + by + shown.length) % shown.length);
    } else if (event.key === "Enter" && active >= 0) {
      event.preventDefault();
      event.stopPropagation();
      take(active);
    } else if (event.key === "Escape" && !list.hidden) {
      event.stopPropagation();
      close();
    }
  });
  return { list, close, open };
}
