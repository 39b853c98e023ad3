/** The public face on a page: window.PushPlatform (docs/browser.md). */

import { obstacle } from "./browser.js";
import { Device } from "./device.js";
import { Platform, PushError } from "./platform.js";
import { Store } from "./store.js";

const DAY_MS = 86400e3;
const DECLINED = "push-platform.declined";
const ASK_AGAIN_AFTER_DAYS = [3, 7, 30]; // after the first, the second and each later "No, thanks"
const CLICK_LASTS_MS = 5000;
const ABOUT_THE_PERSON = ["personal_data", "measurement"]; // they go with every question, whatever messages it offers

const warn = (error) => console.warn(`push platform: ${error.code ?? error.name}: ${error.message}`);

/** Make the public face and start mending what changed since the last visit. */
export function start(options) {
  const store = new Store(options);
  const platform = new Platform(options);
  const { on, emit } = listeners();

  /** Say what is so on <html data-push="…">, for style sheets, and to whoever listens. */
  async function changed() {
    const now = await snapshot(store);
    document.documentElement.dataset.push = word(now);
    emit("state", now);
    return now;
  }

  const device = new Device({ options, store, platform, changed, warn });
  const act = (name) => (...given) => device[name](...given);
  const acts = { subscribe: act("subscribe"), unsubscribe: act("unsubscribe"), consent: act("consent") };
  const face = {
    ...acts,
    identify: act("identify"),
    logout: act("logout"),
    tag: act("tag"),
    track: act("track"),
    erase: act("erase"),
    ask: asker({ platform, store, acts, changed }),
    state: () => snapshot(store),
    purposes: async () => (await platform.config()).purposes,
    on,
    push: (job) => job(face),
    PushError,
  };

  navigator.serviceWorker?.addEventListener("message", ({ data }) => {
    if (data?.source === "push-platform") emit(data.kind, data);
  });
  navigator.serviceWorker?.startMessages();
  changed()
    .then(() => device.resume())
    .catch(warn);
  return face;
}

/** What this browser knows about itself; nothing here leaves it. */
async function snapshot(store) {
  const me = await store.read();
  const reason = obstacle();
  const permission = reason ? null : Notification.permission;
  const { until } = declined();
  return {
    supported: !reason,
    reason: reason?.code ?? null,
    permission,
    subscribed: Boolean(me.device_id && !me.unsubscribed && permission === "granted"),
    device_id: me.device_id ?? null,
    push_service: me.endpoint ? new URL(me.endpoint).host : null,
    application_server_key: me.application_server_key ?? null,
    consents: me.consents ?? {},
    linked_to: me.linked ?? null,
    refreshed_at: me.refreshed_at ? new Date(me.refreshed_at).toISOString() : null,
    reports_waiting: await store.reportsWaiting(),
    declined_until: until ? new Date(until).toISOString() : null,
  };
}

function word({ supported, subscribed, permission }) {
  if (!supported) return "unsupported";
  if (subscribed) return "subscribed";
  return permission === "denied" ? "blocked" : "possible";
}

/**
 * ask({purposes, again}): show the card after a click. It asks, or where already subscribed lets the person change
 * or stop everything. `purposes` limits which are offered, `again` asks although the person said no lately.
 * Resolves with {outcome: subscribed | changed | stopped | declined | closed | declined_lately}.
 */
function asker({ platform, store, acts, changed }) {
  let lastClick = 0;
  addEventListener("click", (event) => event.isTrusted && (lastClick = Date.now()), true);
  const clickedJustNow = () => navigator.userActivation?.isActive ?? Date.now() - lastClick < CLICK_LASTS_MS;
  const offered = ({ key }, purposes) => !purposes || purposes.includes(key) || ABOUT_THE_PERSON.includes(key);

  return async function ask({ purposes, again = false } = {}) {
    if (!clickedJustNow()) {
      throw new PushError("needs_click", "The question may be asked only after a click of the person.");
    }
    const { until } = declined();
    if (!again && until > Date.now()) return { outcome: "declined_lately", until: new Date(until).toISOString() };
    const [{ showCard }, config, state] = await Promise.all([
      import("./card.js"),
      platform.config().catch((error) => ({ purposes: [], error })),
      snapshot(store),
    ]);
    const blocked = state.permission === "denied" ? new PushError("denied", "Notifications are blocked.") : null;
    const answer = await showCard({
      prompt: config.prompt ?? {},
      purposes: config.purposes.filter((purpose) => offered(purpose, purposes)),
      problem: obstacle() ?? blocked ?? config.error ?? null,
      state,
      acts,
    });
    if (answer.outcome === "declined") rememberNo();
    if (answer.outcome === "subscribed") forgetNo();
    await changed();
    return answer;
  };
}

function declined() {
  try {
    return JSON.parse(localStorage.getItem(DECLINED)) ?? {};
  } catch {
    return {}; // no storage, no memory: the worst is one question more
  }
}

function rememberNo() {
  const count = (declined().count ?? 0) + 1;
  const days = ASK_AGAIN_AFTER_DAYS[Math.min(count, ASK_AGAIN_AFTER_DAYS.length) - 1];
  try {
    localStorage.setItem(DECLINED, JSON.stringify({ count, until: Date.now() + days * DAY_MS }));
  } catch (error) {
    warn(error); // storage is blocked: the question may come again earlier
  }
}

function forgetNo() {
  try {
    localStorage.removeItem(DECLINED);
  } catch (error) {
    warn(error);
  }
}

/** on("state" | "shown" | "clicked", listener) → a function that stops listening. */
function listeners() {
  const known = new Map();
  return {
    on(kind, listener) {
      if (!known.has(kind)) known.set(kind, new Set());
      known.get(kind).add(listener);
      return () => known.get(kind).delete(listener);
    },
    emit(kind, value) {
      for (const listener of known.get(kind) ?? []) listener(value);
    },
  };
}
