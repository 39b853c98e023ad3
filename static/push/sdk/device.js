/** This installation: what the person decided here, and telling the platform so. */

import { obstacle, registered, subscribed } from "./browser.js";
import { PushError } from "./platform.js";

const DAY_MS = 86400e3;

/** The page's address without parameters, which may carry what is nobody's business. */
const pageUrl = () => location.origin + location.pathname;

const granted = (me, purpose) => me.consents?.[purpose]?.decision === "granted";

function recorded(consents) {
  const at = new Date().toISOString();
  const entries = consents.map(({ purpose, decision, wording_id }) => [purpose, { decision, wording_id, at }]);
  return Object.fromEntries(entries);
}

export class Device {
  /** `changed` is called after every change of what is remembered, `warn` with errors nobody waits for. */
  constructor({ options, store, platform, changed, warn }) {
    Object.assign(this, { options, store, platform, changed, warn });
    this.identity = null; // who the page says is signed in, for as long as the page lives
  }

  /** Ask the browser for permission and subscribe; call it straight from a click. */
  async subscribe({ consents = [] } = {}) {
    const reason = obstacle();
    if (reason) throw reason;
    if (!consents.some(({ decision = "granted" }) => decision === "granted")) {
      throw new PushError("nothing_granted", "Choose at least one kind of message first.");
    }
    const asking = Notification.requestPermission(); // before any await: the click's right to ask passes quickly
    const decisions = await this.#worded(consents);
    const permission = await asking;
    if (permission === "denied") throw new PushError("denied", "Notifications are blocked for this site.");
    if (permission !== "granted") {
      throw new PushError("dismissed", "The browser's question was closed without an answer.");
    }
    const { vapid_public_key: key } = await this.platform.config();
    await this.store.alone(async () => {
      await this.store.write({}); // the worker reads the Site and the platform's address here
      const registration = await registered(this.options);
      await this.#register(await subscribed(registration, key), key, decisions);
    });
    if (this.identity) await this.identify(this.identity).catch(this.warn);
    return this.changed();
  }

  /** Stop all notifications here: at the platform and in the browser. */
  async unsubscribe() {
    await this.store.alone(async () => {
      const me = await this.store.read();
      if (!me.device_id || me.unsubscribed) return;
      await this.store.write({ unsubscribed: true, linked: null });
      await this.#surely("POST", "/unsubscribe");
      const registration = await navigator.serviceWorker.getRegistration(this.options.scope);
      await (await registration?.pushManager.getSubscription())?.unsubscribe();
    });
    return this.changed();
  }

  /**
   * Link this browser to a person the CRM knows; the shop's server made the signature, freshly for this page.
   * Without a granted personal_data consent nothing is sent and the device stays anonymous. → {linked, reason?}
   */
  async identify({ external_id, issued_at, signature }) {
    this.identity = { external_id, issued_at, signature };
    const answer = await this.store.alone(() => this.#link(this.identity));
    await this.changed();
    return answer;
  }

  async #link(identity) {
    const me = await this.store.read();
    if (!me.device_id || me.unsubscribed) return { linked: false, reason: "not_subscribed" };
    if (me.linked === identity.external_id) return { linked: true };
    if (me.linked) await this.#part(); // somebody else signed in without the last one signing out
    if (!(await this.#sendPending())) return { linked: false, reason: "platform_unreachable" };
    if (!granted(me, "personal_data")) return { linked: false, reason: "personal_data_needed" };
    try {
      await this.#call(me, "POST", "/identity", identity);
    } catch (error) {
      if (error.code !== "refused") throw error;
      const reason = error.problem.code ?? "refused";
      // This browser's yes served another person, or the CRM holds a no: it is asked anew, never assumed.
      if (reason.startsWith("personal_data")) await this.#forget("personal_data");
      return { linked: false, reason };
    }
    await this.store.write({ linked: identity.external_id });
    return { linked: true };
  }

  /** Cut the link to the person; call it wherever the shop signs people out. Survives being offline. */
  async logout() {
    this.identity = null;
    await this.store.alone(async () => {
      if ((await this.store.read()).linked) await this.#part();
    });
    return this.changed();
  }

  async #part() {
    await this.store.write({ linked: null });
    await this.#surely("DELETE", "/identity");
  }

  /** Record a decision about one purpose; `everywhere`: for all devices of the person linked here. */
  async consent(purpose, decision, { everywhere = false } = {}) {
    if (!["granted", "withdrawn"].includes(decision)) {
      throw new PushError("unknown_decision", 'A decision is "granted" or "withdrawn".');
    }
    const consents = await this.#worded([{ purpose, decision, ...(everywhere && { everywhere }) }]);
    await this.store.alone(() => this.#decide(consents));
    if (purpose === "personal_data" && decision === "granted" && this.identity) await this.identify(this.identity);
    return this.changed();
  }

  async #decide(consents) {
    const me = await this.store.read();
    if (!me.device_id || me.unsubscribed) throw new PushError("not_subscribed", "This browser is not subscribed.");
    const body = { consents, page_url: pageUrl() };
    const [{ purpose, decision }] = consents;
    if (decision === "withdrawn") await this.#surely("POST", "/consents", body);
    else await this.#inOrder(() => this.#call(me, "POST", "/consents", body));
    const unlinked = purpose === "personal_data" && decision === "withdrawn";
    await this.store.write({ consents: { ...me.consents, ...recorded(consents) }, ...(unlinked && { linked: null }) });
  }

  /** Set and take away tags that the Site lets its pages set. → {tags}: those that this browser has now. */
  async tag({ add = [], remove = [] } = {}) {
    return this.#told("POST", "/tags", { add, remove });
  }

  /**
   * Report what the person did here; kept only where they agreed to `measurement`. An `id` makes a retry harmless.
   * → {status: stored | duplicate | not_measured | failed}
   */
  async track(name, properties = {}, { id, occurred_at = new Date().toISOString() } = {}) {
    const { results } = await this.#told("POST", "/events", { events: [{ name, properties, occurred_at, id }] });
    return results[0];
  }

  /** Forget this browser, at the platform and here; a person who subscribes again is a new device. */
  async erase() {
    await this.store.alone(async () => {
      const me = await this.store.read();
      if (!me.device_id) return;
      await this.platform.device(me, "POST", "/erasure").catch((error) => {
        if (error.problem?.status !== 404) throw error; // 404: it was erased before
      });
      const registration = await navigator.serviceWorker.getRegistration(this.options.scope);
      await (await registration?.pushManager.getSubscription())?.unsubscribe();
      await this.store.forget();
    });
    return this.changed();
  }

  async #told(method, path, body) {
    const me = await this.store.read();
    if (!me.device_id || me.unsubscribed) throw new PushError("not_subscribed", "This browser is not subscribed.");
    return this.#call(me, method, path, body);
  }

