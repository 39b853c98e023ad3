// A draft's page while one types: the preview and the count come from the server, which renders what will be sent.

const form = document.querySelector("#compose");
const field = (name) => form.elements[name];
const slow = (delay, act) => {
  let timer;
  return () => { clearTimeout(timer); timer = setTimeout(act, delay); };
};
const whole = (number) => number.toLocaleString("en");
const PLATFORM_NOTES = {
  windows: "Chrome and Edge on Windows show the large picture and up to two buttons.",
  android: "Chrome on Android shows picture and buttons once it is unfolded.",
  macos: "macOS shows no large picture; buttons wait behind “Options”.",
  ios: "iPhone and iPad show it for sites on the Home Screen, with title and text only.",
  firefox: "Firefox shows title, text and icon; no large picture, no buttons.",
};

// --- Asking the server: the newest question wins, an older answer is dropped.
const asked = {};
async function ask(kind, more = {}) {
  const data = new FormData(form);
  for (const [name, value] of Object.entries(more)) data.set(name, value);
  const mine = (asked[kind] = (asked[kind] ?? 0) + 1);
  const answer = await fetch(form.dataset[kind], { method: "POST", body: data, headers: { Accept: "application/json" } })
    .then(async (response) => ({ ok: response.ok, status: response.status, body: await response.json() }))
    .catch(() => ({ ok: false, body: {} }));
  return mine === asked[kind] ? answer : null;
}

// --- Preview
const pane = document.querySelector("[data-preview-pane]");
const stage = pane.querySelector("[data-stage]");
const notice = stage.querySelector(".pp-notice");
const viewer = pane.querySelector("[data-viewer]");
const part = (name) => pane.querySelector(`[data-${name}]`);
let shownViewer = "";
let checks = null;

function choose(kind, value) {
  for (const button of pane.querySelectorAll(`button[data-${kind}]`)) {
    button.setAttribute("aria-pressed", String(button.dataset[kind] === value));
  }
  stage.dataset[kind] = value;
  part("platform-note").textContent = PLATFORM_NOTES[stage.dataset.platform];
}

function picture(image, address, instead) {
  image.onerror = () => { image.hidden = true; if (instead) instead.hidden = false; };
  if (address && image.getAttribute("src") !== address) image.src = address;
  image.hidden = !address;
  if (instead) instead.hidden = Boolean(address);
}

function draw(answer) {
  const drawn = answer.notification;
  notice.classList.remove("pp-stale");
  if (drawn) {
    part("title").textContent = drawn.title;
    part("body").textContent = drawn.body;
    stage.querySelector(".pp-notice-text").dataset.host = new URL(drawn.target, location.href).host;
    part("target").textContent = drawn.target;
    part("buttons").replaceChildren(...drawn.buttons.slice(0, 2).map((text) => Object.assign(document.createElement("span"), { textContent: text })));
    for (const box of form.querySelectorAll("[data-rendered]")) box.count(drawn[box.dataset.rendered]);
    picture(part("icon"), drawn.icon, part("letter"));
    picture(part("image"), drawn.image);
  } else {
    part("title").textContent = field("title").value || "The title stands here";
    part("body").textContent = field("body").value;
  }
  if (answer.as) {
    shownViewer = answer.as.external_id;
    viewer.value = shownViewer;
    const how = [answer.as.name, answer.as.device, answer.as.language].filter(Boolean).join(" · ");
    part("seen-by").textContent = `As seen by ${how.replace(/^Nobody/, "nobody")}`;
    for (const step of ["previous", "next"]) pane.querySelector(`[data-step-viewer="${step}"]`).disabled = !answer.as[step];
  }
}

function beside(problems) {
  for (const place of form.querySelectorAll("[data-field]")) {
    const name = place.dataset.field;
    if (!(name in FOLLOWED) && !name.startsWith("translation-")) continue;
    const said = problems[name] ?? [];
    place.querySelector("[data-error]")?.replaceChildren(...said.map((text) => Object.assign(document.createElement("p"), { textContent: text })));
    place.classList.toggle("errors", said.length > 0);
    place.classList.toggle("group", said.length > 0);
  }
}
const FOLLOWED = Object.fromEntries(
  ["title", "body", "url", "image", "icon", "button_1_title", "button_1_url", "button_2_title", "button_2_url"].map((name) => [name, true]),
);

