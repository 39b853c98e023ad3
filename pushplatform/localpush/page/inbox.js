// The inbox page: asks once a second what changed, and draws only that. Everything a sender wrote goes into the page
// as text, never as markup.

import { $, STATES, ask, make, number, clock, picture, pill, sizeOf, timeOf } from "/drawing.js";
import { detailOf } from "/detail.js";
import { buildFaults, drawFaults } from "/faults.js";

const STEP = 100;
const EVERY_MS = 1000;
const seen = { cursor: -1, entries: [], total: 0, limit: STEP, open: null, lastAnswer: null, kept: null };
const rows = new Map();

// ---- what is asked for

const filters = $("filters");
let messageFilter = "";

function query(limit) {
  const wanted = new URLSearchParams();
  for (const name of ["q", "label", "state", "kind"]) {
    const value = filters.elements[name].value.trim();
    if (value) wanted.set(name, value);
  }
  if (messageFilter) wanted.set("message", messageFilter);
  wanted.set("limit", limit);
  return wanted;
}
const isFiltered = () => [...query(1).keys()].length > 1;

function setMessageFilter(message) {
  messageFilter = message;
  const chip = $("message-chip");
  chip.hidden = !message;
  chip.replaceChildren(
    make("span", {}, `message ${message}`),
    make("button", { type: "button", "aria-label": "Show all messages", onclick: () => setMessageFilter("") }, "✕"),
  );
  reload();
}

// ---- asking

async function reload() {
  const wanted = query(seen.limit);
  try {
    const inbox = await ask(`/inbox.json?${wanted}`);
    if (String(wanted) !== String(query(seen.limit))) return; // the filters changed meanwhile
    seen.cursor = inbox.cursor;
    seen.entries = inbox.data;
    seen.total = inbox.total;
    drawList();
    drawDetail();
    answered();
  } catch (problem) {
    failed(problem);
  }
}

async function look() {
  try {
    const [news, statistics, faults] = await Promise.all([
      ask(`/inbox.json?limit=1&after=${Math.max(seen.cursor, 0)}`),
      ask("/statistics.json?messages=0"),
      ask("/faults"),
    ]);
    drawFigures(statistics);
    drawFaults(faults.data);
    if (news.cursor !== seen.cursor) await reload();
    else answered();
  } catch (problem) {
    failed(problem);
  }
  setTimeout(look, document.hidden ? EVERY_MS * 5 : EVERY_MS);
}

function answered() {
  seen.lastAnswer = new Date();
  $("banner").hidden = true;
  $("live").className = "live on";
  $("live-text").textContent = `Live · ${clock.format(seen.lastAnswer)}`;
}

function failed(problem) {
  $("live").className = "live off";
  $("live-text").textContent = "No answer";
  const since = seen.lastAnswer ? ` since ${clock.format(seen.lastAnswer)}` : "";
  const reason = problem instanceof TypeError ? "is it running?" : problem.message;
  $("banner").textContent = `localpush gives no answer${since}: ${reason} What is shown below is the last that is known; it is tried again every second.`;
  $("banner").hidden = false;
  if (!seen.lastAnswer) $("list").replaceChildren();
}

// ---- the list

function headline(entry) {
  if (entry.title) return make("span", { class: "row-title", dir: "auto" }, entry.title);
  const words = entry.kind === "firefox" ? "Encrypted for Firefox" : entry.payload === null ? "Could not be decrypted" : "No title";
  return make("span", { class: "row-title quiet" }, words);
}

function drawRow(entry) {
  const body = entry.body || (entry.kind === "firefox" ? "Only that browser can read it." : " ");
  return make(
    "button",
    { type: "button", class: "row", "data-id": entry.id, "aria-current": String(entry.id === seen.open), onclick: () => open(entry.id) },
    picture(entry),
    headline(entry),
    make("time", { class: "row-time", datetime: entry.at }, timeOf(entry.at)),
    make("span", { class: "row-body", dir: "auto" }, body),
    make("span", { class: "row-foot" }, pill(entry.state), make("span", { class: "for", title: entry.label }, entry.label), make("span", { class: "size" }, sizeOf(entry.size))),
  );
}

function drawList() {
  const list = $("list");
  const kept = new Set(seen.entries.map((entry) => entry.id));
  for (const id of rows.keys()) if (!kept.has(id)) rows.delete(id);
  const focused = document.activeElement?.dataset?.id;
  const items = seen.entries.map((entry) => {
    const known = rows.get(entry.id);
    if (known && known.revision === entry.revision) return known.item;
    const item = known ? known.item : make("li");
    item.replaceChildren(drawRow(entry));
    rows.set(entry.id, { item, revision: entry.revision });
    return item;
  });
  if (items.length !== list.children.length || items.some((item, at) => list.children[at] !== item)) list.replaceChildren(...items);
  if (focused) list.querySelector(`[data-id="${Number(focused)}"]`)?.focus({ preventScroll: true });
  list.setAttribute("aria-busy", "false");
  $("more").hidden = seen.entries.length < seen.limit || seen.limit >= 1000;
  drawEmpty();
}

