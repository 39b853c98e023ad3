// Makes elements: properties, attributes and `on…` listeners by name; what is null or false is left out.

export function make(tag, more = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(more)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role" || !(name in made)) made.setAttribute(name, value === true ? "" : value);
    else made[name] = value;
  }
  made.append(...inside.filter((one) => one !== null && one !== undefined && one !== false));
  return made;
}

export const icon = (name) => make("span", { className: "material-symbols-outlined", "aria-hidden": "true", textContent: name });

// Icon fonts have no words of their own: the button says what it does.
export const iconButton = (name, words, more = {}) =>
  make("button", { type: "button", className: "pp-icon-button", "aria-label": words, title: words, ...more }, icon(name));

export const option = (value, text, chosen) => make("option", { value, textContent: text, selected: value === chosen });

export const whole = (number) => number.toLocaleString("en");

// How many of what: "1 person", "1,204 people".
export const numbered = (number, [one, many]) => `${whole(number)} ${number === 1 ? one : many}`;

// A number to two digits that mean something.
export const rounded = (number) => Number(number.toPrecision(2));

export const pause = (ms, signal) => new Promise((done, failed) => {
  setTimeout(done, ms);
  signal.addEventListener("abort", () => failed(signal.reason));
});

export const sentence = (text) => (text ? `${text[0].toUpperCase()}${text.slice(1)}${/[.!?…]$/.test(text) ? "" : "."}` : "");

let serial = 0;
export const freshId = (what) => `${what}-${(serial += 1)}`;

// Puts a floating panel below an element, or above where there is more room; within the window, also on a phone.
export function placeBelow(panel, anchor, wanted) {
  const box = anchor.getBoundingClientRect();
  const width = Math.min(Math.max(wanted ?? box.width, 180), innerWidth - 16);
  const below = innerHeight - box.bottom - 12;
  const above = box.top - 12;
  const over = below < 220 && above > below;
  Object.assign(panel.style, {
    width: `${width}px`,
    left: `${Math.max(8, Math.min(box.left, innerWidth - width - 8))}px`,
    top: over ? "auto" : `${box.bottom + 4}px`,
    bottom: over ? `${innerHeight - box.top + 4}px` : "auto",
    maxHeight: `${Math.min(over ? above : below, 416)}px`,
  });
}

// The first click into a number takes all of it, so that typing puts another in its place.
export function takesAll(input) {
  let isFirst = false;
  input.addEventListener("focus", () => { isFirst = true; });
  input.addEventListener("click", () => { if (isFirst) input.select(); isFirst = false; });
  return input;
}
