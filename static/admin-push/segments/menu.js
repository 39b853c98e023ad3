// A small menu behind a button: arrows, Home, End, Enter, Escape.

import { iconButton, make, placeBelow } from "./elements.js";

// `items()` gives [{words, act, disabled}] at the moment it opens.
export function menuButton(words, items) {
  const list = make("div", { className: "pp-menu", role: "menu", hidden: true, "aria-label": words });
  const button = iconButton("more_vert", words, { "aria-haspopup": "menu", "aria-expanded": "false", "data-part": "menu" });
  const entries = () => [...list.children].filter((one) => !one.disabled);

  function close(focus) {
    if (list.hidden) return;
    list.hidden = true;
    button.setAttribute("aria-expanded", "false");
    if (focus) button.focus();
  }

  function open() {
    list.replaceChildren(...items().map(({ words: said, act, disabled, keys }) =>
      make("button", { type: "button", role: "menuitem", tabIndex: -1, disabled, onclick: () => { close(true); act(); } },
        make("span", { className: "pp-grow", textContent: said }), keys ? make("kbd", { textContent: keys }) : null)));
    list.hidden = false;
    button.setAttribute("aria-expanded", "true");
    placeBelow(list, button, 240);
    entries()[0]?.focus();
  }

  button.addEventListener("click", () => (list.hidden ? open() : close(true)));
  list.addEventListener("keydown", (event) => {
    const all = entries();
    const here = all.indexOf(document.activeElement);
    const to = { ArrowDown: (here + 1) % all.length, ArrowUp: (here - 1 + all.length) % all.length, Home: 0, End: all.length - 1 }[event.key];
    if (to !== undefined && !event.altKey) {
      event.preventDefault();
      all[to].focus();
    }
    if (event.key === "Escape") { event.preventDefault(); close(true); }
    if (event.key === "Tab") close(false);
    event.stopPropagation();
  });
  const holder = make("div", { className: "pp-menu-holder" }, button, list);
  holder.addEventListener("focusout", (event) => { if (!holder.contains(event.relatedTarget)) close(false); });
  return holder;
}