function drawEmpty() {
  const empty = $("empty");
  empty.hidden = seen.entries.length > 0;
  if (seen.entries.length) return;
  if (isFiltered()) {
    const reset = () => { filters.reset(); setMessageFilter(""); };
    empty.replaceChildren(
      make("h2", {}, "Nothing matches"),
      make("p", {}, `None of the ${number.format(seen.total)} messages kept here passes these filters.`),
      make("button", { type: "button", class: "button", onclick: reset }, "Show all messages"),
    );
    return;
  }
  empty.replaceChildren(
    make("h2", {}, "Nothing has arrived yet"),
    make("p", {}, "Make a simulated browser, give its subscription to your sender, and what you push to it appears here, decrypted and drawn as its notification would look:"),
    make("pre", {}, `curl ${location.origin}/browsers -d '{"label": "Anna", "application_server_key": "<your VAPID public key>"}'`),
  );
}

// ---- one message

const acts = { back: () => open(null), showMessage: setMessageFilter, changed: reload, failed };
const opened = () => seen.entries.find((entry) => entry.id === seen.open) || (seen.kept?.id === seen.open ? seen.kept : null);
let drawn = "";

function open(id) {
  seen.open = id;
  for (const row of document.querySelectorAll(".row")) row.setAttribute("aria-current", String(Number(row.dataset.id) === id));
  $("panes").classList.toggle("open", id !== null);
  history.replaceState(null, "", id === null ? location.pathname + location.search : `#${id}`);
  drawDetail();
  if (id !== null && matchMedia("(max-width: 960px)").matches) $("detail").focus();
}

function drawDetail() {
  const entry = opened();
  const now = entry ? `${entry.id}.${entry.revision}` : `none ${seen.entries.length > 0}`;
  if (now === drawn) return;
  const sameEntry = entry && drawn.startsWith(`${entry.id}.`);
  const unfolded = sameEntry ? [...$("detail").querySelectorAll("details")].map((part) => part.open) : null;
  drawn = now;
  if (!entry) {
    $("detail").replaceChildren(...(seen.entries.length ? [make("p", { class: "nothing" }, "Choose a message to see it as the person would.")] : []));
    return;
  }
  seen.kept = entry;
  $("detail").replaceChildren(...detailOf(entry, acts));
  if (unfolded) [...$("detail").querySelectorAll("details")].forEach((part, at) => { part.open = unfolded[at] ?? part.open; });
  else $("detail").scrollTop = 0;
}

// ---- figures and faults

function drawFigures(statistics) {
  const refused = Object.entries(statistics.statuses).reduce((sum, [status, count]) => (status === "201" ? sum : sum + count), 0);
  const figure = (count, words, kind) => make("span", { class: count ? kind : "" }, make("b", {}, number.format(count)), ` ${words}`);
  const simulated = statistics.browsers.simulated;
  $("figures").replaceChildren(
    figure(statistics.accepted, "accepted", ""),
    figure(refused, "refused", "look"),
    ...(statistics.doubled_posts ? [figure(statistics.doubled_posts, "repeated", "look")] : []),
    ...(statistics.decrypt_errors ? [figure(statistics.decrypt_errors, "undecryptable", "bad")] : []),
    ...(statistics.waiting ? [figure(statistics.waiting, "waiting", "")] : []),
    figure(simulated, simulated === 1 ? "simulated browser" : "simulated browsers", ""),
    ...(statistics.browsers.firefox ? [figure(statistics.browsers.firefox, "Firefox", "")] : []),
  );
}

// ---- start

for (const [state, [words]] of Object.entries(STATES)) filters.elements.state.append(make("option", { value: state }, words));
buildFaults();
const asked = new URLSearchParams(location.search);
for (const name of ["q", "label", "state", "kind"]) if (asked.has(name)) filters.elements[name].value = asked.get(name);
if (/^#\d+$/.test(location.hash)) {
  seen.kept = await ask(`/inbox/${location.hash.slice(1)}`).catch(() => null);
  seen.open = seen.kept && seen.kept.id;
  $("panes").classList.toggle("open", seen.open !== null);
}

let typing;
filters.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => { seen.limit = STEP; reload(); }, 150); });
filters.addEventListener("submit", (event) => event.preventDefault());
$("more").addEventListener("click", () => { seen.limit = Math.min(seen.limit + STEP, 1000); reload(); });
$("open-faults").addEventListener("click", () => $("faults").showModal());
$("close-faults").addEventListener("click", () => $("faults").close());
$("faults").addEventListener("click", (event) => { if (event.target === $("faults")) $("faults").close(); });
$("faults-off").addEventListener("click", async () => { await ask("/faults", { method: "DELETE" }); drawFaults([]); });
$("clear").addEventListener("click", () => $("confirm").showModal());
$("confirm").addEventListener("close", async () => {
  if ($("confirm").returnValue !== "yes") return;
  $("confirm").returnValue = "";
  await ask("/inbox.json", { method: "DELETE" }).catch(failed);
  seen.kept = null;
  open(null);
  reload();
});
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, dialog")) return;
  if (event.key === "Escape") open(null);
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const at = seen.entries.findIndex((entry) => entry.id === seen.open);
  const next = seen.entries[event.key === "ArrowDown" ? at + 1 : Math.max(at - 1, 0)];
  if (!next) return;
  event.preventDefault();
  open(next.id);
  rows.get(next.id)?.item.firstChild.focus();
});

if (asked.has("message")) setMessageFilter(asked.get("message"));
else await reload();
look();
