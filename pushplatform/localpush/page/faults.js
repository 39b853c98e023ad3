// The drawer with a switch per fault.

import { $, ask, make, number } from "/drawing.js";

// Number-like keys of an object would be sorted: a Map keeps the commonest first.
const FAULTS = new Map([
  ["429", ["Too many requests", "The push service slows the sender down.", "wait"]],
  ["503", ["Unavailable", "The push service is overloaded for a while.", "wait"]],
  ["500", ["Server error", "The push service itself fails."]],
  ["502", ["Bad gateway", "Something behind the push service fails."]],
  ["410", ["Gone", "The person unsubscribed or the subscription expired."]],
  ["404", ["Not found", "The subscription is unknown."]],
  ["403", ["Forbidden", "The sender's VAPID key is refused."]],
  ["401", ["Unauthorized", "The sender's token is refused."]],
  ["400", ["Bad request", "The push service dislikes the request."]],
  ["413", ["Too large", "The push service dislikes the size."]],
  ["slow", ["Slow answer", "The answer takes its time.", "delay"]],
  ["hang", ["No answer", "The connection stays open and silent."]],
  ["reset", ["Connection reset", "The connection breaks."]],
  ["garbage", ["Garbage", "The answer is not HTTP."]],
]);
let current = [];
const settings = new Map();

export function buildFaults() {
  for (const [kind, [name, why, extra]] of FAULTS) {
    const toggle = make("input", { type: "checkbox", class: "switch", role: "switch", "aria-label": `${kind} ${name}` });
    const on = make("p", { class: "fault-on", hidden: true });
    const set = settingFields(extra);
    toggle.addEventListener("change", () => switchFault(kind, toggle.checked));
    settings.set(kind, { toggle, on, set });
    const code = /^\d/.test(kind) ? make("code", {}, kind) : null;
    $("fault-list").append(make("li", { class: "fault" }, make("div", {}, make("p", { class: "fault-name" }, code, name), make("p", { class: "fault-why" }, why)), toggle, set ? set.line : null, on));
  }
}

function settingFields(extra) {
  if (extra === "wait") {
    const seconds = make("input", { type: "number", min: 0, max: 604800, placeholder: "none", "aria-label": "Retry-After in seconds" });
    const form = make("select", { "aria-label": "Form of Retry-After" }, make("option", { value: "seconds" }, "as seconds"), make("option", { value: "date" }, "as a date"));
    return { line: make("div", { class: "fault-set" }, "Retry-After", seconds, form), read: () => (seconds.value ? { retry_after: Number(seconds.value), retry_after_as: form.value } : {}) };
  }
  if (extra === "delay") {
    const delay = make("input", { type: "number", min: 0, max: 600000, value: 1000, "aria-label": "Delay in milliseconds" });
    return { line: make("div", { class: "fault-set" }, "after", delay, "ms"), read: () => ({ delay_ms: Number(delay.value) }) };
  }
  return null;
}

async function switchFault(kind, isOn) {
  const { toggle, set } = settings.get(kind);
  const scope = $("fault-scope").elements;
  toggle.disabled = true;
  $("fault-error").hidden = true;
  try {
    if (isOn) {
      const wanted = { kind, probability: Number(scope.chance.value) / 100, deliver: scope.deliver.checked, ...(set ? set.read() : {}) };
      if (scope.label.value.trim()) wanted.label = scope.label.value.trim();
      if (scope.count.value) wanted.count = Number(scope.count.value);
      await ask("/faults", { method: "POST", body: JSON.stringify(wanted) });
    } else {
      await Promise.all(current.filter((fault) => fault.kind === kind).map((fault) => ask(`/faults/${fault.id}`, { method: "DELETE" })));
    }
  } catch (problem) {
    $("fault-error").textContent = problem.message;
    $("fault-error").hidden = false;
  }
  toggle.disabled = false;
  drawFaults((await ask("/faults")).data);
}

export function drawFaults(faults) {
  current = faults;
  $("fault-count").hidden = faults.length === 0;
  $("fault-count").textContent = `${faults.length} on`;
  $("faults-off").disabled = faults.length === 0;
  for (const [kind, { toggle, on }] of settings) {
    const mine = faults.filter((fault) => fault.kind === kind);
    if (!toggle.disabled) toggle.checked = mine.length > 0;
    on.hidden = mine.length === 0;
    on.textContent = mine.map(describe).join(" · ");
  }
}

function describe(fault) {
  const words = [`${number.format(fault.hits)} ${fault.hits === 1 ? "request" : "requests"} hit`];
  if (fault.count !== null) words.push(`${number.format(fault.count)} to go`);
  if (fault.label || fault.browser) words.push(`for ${fault.label || fault.browser}`);
  if (fault.probability < 1) words.push(`${Math.round(fault.probability * 100)} %`);
  if (fault.above !== null) words.push(`beyond ${number.format(fault.above)} in ${number.format(fault.window_ms / 1000)} s`);
  if (fault.retry_after !== null) words.push(`Retry-After ${fault.retry_after}${fault.retry_after_as === "date" ? " as a date" : ""}`);
  if (fault.kind === "slow") words.push(`${number.format(fault.delay_ms)} ms`);
  if (fault.deliver) words.push("delivered all the same");
  return words.join(", ");
}
