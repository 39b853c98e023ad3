// A client of the CRM API in one file, for Node 18 or newer, no packages: copy it into your project.
import { randomUUID } from "node:crypto";

/** An answer that is an error. Branch on `code`; `errors` say what is wrong with which field. */
export class PushError extends Error {
  constructor(status, problem) {
    super(`${status} ${problem.code}: ${problem.detail}`);
    this.name = this.constructor.name;
    Object.assign(this, { status, code: problem.code, errors: problem.errors ?? [], requestId: problem.request_id });
  }
}
/** Mend the request; sending it again as it is changes nothing. */
export class WrongRequest extends PushError {}
/** The key is missing, wrong, revoked or lacks a scope. */
export class NotAllowed extends PushError {}
/** There is no such thing in the key's Site. */
export class NotFound extends PushError {}
/** Busy, out of order or out of reach, through all attempts. */
export class Unavailable extends PushError {}

const KINDS = { 401: NotAllowed, 403: NotAllowed, 404: NotFound };

export class PushPlatform {
  constructor(api, key, { attempts = 6 } = {}) {
    Object.assign(this, { api: api.replace(/\/$/, ""), key, attempts });
  }

  /** Sends once, however often it has to be tried. The same key again answers the same. */
  send(message, idempotencyKey = randomUUID()) {
    return this.call("POST", "/messages", message, idempotencyKey);
  }

  /** What became of a message, device by device. */
  async *deliveries(messageId, filters = {}) {
    let cursor = null;
    do {
      const query = new URLSearchParams(cursor === null ? filters : { ...filters, cursor });
      const page = await this.call("GET", `/messages/${messageId}/deliveries?${query}`);
      yield* page.data;
      cursor = page.next_cursor;
    } while (cursor !== null);
  }

  contact(externalId) {
    return this.call("GET", `/contacts/${encodeURIComponent(externalId)}`);
  }

  putContact(externalId, members) {
    return this.call("PUT", `/contacts/${encodeURIComponent(externalId)}`, members);
  }

  /** One event; with an `id` it counts once. Throws WrongRequest when it was not taken. */
  async event(externalId, name, members = {}) {
    const event = { external_id: externalId, name, ...members };
    const [result] = (await this.call("POST", "/events", { events: [event] })).results;
    if (result.status === "failed") throw new WrongRequest(200, { ...result, detail: result.errors[0].detail });
    return result.status;
  }

  async call(method, path, body, idempotencyKey) {
    const headers = { Authorization: `Bearer ${this.key}`, "Content-Type": "application/json" };
    if (idempotencyKey) headers["Idempotency-Key"] = idempotencyKey;
    for (let attempt = 1; ; attempt++) {
      let error, retryAfter = 0;
      try {
        const signal = AbortSignal.timeout(30_000);
        const answer = await fetch(this.api + path, { method, headers, body: body && JSON.stringify(body), signal });
        const text = await answer.text();
        if (answer.ok) return text ? JSON.parse(text) : null;
        error = errorOf(answer, text);
        retryAfter = Number(answer.headers.get("Retry-After")) || 0; // a date, of a proxy in between, is left aside
      } catch (lost) { // refused, reset, timed out, cut off: who knows
        error = new Unavailable(0, { code: "unreachable", detail: String(lost.cause ?? lost) });
      }
      if (!(error instanceof Unavailable) || attempt === this.attempts) throw error;
      const wait = (0.5 + Math.random() / 2) * Math.min(0.5 * 2 ** attempt, 30);
      await new Promise((done) => setTimeout(done, Math.max(retryAfter, wait) * 1000));
    }
  }
}

function errorOf(answer, text) {
  let problem = { code: "no_problem", detail: answer.statusText }; // of a proxy in between
  try { problem = JSON.parse(text); } catch { /* it stays that */ }
  const again = answer.status === 429 || answer.status >= 500 || problem.code === "idempotency_in_progress";
  return new (again ? Unavailable : KINDS[answer.status] ?? WrongRequest)(answer.status, problem);
}
