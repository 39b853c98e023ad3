// The definition as JSON: copied, pasted, and what is wrong shown at its very place.

import { make, sentence } from "./elements.js";

// Where in a text of JSON a pointer (RFC 6901) leads to: [start, end], or null where the text has no such place.
export function locate(text, pointer) {
  let at = 0;
  const wanted = pointer.split("/").slice(1).map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  const blank = () => { while (/\s/.test(text[at] ?? "")) at += 1; };
  const string = () => {
    const start = at;
    at += 1;
    while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
    at += 1;
    return JSON.parse(text.slice(start, at));
  };
  // Reads one value; gives the range of what `path` leads to in it.
  const value = (path) => {
    blank();
    const start = at;
    let found = null;
    if (text[at] === "{" || text[at] === "[") {
      const isObject = text[at] === "{";
      const end = isObject ? "}" : "]";
      at += 1;
      for (let index = 0; ; index += 1) {
        blank();
        if (text[at] === end) { at += 1; break; }
        if (text[at] === ",") { at += 1; blank(); }
        let key = String(index);
        if (isObject) { key = string(); blank(); at += 1; }
        const inner = value(path?.length && path[0] === key ? path.slice(1) : null);
        found ??= inner;
        if (at >= text.length) break;
      }
    } else if (text[at] === '"') string();
    else while (at < text.length && !/[\s,\]}]/.test(text[at])) at += 1;
    return found ?? (path && !path.length ? [start, at] : null);
  };
  try {
    return value(wanted);
  } catch {
    return null;
  }
}

export class JsonView {
  // `put(definition)` is called with what was written, when it is JSON.
  constructor(place, source, { put, faulty }) {
    Object.assign(this, { source, put, faulty, list: place.querySelector("[data-json-faults]"), said: place.querySelector("[data-json-said]") });
    source.addEventListener("input", () => this.read());
    place.querySelector("[data-json-copy]")?.addEventListener("click", () => this.copy());
    place.querySelector("[data-json-paste]")?.addEventListener("click", () => this.paste());
    place.querySelector("[data-json-tidy]")?.addEventListener("click", () => this.tidy());
  }

  read() {
    let definition;
    try {
      definition = JSON.parse(this.source.value);
    } catch (error) {
      return this.faulty([{ at: "", code: "no_json", detail: `this is no JSON yet: ${error.message}` }]);
    }
    this.put(definition);
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.source.value);
      this.said.textContent = "Copied.";
    } catch {
      this.source.select();
      this.said.textContent = "Selected: press Ctrl+C.";
    }
  }

  async paste() {
    try {
      this.source.value = await navigator.clipboard.readText();
      this.said.textContent = "Pasted.";
      this.read();
    } catch {
      this.source.focus();
      this.source.select();
      this.said.textContent = "Your browser wants you to press Ctrl+V.";
    }
  }

  tidy() {
    try {
      this.source.value = JSON.stringify(JSON.parse(this.source.value), null, 2);
    } catch {
      this.read();
    }
  }

  // Each fault leads to its place in the text; without one, to the nearest around it.
  show(faults) {
    this.list.replaceChildren(...faults.map(({ at, words }) => make("li", {}, make("button", {
      type: "button", className: "pp-json-fault", onclick: () => this.select(at) },
    make("code", { className: "pp-mono", textContent: at || "/" }), make("span", { textContent: words })))));
  }

  select(pointer) {
    let place = null;
    for (let at = pointer; !(place = locate(this.source.value, at)) && at; at = at.slice(0, at.lastIndexOf("/")));
    if (!place) return;
    this.source.focus();
    this.source.setSelectionRange(...place);
    const line = this.source.value.slice(0, place[0]).split("\n").length - 1;
    this.source.scrollTop = Math.max(0, line * parseFloat(getComputedStyle(this.source).lineHeight) - this.source.clientHeight / 3);
  }
}