async function preview(more = {}) {
  notice.classList.add("pp-stale");
  const answer = await ask("preview", { as: shownViewer, ...more });
  if (!answer) return;
  if (!answer.ok) {
    notice.classList.remove("pp-stale");
    part("seen-by").textContent = answer.body.error ?? "The preview could not be drawn: the server did not answer. What you typed is kept.";
    return;
  }
  draw(answer.body);
  const typed = Boolean(field("title").value.trim() || field("body").value.trim());
  if (typed) beside(answer.body.problems);
  checks = answer.body;
  showChecks();
}

// --- Count
const counted = document.querySelector("[data-count-pane]");
const inCount = (name) => counted.querySelector(`[data-${name}]`);
let figures = null;

async function count() {
  counted.querySelector(".pp-body").classList.add("pp-stale");
  const begun = setTimeout(() => { inCount("count-state").textContent = "counting…"; }, 300);
  const answer = await ask("count");
  clearTimeout(begun);
  if (!answer) return;
  counted.querySelector(".pp-body").classList.remove("pp-stale");
  inCount("count-state").textContent = "";
  figures = answer.ok && "matched" in answer.body ? answer.body : null;
  inCount("total").hidden = inCount("waterfall").hidden = !figures;
  inCount("count-note").hidden = Boolean(figures) && figures.after_device_choice > 0;
  if (!figures) {
    inCount("count-note").textContent = answer.body.missing ?? answer.body.error ?? "It could not be counted: the server did not answer.";
  } else {
    showFigures();
  }
  showChecks();
  sayAll();
}

function showFigures() {
  inCount("people").textContent = whole(figures.people);
  inCount("devices").textContent = whole(figures.after_device_choice);
  inCount("purpose").textContent = figures.purpose;
  inCount("count-note").textContent = "Nobody would get it. Choose other segments, or another purpose.";
  let before = null;
  for (const line of counted.querySelectorAll("[data-figure]")) {
    const number = figures[line.dataset.figure];
    line.hidden = line.dataset.figure.startsWith("after_") && number === before; // a step that takes nobody away
    before = number;
    line.querySelector("b")?.remove();
    line.querySelector(".pp-bar")?.remove();
    const said = Object.assign(document.createElement("b"), { textContent: whole(number) });
    const bar = Object.assign(document.createElement("span"), { className: "pp-bar" });
    const fill = bar.appendChild(Object.assign(document.createElement("i"), { className: "pp-fill-main" }));
    fill.style.width = `${figures.matched ? (100 * number) / figures.matched : 0}%`;
    line.append(said, bar);
  }
}

// --- Check: what would stand in the way of a launch
function showChecks() {
  const lines = [];
  const add = (kind, text) => lines.push([kind, text]);
  if (figures) {
    if (figures.after_device_choice > 0) add("fine", `Reaches ${whole(figures.people)} people on ${whole(figures.after_device_choice)} devices.`);
    else add("wrong", "Nobody would get it.");
  } else {
    add("wrong", "Choose who gets it, and the purpose they agreed to.");
  }
  if (checks) {
    const problems = Object.values(checks.problems).flat();
    for (const text of problems) add("wrong", text);
    if (!problems.length) add("fine", `Renders to ${whole(checks.octets)} bytes; a push carries 3,993.`);
    for (const text of Object.values(checks.warnings).flat()) add("look", text);
    if (!problems.length && !field("url").value.trim()) add("look", "A click leads to the site’s home: no address is given.");
  }
  document.querySelector("[data-checks]").replaceChildren(
    ...lines.map(([kind, text]) => {
      const line = Object.assign(document.createElement("li"), { textContent: text });
      line.dataset.kind = kind;
      return line;
    }),
  );
  mark("message", checks && !Object.keys(checks.problems).length);
  mark("audience", figures && figures.after_device_choice > 0);
  mark("delivery", true);
}

