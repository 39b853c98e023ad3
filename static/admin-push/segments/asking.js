// What the page asks the server while one writes.

const tab = Math.random().toString(36).slice(2); // a newer question of this tab ends the one before

export class Asking {
  #known = new Map();

  constructor(addresses, form) {
    this.addresses = addresses;
    this.form = form;
  }

  // A POST about the definition as it is; {ok, status, body}. Throws where it was aborted.
  async about(what, { definition, signal, more = {} }) {
    const data = new FormData();
    const { segment } = this.form.dataset;
    const side = (name) => [...this.form.querySelectorAll(`[name="${name}"]`)];
    data.set("definition", JSON.stringify(definition));
    data.set("csrfmiddlewaretoken", this.form.elements.csrfmiddlewaretoken.value);
    data.set("tab", tab);
    if (segment) data.set("segment", segment);
    for (const name of ["purpose", "devices"]) for (const one of side(name)) data.set(name, one.value);
    for (const one of side("without")) if (one.checked) data.append("without", one.value);
    for (const [name, value] of Object.entries(more)) value === null ? data.delete(name) : data.set(name, value);
    return this.#answer(fetch(this.addresses[what], { method: "POST", body: data, signal }));
  }

  // The commonest values of a field that contain a text.
  async values(field, text, signal) {
    return (await this.#answer(fetch(this.#valuesAddress({ field, q: text }), { signal }))).body;
  }

  known(field) {
    return this.#known.get(field);
  }

  // What the picker tells of a field; asked once.
  async field(name, signal) {
    if (name === "segment") return { values: [], have: null };
    const { ok, body } = await this.#answer(fetch(this.#valuesAddress({ field: name, about: "" }), { signal }));
    if (ok) this.#known.set(name, body);
    return body;
  }

  #valuesAddress(asked) {
    return `${this.addresses.values}&${new URLSearchParams({ ...asked, tab })}`;
  }

  async #answer(sent) {
    const response = await sent;
    const body = response.headers.get("content-type")?.includes("json") ? await response.json() : {};
    return { ok: response.ok, status: response.status, body };
  }
}
