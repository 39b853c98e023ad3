// What every part of the page draws with. Everything a sender wrote goes into the page as text, never as markup.

export const STATES = {
  waiting: ["Waiting", "", "Kept until the browser comes back."],
  sent: ["On its way", "blue", "Handed to the browser, which has not acknowledged it yet."],
  delivered: ["Delivered", "green", "The browser took it."],
  received: ["Received", "green", "The browser got it and showed nothing."],
  shown: ["Shown", "green", "The notification is on the screen: click it or close it as the person would."],
  clicked: ["Clicked", "green", "The person clicked it."],
  closed: ["Closed", "green", "The person closed it."],
  repeated: ["Repeated", "amber", "The same message came before: no second alert, no second report."],
  not_received: ["Not received", "amber", "Accepted, but this browser never comes to fetch it."],
  undecryptable: ["Undecryptable", "red", "The browser could not decrypt it."],
  not_delivered: ["Not delivered", "red", "The browser took it and raised no push event."],
  replaced: ["Replaced", "amber", "A newer push of the same topic took its place."],
  expired: ["Expired", "amber", "Its TTL ended before the browser came back."],
  dropped: ["Dropped", "amber", "The browser was away and it could not be kept (TTL 0, too many waiting, or unsubscribed)."],
  cancelled: ["Cancelled", "amber", "The sender cancelled it."],
};
export const BELL = "M12 3a5 5 0 0 0-5 5v3.6L5.4 15a1 1 0 0 0 .9 1.5h11.4a1 1 0 0 0 .9-1.5L17 11.6V8a5 5 0 0 0-5-5Zm-2.3 15.5a2.4 2.4 0 0 0 4.6 0Z";
export const LOCK = "M7 10V8a5 5 0 0 1 10 0v2h.5A1.5 1.5 0 0 1 19 11.5v7a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 5 18.5v-7A1.5 1.5 0 0 1 6.5 10H7Zm2 0h6V8a3 3 0 0 0-6 0v2Z";


export const $ = (id) => document.getElementById(id);

/** An element with attributes and children; strings become text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function drawing(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", path);
  shape.setAttribute("fill", "currentColor");
  svg.append(shape);
  return svg;
}

export const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
export const number = new Intl.NumberFormat();

export function timeOf(text) {
  const at = new Date(text);
  return at.toDateString() === new Date().toDateString() ? clock.format(at) : `${day.format(at)} ${clock.format(at)}`;
}
export const sizeOf = (octets) => (octets < 1024 ? `${octets} B` : `${(octets / 1024).toFixed(1)} kB`);
export const isSafePicture = (address) => /^(https?:|data:image\/)/i.test(address || "");

export async function ask(path, options = {}) {
  const answer = await fetch(path, { headers: { "content-type": "application/json" }, cache: "no-store", ...options });
  const document = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw new Error((document && document.detail) || `localpush answered ${answer.status}`);
  return document;
}

export function pill(state) {
  const [words, colour] = STATES[state] || [state, ""];
  return make("span", { class: `pill ${colour}` }, words);
}

export function picture(entry) {
  const icon = entry.look.icon;
  const mark = make("span", { class: "mark", "aria-hidden": "true" });
  const fallback = () => mark.replaceChildren(drawing(entry.payload === null ? LOCK : BELL));
  if (isSafePicture(icon)) {
    const image = make("img", { alt: "", loading: "lazy", referrerpolicy: "no-referrer", src: icon });
    image.addEventListener("error", fallback);
    mark.append(image);
  } else fallback();
  return mark;
}
