/** The card: one question, two equal answers, the purposes unticked below with their exact wording. */

import { STYLE } from "./card_style.js";
import { textsFor } from "./card_texts.js";

const ABOUT_THE_PERSON = ["personal_data", "measurement"];
const WORTH_ANOTHER_TRY = ["dismissed", "platform_unreachable", "push_service_failed", "refused"];
const THANKS_STAY_MS = 8000;
const BELL = "M6 9a6 6 0 1 1 12 0c0 6 2 7 2 7H4s2-1 2-7M10 20a2.2 2.2 0 0 0 4 0";
const CROSS = "M6 6l12 12M18 6L6 18";

let open = null; // one card at a time

/** An element with its properties and children; strings become text, never markup. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  const { role, ...rest } = properties;
  if (role) element.setAttribute("role", role);
  for (const [name, value] of Object.entries(rest)) {
    if (name.startsWith("aria")) element.setAttribute(`aria-${name.slice(4).toLowerCase()}`, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function sign(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(svg.namespaceURI, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

/**
 * Show the card and resolve with {outcome} as soon as the person has decided.
 * `acts` are subscribe, unsubscribe and consent of this installation; `problem` is a PushError that stands in the way.
 */
export function showCard({ prompt, purposes, problem, state, acts }) {
  open?.close("closed");
  return new Promise((resolve) => {
    open = new Card({ prompt, purposes, state, acts, resolve });
    if (problem) open.refuse(problem);
    else if (state.subscribed) open.offerChanges();
    else open.ask();
  });
}

class Card {
  constructor({ prompt, purposes, state, acts, resolve }) {
    const language = document.documentElement.lang || purposes[0]?.wording.language || navigator.language;
    Object.assign(this, { prompt, purposes, state, acts, resolve, words: textsFor(language) });
    this.cameFrom = document.activeElement;
    this.host = make("push-platform-card", { lang: language });
    const root = this.host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet(); // needs no 'unsafe-inline' in a shop's content security policy
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    this.card = make("section", { className: "card", role: "dialog", ariaLabelledby: "title", tabIndex: -1 });
    this.card.addEventListener("keydown", (event) => event.key === "Escape" && this.close("closed"));
    root.append(this.card);
    document.body.append(this.host);
  }

  /** Take the card away and give the focus back to where it came from. */
  close(outcome) {
    clearTimeout(this.timer);
    this.resolve({ outcome });
    if (open === this) open = null;
    const hadFocus = document.activeElement === this.host;
    this.host.remove();
    if (hadFocus) this.cameFrom?.focus?.({ preventScroll: true });
  }