  /** Mend what changed since the last visit: a new key, a lost subscription, a revoked permission, unsent decisions. */
  async resume() {
    if (obstacle() || !(await this.store.read()).device_id) return;
    await this.store.alone(async () => {
      await this.#sendPending();
      const me = await this.store.read();
      if (me.unsubscribed) return;
      if (Notification.permission !== "granted") {
        await this.store.write({ unsubscribed: true, linked: null }); // taken away in the browser's own settings
        await this.#surely("POST", "/unsubscribe");
        return;
      }
      const registration = await registered(this.options);
      if (await this.store.reportsWaiting()) {
        registration.active.postMessage({ source: "push-platform", ask: "flush" });
      }
      await this.#refresh(registration, me);
    });
    await this.changed();
  }

  async #refresh(registration, me) {
    const { vapid_public_key: key } = await this.platform.config();
    const subscription = await subscribed(registration, key);
    const fresh = Date.now() - me.refreshed_at < DAY_MS;
    const same = subscription.endpoint === me.endpoint && subscription.toJSON().keys.p256dh === me.p256dh;
    if (!fresh || !same || me.language !== navigator.language) await this.#register(subscription, key, []);
  }

  /** Each decision with the wording shown for it; a purpose the Site does not have is refused here. */
  async #worded(consents) {
    const { purposes } = await this.platform.config();
    return consents.map(({ purpose, decision = "granted", wording_id, ...rest }) => {
      const known = purposes.find((one) => one.key === purpose);
      if (!known) throw new PushError("unknown_purpose", `This site has no purpose "${purpose}".`);
      return { purpose, wording_id: wording_id ?? known.wording.id, decision, ...rest };
    });
  }

  async #register(subscription, key, consents) {
    const me = await this.store.read();
    const { endpoint, keys, expirationTime } = subscription.toJSON();
    const answer = await this.#inOrder(() => this.platform.register({
      ...(me.device_id && { device_id: me.device_id, device_secret: me.device_secret }),
      subscription: { endpoint, expirationTime: expirationTime ?? null, keys },
      application_server_key: key,
      language: navigator.language,
      time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      consents,
      page_url: pageUrl(),
    }));
    const same = me.device_id === answer.device_id; // an erased or foreign one is answered with a new device
    await this.store.write({
      device_id: answer.device_id,
      device_secret: answer.device_secret ?? me.device_secret,
      application_server_key: key,
      endpoint,
      p256dh: keys.p256dh,
      language: navigator.language,
      refreshed_at: Date.now(),
      unsubscribed: false,
      consents: { ...(same && me.consents), ...recorded(consents) },
      linked: same && answer.identified !== false ? (me.linked ?? null) : null, // the CRM may have cut the link
    });
  }

  /** A device the platform does not know (any more) registers anew at the next page load. */
  async #call(me, method, path, body) {
    try {
      return await this.platform.device(me, method, path, body);
    } catch (error) {
      if ([401, 403, 404].includes(error.problem?.status)) await this.store.write({ refreshed_at: 0 });
      throw error;
    }
  }

  async #forget(purpose) {
    const { [purpose]: _, ...rest } = (await this.store.read()).consents ?? {};
    await this.store.write({ consents: rest });
  }

  /** A person's no is never lost: what cannot be told now is told before anything else at a later call. */
  async #surely(method, path, body) {
    const { pending = [] } = await this.store.read();
    await this.store.write({ pending: [...pending, { method, path, body }] });
    await this.#sendPending();
  }

  /** A yes goes only after every earlier no has gone, or a late no would undo it. */
  async #inOrder(send) {
    if (await this.#sendPending()) return send();
    throw new PushError("platform_unreachable", "The notification service did not answer. Please try again later.");
  }

  /** True when nothing is left to tell. */
  async #sendPending() {
    const { pending = [], ...me } = await this.store.read();
    while (pending.length) {
      const { method, path, body } = pending[0];
      try {
        await this.#call(me, method, path, body);
      } catch (error) {
        if (error.code === "platform_unreachable") return false;
        this.warn(error);
      }
      pending.shift();
      await this.store.write({ pending });
    }
    return true;
  }
}
