// What was changed, so that it can be taken back: snapshots of a value that is plain data.

const MOST = 200;
const TOGETHER_MS = 1000; // typing into one place counts as one step

export class History {
  #past = [];
  #future = [];
  #now;
  #last = { key: null, at: 0 };

  constructor(value) {
    this.#now = structuredClone(value);
  }

  // `key` names the place of a change that follows letter by letter; null is a step of its own.
  note(value, key = null) {
    const at = Date.now();
    const together = key !== null && key === this.#last.key && at - this.#last.at < TOGETHER_MS;
    if (!together) this.#past = [...this.#past.slice(-MOST), this.#now];
    this.#now = structuredClone(value);
    this.#future = [];
    this.#last = { key, at };
  }

  get canUndo() { return this.#past.length > 0; }
  get canRedo() { return this.#future.length > 0; }

  // The value before, or undefined where there is none.
  undo() { return this.#go(this.#past, this.#future); }
  redo() { return this.#go(this.#future, this.#past); }

  #go(from, to) {
    if (!from.length) return undefined;
    to.push(this.#now);
    this.#now = from.pop();
    this.#last = { key: null, at: 0 };
    return structuredClone(this.#now);
  }
}
