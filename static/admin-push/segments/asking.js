// What the page asks the server while one writes.

const tab = Math.random().toString(36).slice(2); // a newer question of this tab ends the one before
const REMEMBERED_MS = 60_000; // who takes a rule away, or back, has its number at once

export class Asking {
  #known = new Map();
  #answers = new Map();

  constructor(addresses, form) {
    this.addresses = addresses;
    this.form = form;
  }

  // A POST about the definition as it is; {ok, status, body}. Throws where it was aborted.
  about(what, { definition, signal, more = {} }) {
    return this.#answer(fetch(this.addresses[what], { method: "POST", body: this.#data(definition, more), signal }));
  }

  // The same of `count`, where an answer of the last minute does.
  async count(asked) {
    const key = `${this.#data(asked.definition)}`;
    const answer = await this.about("count", asked);
    if (answer.ok && answer.body.exact) this.#remember(key, answer);
    return answer;
  }

  counted(definition) {
    return this.#remembered(`${this.#data(definition)}`);
  }

  #data(definition, more = {}) {
    const data = new URLSearchParams();
    const { segment } = this.form.dataset;
    const side = (name) => [...this.form.querySelectorAll(`[name="${name}"]`)];
    data.set("definition", JSON.stringify(definition));
    data.set("csrfmiddlewaretoken", this.form.elements.csrfmiddlewaretoken.value);
    data.set("tab", tab);
    if (segment) data.set("segment", segment);
    for (const name of ["purpose", "devices"]) for (const one of side(name)) data.set(name, one.value);
    for (const one of side("without")) if (one.checked) data.append("without", one.value);
    for (const [name, value] of Object.entries(more)) value === null ? data.delete(name) : data.set(name, value);
    return data;
  }

  // The commonest values of a field that contain a text: {values, exact}.
  async values(field, text, signal) {
    const address = this.#valuesAddress({ field, q: text });
    const known = this.#remembered(address);
    if (known) return known.body;
    const answer = await this.#insist(address, signal);
    if (answer.ok) this.#remember(address, answer);
    return answer.ok ? answer.body : { values: [], exact: true };
  }

  known(field) {
    return this.#known.get(field);
  }

  // What the picker tells of a field; asked once.
  async field(name, signal) {
    if (name === "segment") return { values: [], exact: true, have: null };
    const { ok, body } = await this.#insist(this.#valuesAddress({ field: name, about: "" }), signal);
    if (ok) this.#known.set(name, body);
    return ok ? body : null;
  }

  #valuesAddress(asked) {
    return `${this.addresses.values}&${new URLSearchParams({ ...asked, tab })}`;
  }

  // An older question that came to the database later ends the newer one, which is then asked again.
  async #insist(address, signal) {
    for (;;) {
      const answer = await this.#answer(fetch(address, { signal }));
      if (answer.status !== 409 || signal.aborted) return answer;
    }
  }

  #remember(key, answer) {
    const now = performance.now();
    for (const [old, { at }] of this.#answers) if (now - at > REMEMBERED_MS) this.#answers.delete(old);
    this.#answers.set(key, { at: now, answer });
  }

  #remembered(key) {
    const found = this.#answers.get(key);
    return found && performance.now() - found.at <= REMEMBERED_MS ? found.answer : null;
  }

  async #answer(sent) {
    const response = await sent;
    const body = response.headers.get("content-type")?.includes("json") ? await response.json() : {};
    return { ok: response.ok, status: response.status, body };
  }
}
