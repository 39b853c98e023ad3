// Several values as chips with an input behind them, and one value with suggestions.

import { iconButton, make } from "./elements.js";
import { suggestions } from "./suggest.js";

// `values`: what is there; `load`: suggestions for a text; `read(text)` makes a value of what was typed, undefined
// refuses it; `say(value)` puts one into words; `put(values)` takes the new ones.
export function chipInput({ values, load, read, say, put, label, placeholder, disabled }) {
  let chosen = [...values];
  const input = make("input", { className: "pp-chip-input", autocomplete: "off", spellcheck: false, "aria-label": label, "data-part": "value", disabled });
  const box = make("div", { className: "pp-input pp-chip-box", onclick: (event) => { if (event.target === box) input.focus(); } });

  function draw() {
    const chips = chosen.map((value) => make("span", { className: "pp-chip" }, say(value), disabled ? null :
      iconButton("close", `Take ${say(value)} away`, { onclick: () => { toggle(value); input.focus(); } })));
    input.placeholder = chosen.length ? "" : placeholder;
    box.replaceChildren(...chips, input);
  }

  function change(next) {
    chosen = next;
    const focused = document.activeElement === input;
    draw();
    if (focused) input.focus();
    put(chosen);
  }

  const toggle = (value) => change(chosen.includes(value) ? chosen.filter((one) => one !== value) : [...chosen, value]);

  // What was typed becomes chips; several at once when it was pasted.
  function take() {
    const found = input.value.split(/[,;\n\t]/).map((text) => text.trim()).filter(Boolean).map(read).filter((value) => value !== undefined);
    const more = found.filter((value, index) => !chosen.includes(value) && found.indexOf(value) === index);
    if (input.value.trim() && !found.length) return false;
    input.value = "";
    if (more.length) change([...chosen, ...more]);
    return true;
  }

  const { list, open } = suggestions(input, {
    load, label: `${label}, suggestions`, many: true,
    chosen: (value) => chosen.includes(value),
    pick: (value) => { input.value = ""; toggle(value); },
  });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if ((event.key === "Enter" || event.key === ",") && input.value.trim() && !event.defaultPrevented) {
      event.preventDefault();
      event.stopPropagation();
      if (take()) open();
    } else if (event.key === "Backspace" && !input.value && chosen.length) {
      event.preventDefault();
      change(chosen.slice(0, -1));
    }
  });
  input.addEventListener("blur", take);
  input.addEventListener("paste", () => setTimeout(() => { if (/[,;\n\t]/.test(input.value)) take(); }));
  draw();
  return make("div", { className: "pp-value-wide" }, box, list);
}

const AFTER_COUNT_MS = 350; // each letter is counted already: the number comes first

export function suggestedInput({ value, load, put, label, disabled }) {
  const input = make("input", {
    className: "pp-input", autocomplete: "off", spellcheck: false, "aria-label": label, "data-part": "value", value: value ?? "", disabled,
    oninput: () => put(input.value === "" ? undefined : input.value),
  });
  const { list, close } = suggestions(input, {
    load, label: `${label}, suggestions`, chosen: (one) => one === input.value, wait: AFTER_COUNT_MS,
    pick: (one) => { input.value = one; put(one); setTimeout(close); },
  });
  return make("div", { className: "pp-value-wide" }, input, list);
}
