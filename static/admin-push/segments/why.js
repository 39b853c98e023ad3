// "Why is … not here?": each rule with its verdict and what was found, then the steps after the segment.

import { make } from "./elements.js";
import { released } from "./pressing.js";

export function answerWhy(place, { asking, definition, contact }) {
  const input = place.querySelector("[data-who]");
  const answer = place.querySelector("[data-answer]");
  let controller = null;

  async function ask() {
    if (!input.value.trim()) return answer.replaceChildren();
    controller?.abort();
    controller = new AbortController();
    const { signal } = controller;
    answer.classList.add("pp-stale");
    const found = await asking.about("why", { definition: definition(), signal, more: { who: input.value.trim() } }).catch(() => null);
    await released();
    if (signal.aborted) return;
    answer.classList.remove("pp-stale");
    if (found?.ok) answer.replaceChildren(...said(found.body, contact));
    else answer.replaceChildren(make("p", { className: "pp-small pp-text-look", textContent: found?.body.error ?? (found?.body.faults ? "Finish the marked rule first." : "The server did not answer. Try again.") }));
  }

  place.querySelector("[data-ask]").addEventListener("click", ask);
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    ask();
  });
}

function said(found, contact) {
  const reached = found.devices.filter((one) => one.reached).length;
  const verdict = reached ? `In it, reached on ${reached} of ${found.devices.length} ${found.devices.length === 1 ? "device" : "devices"}.` : "Not reached. What stands against it is marked ✗.";
  const who = found.contact ? make("a", { className: "pp-link", href: contact.replace("/0/", `/${found.contact}/`), textContent: found.who }) : make("span", { className: "pp-strong", textContent: found.who });
  return [make("p", { className: "pp-small" }, who, `: ${verdict}`), ...found.devices.map(device)];
}

function device(one) {
  return make("details", { className: "pp-why", open: true },
    make("summary", { className: "pp-small" }, tick(one.reached), make("span", { className: "pp-strong", textContent: one.name })),
    make("ul", {},
      ...one.rules.filter((rule, index, all) => !(all.length > 1 && index === 0 && rule.words === "All of these")).map((rule) => line(rule, rule.depth)),
      ...one.steps.map((step) => line(step, 1))));
}

const tick = (verdict) => make("span", { className: verdict ? "pp-text-reach" : "pp-text-fail", role: "img", "aria-label": verdict ? "yes" : "no", textContent: verdict ? "✓" : "✗" });

function line(rule, depth) {
  const item = make("li", {}, tick(rule.verdict), make("span", { textContent: rule.words }),
    rule.found == null ? null : make("span", { className: "pp-faint", textContent: `found: ${rule.found}` }));
  item.style.marginLeft = `${Math.max(0, depth - 1) * 0.875}rem`;
  return item;
}
