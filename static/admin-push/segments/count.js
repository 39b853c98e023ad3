// The live count: an old number stays, dimmed, until the new one is there; a request that is overtaken is aborted. What
// else is told of the people waits until nobody writes: the database has its hands free for the next number.

import { make, pause, sentence, whole } from "./elements.js";
import { released } from "./pressing.js";

const PAUSE_MS = 300; // who has not written for so long has the new number at once
const WAIT_MS = 50; // a key that repeats itself, or a paste, is counted once
const IDLE_MS = 500;
const GLANCE_MS = 20; // an exact number that is not there by then is announced by that of a sample
const SAY_COUNTING_MS = 300;
const LATER_MS = 700;
const AGAIN_MS = 3000;

const percent = (error) => `±\u00a0${Math.max(1, Math.round(error * 100))}\u00a0%`;

export class Count {
  #timer = null;
  #asking = null;
  #everyone = null;
  #last = 0;

  // `faulty(faults)` is called with what the server finds wrong, or nothing.
  constructor(pane, { asking, definition, faulty, contact, showsPeople }) {
    Object.assign(this, { pane, asking, definition, faulty, contact, showsPeople });
    this.part = (name) => pane.querySelector(`[data-${name}]`);
    this.strip = document.querySelector("[data-count-strip]");
    // The strip of a phone says the same number, and would cover it.
    new IntersectionObserver((seen) => this.strip.toggleAttribute("data-away", seen.at(-1).isIntersecting)).observe(this.part("total"));
  }

  soon() {
    this.#stale();
    clearTimeout(this.#timer);
    this.#asking?.abort();
    if (this.asking.counted(this.definition())) return this.now();
    const since = performance.now() - this.#last;
    this.#last += since;
    if (since > PAUSE_MS) this.now();
    else this.#timer = setTimeout(() => this.now(), WAIT_MS);
  }

  #stale() {
    this.part("count-body").classList.add("pp-stale");
    this.part("count-body").setAttribute("aria-busy", "true");
    this.part("people-list")?.classList.add("pp-stale");
    this.strip.classList.add("pp-stale");
  }

  async now() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    this.#stale();
    const definition = this.definition();
    const exact = new AbortController(); // aborted when the exact number is there
    const glanced = new AbortController(); // or that of a sample
    const any = AbortSignal.any([signal, exact.signal, glanced.signal]);
    pause(SAY_COUNTING_MS, any).then(released).then(() => any.aborted || this.#sayCounting(), () => null);
    this.#glance(definition, AbortSignal.any([signal, exact.signal])).then((shown) => shown && glanced.abort());
    let answer;
    try {
      answer = this.asking.counted(definition) ?? (await this.asking.count({ definition, signal }));
    } catch {
      if (!signal.aborted) answer = { ok: false, status: 0, body: {} };
    }
    exact.abort();
    await released();
    if (signal.aborted) return;
    if (answer.status === 409) return this.now(); // a question of before came to the database after this one
    this.part("count-state").textContent = "";
    this.faulty(answer.body.faults ?? []);
    if (!answer.ok) return this.#unfinished(answer);
    this.#fresh();
    this.#show(answer.body);
    await pause(IDLE_MS, signal).then(() => this.#tellMore(definition, signal), () => null);
  }

  #sayCounting() {
    this.part("count-state").textContent = "counting…";
    this.#note(""); // it spoke of the definition before
  }

