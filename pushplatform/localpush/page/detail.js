// One message: drawn as its notification would look, its course, its facts, its payload and headers.

import { LOCK, STATES, ask, drawing, isSafePicture, make, number, picture, pill, timeOf } from "/drawing.js";

/** The parts of the detail pane for an entry; `acts` has back, showMessage(id), changed and failed(problem). */
export function detailOf(entry, acts) {
  return [head(entry, acts), stage(entry, acts), facts(entry, acts), payload(entry), headers(entry)];
}

function head(entry, acts) {
  return make(
    "div",
    { class: "detail-head" },
    make("button", { type: "button", class: "button back", onclick: acts.back }, "‹ Back"),
    make("span", { class: "for" }, entry.label),
    pill(entry.state),
    make("time", { datetime: entry.at }, timeOf(entry.at)),
  );
}

function stage(entry, acts) {
  const [, colour, sentence] = STATES[entry.state] || ["", "", ""];
  const note = make("p", { class: `stage-note ${colour === "red" ? "bad" : ""}` }, entry.note ? `${sentence} ${entry.note[0].toUpperCase()}${entry.note.slice(1)}.` : sentence);
  if (entry.payload === null) {
    const sealed = entry.kind === "firefox" ? ["Encrypted for this Firefox", "Only that browser can read it. Its size and headers are below."] : ["Could not be decrypted", "It was not encrypted with the keys of this browser's subscription."];
    return make("div", { class: "stage" }, make("div", { class: "sealed" }, drawing(LOCK), make("b", {}, sealed[0]), sealed[1]), note);
  }
  return make("div", { class: "stage" }, notification(entry, acts), note);
}

function siteOf(address) {
  try { return new URL(address).host; } catch { return "no address"; }
}

function notification(entry, acts) {
  const canAct = entry.state === "shown" && entry.kind === "simulated";
  const act = (what, action) => () => answer(entry, acts, what, action);
  const actions = (entry.look.actions || []).map((each) =>
    make("button", { type: "button", disabled: !canAct, dir: "auto", onclick: act("click", each.action) }, each.title || each.action));
  const image = isSafePicture(entry.look.image) ? make("img", { alt: "", referrerpolicy: "no-referrer", src: entry.look.image }) : null;
  image?.addEventListener("error", () => image.remove());
  return make(
    "div",
    { class: "notification", dir: ["ltr", "rtl"].includes(entry.look.dir) ? entry.look.dir : "auto", lang: entry.look.lang },
    make("div", { class: "from" }, siteOf(entry.look.url), canAct ? make("button", { type: "button", "aria-label": "Close the notification", onclick: act("close") }, "✕") : null),
    make(
      "button",
      { type: "button", class: "words", disabled: !canAct, title: entry.look.url, onclick: act("click") },
      make("span", {}, make("span", { class: "n-title" }, entry.title || "(no title)"), make("span", { class: "n-body" }, entry.body || "")),
      picture(entry),
    ),
    image,
    actions.length ? make("div", { class: "n-acts" }, ...actions) : null,
  );
}

async function answer(entry, acts, what, action) {
  try {
    await ask(`/inbox/${entry.id}/${what}`, { method: "POST", body: JSON.stringify(action ? { action } : {}) });
    acts.changed();
  } catch (problem) {
    acts.failed(problem);
  }
}

function since(from, to) {
  const seconds = (new Date(to) - new Date(from)) / 1000;
  return seconds < 60 ? `+${seconds.toFixed(seconds < 1 ? 3 : 1)} s` : seconds < 3600 ? `+${Math.round(seconds / 60)} min` : `+${(seconds / 3600).toFixed(1)} h`;
}

function facts(entry, acts) {
  const course = entry.history
    .filter((step, at) => at > 0 || step.state !== "waiting" || entry.history.length === 1)
    .map((step) => make("li", {}, pill(step.state), step.at === entry.at ? "" : since(entry.at, step.at)));
  const accepted = make("li", {}, make("span", { class: "pill" }, "Accepted"), timeOf(entry.at));
  const pairs = [
    ["For", entry.label],
    ["Browser", `${entry.kind === "firefox" ? "Firefox" : "simulated"}, ${entry.browser}`],
    ["Message", entry.message ? make("button", { type: "button", class: "link", title: "Show this message in all browsers", onclick: () => acts.showMessage(entry.message) }, entry.message) : null],
    ["Opens", entry.look.url],
    ["Size", `${number.format(entry.size)} octets encrypted${entry.payload_size === null ? "" : `, ${number.format(entry.payload_size)} in plain`}`],
    ["Keeps trying", entry.ttl === 0 ? "now or never (TTL 0)" : `${number.format(entry.ttl)} s (TTL)`],
    ["Urgency", entry.urgency],
    ["Topic", entry.topic],
    ["Subscription", make("code", {}, entry.subscription)],
    ["Sender", entry.sender ? `${entry.sender.subject || "without a contact"}, token for ${entry.sender.audience} until ${timeOf(entry.sender.expires)}` : "without a VAPID token"],
  ].filter(([, value]) => value);
  return make(
    "section",
    { class: "part" },
    make("ol", { class: "course", "aria-label": "Course" }, accepted, ...course),
    make("dl", { class: "facts" }, ...pairs.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])),
  );
}

/** A receipt token is a capability: enough of it to recognise it, too little to report with. */
function withoutToken(name, value) {
  return name === "t" && typeof value === "string" && value.length > 12 ? `${value.slice(0, 6)}…` : value;
}

function payload(entry) {
  if (entry.payload === null) return "";
  const text = typeof entry.payload === "string" ? entry.payload : JSON.stringify(entry.payload, withoutToken, 2);
  const copy = make("button", { type: "button", class: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  });
  return make("details", { class: "part", open: true }, make("summary", {}, "Decrypted payload"), make("div", { class: "copy-line" }, copy), make("pre", {}, text || "(empty)"));
}

function headers(entry) {
  const lines = Object.entries(entry.headers).map(([name, value]) => make("tr", {}, make("th", { scope: "row" }, make("code", {}, name)), make("td", {}, make("code", {}, value))));
  return make("details", { class: "part", open: entry.payload === null }, make("summary", {}, "Headers", make("small", {}, String(lines.length))), make("table", { class: "headers" }, make("tbody", {}, ...lines)));
}