  #fill(title, ...children) {
    const closing = make("button", { className: "close", type: "button", ariaLabel: this.words.close }, sign(CROSS));
    closing.addEventListener("click", () => this.close("closed"));
    const heading = make("h2", { id: "title" }, title);
    const bell = make("div", { className: "bell" }, sign(BELL));
    this.status = make("p", { className: "status", role: "status" });
    this.card.replaceChildren(make("header", {}, bell, heading, closing), ...children.flat().filter(Boolean));
    const buttons = this.card.querySelector(".buttons");
    this.card.insertBefore(this.status, buttons);
    this.card.focus({ preventScroll: true });
  }

  #say(text, wrong = false) {
    this.status.textContent = text;
    this.status.classList.toggle("wrong", wrong);
    if (text) this.status.scrollIntoView({ block: "nearest" });
  }

  #button(text, act, main = false) {
    const button = make("button", { type: "button", className: main ? "main" : "" }, text);
    button.addEventListener("click", act);
    return button;
  }

  // ---- what is asked -------------------------------------------------------------------------------------------

  ask() {
    const { words, prompt } = this;
    this.#fill(
      prompt.title ?? words.title,
      prompt.text ? make("p", {}, prompt.text) : null,
      this.#choices(() => false),
      make("div", { className: "buttons" }, this.#button(prompt.yes ?? words.yes, () => this.#yes(), true),
        this.#button(prompt.no ?? words.no, () => this.close("declined"))),
      this.#footer(),
    );
  }

  offerChanges() {
    const { words, state } = this;
    const everywhere = state.linked_to ? this.#tick("everywhere", words.everywhere) : null;
    everywhere?.classList.add("plain");
    this.#fill(
      words.your,
      this.#choices((key) => state.consents[key]?.decision === "granted"),
      everywhere,
      make("div", { className: "buttons" }, this.#button(words.save, () => this.#save(), true),
        this.#button(words.stop, () => this.#stop())),
      this.#footer(),
    );
  }

  #choices(ticked) {
    const { words, purposes } = this;
    const aboutPerson = ({ key }) => ABOUT_THE_PERSON.includes(key);
    const group = (legend, some) =>
      some.length
        ? make("fieldset", {}, make("legend", {}, legend), ...some.map((purpose) => this.#purpose(purpose, ticked)))
        : null;
    return [
      group(words.messages, purposes.filter((purpose) => !aboutPerson(purpose))),
      group(words.about, purposes.filter(aboutPerson)),
    ];
  }

  #purpose({ key, title, wording }, ticked) {
    const text = make(title ? "small" : "span", { lang: wording.language }, wording.text);
    const label = this.#tick(key, make("span", {}, title ? make("b", {}, title) : null, text));
    label.firstChild.checked = ticked(key);
    return label;
  }

  #tick(name, content) {
    return make("label", {}, make("input", { type: "checkbox", name }), content);
  }

  #footer() {
    const { words, prompt } = this;
    const link = prompt.privacy_url
      ? make("a", { href: prompt.privacy_url, target: "_blank", rel: "noopener" }, words.privacy)
      : null;
    return make("p", { className: "note" }, words.footer, link ? " " : null, link);
  }

  #ticked(name) {
    return this.card.querySelector(`input[name="${CSS.escape(name)}"]`)?.checked ?? false;
  }

  // ---- what is answered ----------------------------------------------------------------------------------------

  /** Runs inside the click: nothing may be awaited before the browser's own question. */
  #yes() {
    const chosen = this.purposes.filter(({ key }) => this.#ticked(key));
    if (!chosen.some(({ key }) => !ABOUT_THE_PERSON.includes(key))) {
      this.#say(this.words.choose, true);
      this.card.querySelector("input")?.focus();
      return;
    }
    const consents = chosen.map(({ key, wording }) => ({ purpose: key, wording_id: wording.id, decision: "granted" }));
    this.#during(this.acts.subscribe({ consents }), this.words.waiting, "subscribed", this.words.thanks, this.words.thanks_text);
  }

  #save() {
    const { state, acts, words } = this;
    const before = (key) => state.consents[key]?.decision === "granted";
    const everywhere = this.#ticked("everywhere");
    const decided = this.purposes.filter(({ key }) => everywhere || this.#ticked(key) !== before(key));
    const work = decided
      .filter(({ key }) => this.#ticked(key) || before(key)) // a box never ticked is no decision
      .map(({ key }) => () => acts.consent(key, this.#ticked(key) ? "granted" : "withdrawn", { everywhere }));
    const inTurn = work.reduce((earlier, act) => earlier.then(act), Promise.resolve());
    this.#during(inTurn, "", "changed", words.saved);
  }

  #stop() {
    this.#during(this.acts.unsubscribe(), "", "stopped", this.words.stopped);
  }

  async #during(work, meanwhile, outcome, title, text) {
    for (const control of this.card.querySelectorAll("button:not(.close), input")) control.disabled = true;
    this.#say(meanwhile);
    try {
      await work;
      this.#fill(title, text ? make("p", {}, text) : null);
      this.resolve({ outcome });
      this.timer = setTimeout(() => this.close(outcome), THANKS_STAY_MS);
    } catch (error) {
      console.warn(`push platform: ${error.code ?? error.name}: ${error.message}`);
      this.refuse(error);
    }
  }

  /** Say what stands in the way and what to do about it. */
  refuse({ code }) {
    const { words } = this;
    const again = WORTH_ANOTHER_TRY.includes(code) && this.purposes.length > 0;
    const back = () => (this.state.subscribed ? this.offerChanges() : this.ask());
    this.#fill(
      code === "denied" ? words.blocked : words.sorry,
      make("p", {}, words[code] ?? words.refused),
      again ? make("div", { className: "buttons" }, this.#button(words.again, back, true)) : null,
    );
  }
}