  // A first look: the number of a sample, until the exact one is there; whether it was shown.
  async #glance(definition, signal) {
    const wanted = { definition, signal, more: { glance: "" } };
    const answer = await pause(GLANCE_MS, signal).then(() => this.asking.about("count", wanted)).catch(() => null);
    await released();
    if (signal.aborted || !answer?.ok || !(answer.body.figures || answer.body.below)) return false;
    this.part("count-body").classList.remove("pp-stale");
    this.strip.classList.remove("pp-stale");
    this.#show(answer.body, { meanwhile: true });
    const { error } = answer.body; // beside the heading: nothing moves when the exact number comes
    this.part("count-state").textContent = `${error ? `${percent(error)} · ` : ""}counting exactly…`;
    return true;
  }

  async #tellMore(definition, signal) {
    if (this.showsPeople) await this.#showPeople(definition, signal);
    if (this.#everyone === null && !signal.aborted) await this.#askEveryone();
  }

  #fresh() {
    this.part("count-body").classList.remove("pp-stale");
    this.part("count-body").setAttribute("aria-busy", "false");
    this.strip.classList.remove("pp-stale");
  }

  #note(text) {
    this.part("count-note").hidden = !text;
    this.part("count-note").textContent = text;
  }

  #unfinished({ status, body }) {
    const faults = body.faults ?? [];
    const leftOut = faults.find(({ code }) => code === "broken_exclusion");
    this.#note(leftOut ? `${sentence(leftOut.detail)} Take it out, or mend it on its own page.`
      : faults.length && !this.last ? "It matches nobody until the marked rule is mended."
      : faults.length ? "The number is that of before: finish the marked rule, then it is counted anew."
      : status === 0 ? "It could not be counted: the server did not answer. What you wrote is kept; it is asked again." : "It could not be counted. What you wrote is kept; it is tried again.");
    this.part("words").classList.add("pp-stale");
    if (!status || status >= 500) this.#timer = setTimeout(() => this.now(), AGAIN_MS);
  }

  // `meanwhile`: the exact number is to follow.
  #show(found, { meanwhile = false } = {}) {
    const { figures, few, error } = found;
    const about = figures && !found.exact ? "about " : "";
    if (found.exact && this.definition().all?.length === 0) this.#everyone = figures.matched;
    this.part("words").classList.remove("pp-stale");
    this.part("words").textContent = sentence(found.sentence);
    const total = figures
      ? [make("strong", { className: "pp-number", textContent: `${about}${whole(figures.people)}` }), ` ${figures.people === 1 ? "person" : "people"} · `,
        make("span", { className: "pp-number", textContent: whole(figures.after_device_choice) }), ` ${figures.after_device_choice === 1 ? "device" : "devices"}`,
        error && !meanwhile ? make("span", { className: "pp-faint pp-small pp-number", textContent: ` ${percent(error)}` }) : ""]
      : [make("strong", { textContent: meanwhile ? `Fewer than ${whole(found.below)} devices` : few ? "Few" : "Not known" })];
    this.part("total").replaceChildren(...total);
    this.strip.replaceChildren(...total.map((one) => (one.cloneNode ? one.cloneNode(true) : one)));
    this.#note(meanwhile ? "" : few ? "A sample of the devices holds fewer than a hundred of them: too few to say a number."
      : !figures ? "Counting takes too long, even a sample. It can be saved and used all the same."
      : about ? "Counted in a sample: an exact count would take too long while you write." : "");
    this.part("waterfall").hidden = !figures && !(meanwhile && this.last); // nothing moves for the moment that it is not known
    this.part("waterfall").classList.toggle("pp-stale", !figures);
    if (figures) this.#drawWaterfall(found);
    clearTimeout(this.saying);
    if (meanwhile) return;
    this.saying = setTimeout(() => { this.part("count-said").textContent = `${this.part("total").textContent}. ${this.part("count-note").textContent}`; }, LATER_MS);
  }

  #drawWaterfall(found) {
    const { figures } = found;
    this.last = found;
    const devices = document.querySelector("[name=devices]");
    const steps = [
      this.#everyone === null ? null : ["everyone", "everyone", this.#everyone],
      ["matched", "match this", figures.matched],
      found.purpose ? ["with_consent", `may get “${found.purpose}”`, figures.with_consent] : null,
      ["active", "active devices", figures.active],
      found.without.length ? ["after_exclusions", `without ${found.without.join(", ")}`, figures.after_exclusions] : null,
      found.chooses ? ["after_device_choice", `${found.picks_one ? "of each person " : ""}${devices.selectedOptions[0].textContent.toLowerCase()}`, figures.after_device_choice] : null,
    ].filter(Boolean);
    const roof = Math.max(1, this.#everyone ?? 0, figures.matched);
    this.part("waterfall").replaceChildren(...steps.map(([name, words, number]) => {
      const bar = make("span", { className: "pp-bar", "aria-hidden": "true" }, make("i", { className: "pp-fill-main" }));
      bar.firstChild.style.width = `${(100 * number) / roof}%`;
      return make("li", { "data-figure": name }, make("span", { textContent: words }), make("b", { textContent: whole(number) }), bar);
    }));
  }

  // How many there are at all: asked once, for the bars.
  async #askEveryone() {
    const more = { purpose: null, without: null, devices: '"all"', tab: `${Math.random()}` };
    const answer = await this.asking.about("count", { definition: { all: [] }, more }).catch(() => null);
    await released();
    if (!answer?.ok || !answer.body.figures) return;
    this.#everyone = answer.body.figures.matched;
    if (this.last) this.#drawWaterfall(this.last);
  }

  async #showPeople(definition, signal) {
    const answer = await this.asking.about("sample", { definition, signal }).catch(() => null);
    await released();
    if (signal.aborted || !answer?.ok) return;
    const { people } = answer.body;
    this.part("people").hidden = !people.length;
    this.part("people-list").classList.remove("pp-stale");
    this.part("people-list").replaceChildren(...people.map((one) => make("li", { className: "pp-clip" },
      make("a", { className: "pp-link", href: this.contact.replace("/0/", `/${one.id}/`), textContent: one.name || one.crm }),
      one.name ? make("span", { className: "pp-faint", textContent: ` ${one.crm}` }) : null)));
  }
}
