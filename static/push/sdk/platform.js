/** Calls to the platform's browser API, and the errors that pages see. */

const ANSWER_WITHIN_MS = 15000;

/** Every rejection is one of these: `code` is stable, `message` a sentence, `problem` the platform's own words. */
export class PushError extends Error {
  constructor(code, message, problem) {
    super(message);
    this.name = "PushError";
    this.code = code;
    if (problem) this.problem = problem;
  }
}

export class Platform {
  constructor({ site, base }) {
    this.base = base;
    this.site = site;
    this.loading = null;
  }

  /**
   * {vapid_public_key, purposes: [{key, kind, title, wording}], prompt} in the page's language; once per page, again
   * after a failure.
   */
  config() {
    const language = document.documentElement.lang;
    const query = language ? `?language=${encodeURIComponent(language)}` : "";
    this.loading ??= this.call("GET", `/sites/${this.site}/config${query}`).catch((error) => {
      this.loading = null;
      throw error;
    });
    return this.loading;
  }

  /** Register or refresh this installation; answers {device_id, device_secret}. */
  register(body) {
    return this.call("POST", `/sites/${this.site}/devices`, body);
  }

  /** One of a device's own addresses; the secret proves that the call comes from this installation. */
  device({ device_id, device_secret }, method, path, body) {
    return this.call(method, `/devices/${device_id}${path}`, { device_secret, ...body });
  }

  async call(method, path, body) {
    let response;
    try {
      response = await fetch(`${this.base}/push/v1${path}`, {
        method,
        credentials: "omit",
        headers: body ? { "Content-Type": "application/json" } : {},
        body: body && JSON.stringify(body),
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
    } catch {
      throw new PushError("platform_unreachable", "The notification service did not answer. Please try again later.");
    }
    if (response.ok) return response.status === 204 ? null : response.json();
    const problem = await response.json().catch(() => ({ status: response.status }));
    if (response.status === 429 || response.status >= 500) {
      throw new PushError("platform_unreachable", "The notification service is busy. Please try again later.", problem);
    }
    throw new PushError("refused", problem.detail ?? problem.title ?? `Refused (${response.status}).`, problem);
  }
}