function mark(step, fine) {
  const card = form.querySelector(`[data-step="${step}"]`);
  card.toggleAttribute("data-fine", Boolean(fine));
  card.toggleAttribute("data-wrong", Boolean(card.querySelector(".errors, .errorlist")));
}

// --- Each step as a sentence, for when it is folded
function say(step, text) {
  form.querySelector(`[data-step="${step}"] [data-said]`).textContent = text;
}
function sayAll() {
  const names = (name) => [...form.querySelectorAll(`[name="${name}"]:checked`)].map((box) => box.closest("label").textContent.trim());
  const out = names("excluded");
  const who = names("segments").join(" or ") || "Nobody chosen yet";
  const reach = figures ? ` · ${whole(figures.people)} people, ${whole(figures.after_device_choice)} devices` : "";
  say("audience", `${who}${out.length ? `, without ${out.join(" and ")}` : ""}${reach}`);
  say("message", [field("title").value, field("body").value].filter(Boolean).join(" — ") || "Not written yet");
  const until = field("life").value === "until" ? `until ${field("expires_at").value.replace("T", " ")}` : `for ${field("ttl_number").value} ${field("ttl_unit").value}`;
  const devices = field("devices").selectedOptions[0].textContent;
  const ceiling = field("per_minute").value ? ` · at most ${whole(Number(field("per_minute").value))} a minute` : "";
  say("delivery", `${devices} · keep trying ${until} · ${field("urgency").value} urgency${ceiling}`);
}

// --- Small things
for (const box of form.querySelectorAll(".pp-counted")) {
  const input = box.querySelector("input, textarea");
  const counter = box.appendChild(Object.assign(document.createElement("span"), { className: "pp-counter" }));
  box.count = (text) => {
    counter.textContent = `${[...text].length} / about ${box.dataset.about}`;
    counter.toggleAttribute("data-long", [...text].length > Number(box.dataset.about));
  };
  input.addEventListener("input", () => { if (!input.value.includes("{")) box.count(input.value); });
  box.count(input.value.includes("{") ? "" : input.value);
}
function number() {
  form.querySelectorAll("[data-translation-rows] [data-row]").forEach((row, index) => { row.dataset.field = `translation-${index}`; });
}
form.querySelector("[data-add-translation]").addEventListener("click", () => {
  const fresh = form.querySelector("template[data-translation]").content.cloneNode(true);
  form.querySelector("[data-translation-rows]").append(fresh);
  number();
  form.querySelector("[data-translation-rows] [data-row]:last-child input").focus();
});
form.addEventListener("click", (event) => {
  const remover = event.target.closest("[data-remove-translation]");
  if (!remover) return;
  remover.closest("[data-row]").remove();
  number();
  preview();
});
for (const input of [field("ttl_number"), field("ttl_unit")]) input.addEventListener("focus", () => { field("life").value = "ttl"; });
field("expires_at").addEventListener("focus", () => { field("life").value = "until"; });

const soonPreview = slow(250, preview);
const soonCount = slow(150, count);
const AUDIENCE = new Set(["segments", "excluded", "purpose", "devices"]);
form.addEventListener("input", (event) => {
  if (event.target === viewer) return;
  if (AUDIENCE.has(event.target.name)) soonCount();
  else soonPreview();
  sayAll();
});
viewer.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  preview({ as: viewer.value.trim() });
});
viewer.addEventListener("change", () => preview({ as: viewer.value.trim() }));
pane.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.platform) choose("platform", button.dataset.platform);
  if (button.dataset.shade) choose("shade", button.dataset.shade);
  if (button.dataset.stepViewer) preview({ step: button.dataset.stepViewer });
});

choose("shade", document.documentElement.classList.contains("dark") ? "dark" : "light");
choose("platform", "windows");
for (const name of ["audience", "delivery"]) {
  const card = form.querySelector(`[data-step="${name}"]`);
  if (form.dataset.saved && !card.querySelector("[data-error] p")) card.open = false;
}
sayAll();
preview();
count();
for (const dialog of document.querySelectorAll("dialog[data-open]")) dialog.showModal();
