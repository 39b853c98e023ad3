/*
 * The push platform's service worker. A site hosts one file, /push-sw.js, with one line:
 *   importScripts("https://push.example/static/push/sw.js")
 * It shows first and reports afterwards: a report that fails waits in IndexedDB, a notification never waits for one.
 * The platform's address and the Site come with the worker's own address (?site=…&base=…, set by sdk.js); a site that
 * imports this file into a worker of its own gets them from what sdk.js left in IndexedDB.
 */
(() => {
  "use strict";

  const DATABASE = "push-platform"; // the same database and version as in sdk.js
  const VERSION = 1;
  const AUTOMATIC_TAG = "user_visible_auto_notification"; // Chrome's own, shown when a worker shows nothing
  const BOUND_MS = 5000; // iOS ends a push handler after about 10 s and then delays later pushes
  const HOLD_MS = 1500;
  const LONGEST_SPREAD_S = 25; // browsers end an idle worker after about 30 s
  const QUEUE_LIMIT = 500;
  const PER_REQUEST = 100; // what the platform takes in one report
  const MEMORY_LIMIT = 300; // message ids remembered
  const WEEK_MS = 7 * 86400e3;

  const address = new URL(self.location.href);
  const registeredBySdk = address.searchParams.has("site");
  const isSafari = /AppleWebKit/.test(navigator.userAgent) && !/Chrom|Edg|OPR|Android/.test(navigator.userAgent);
  // Firefox calls a notification closed also when it was followed, or replaced by a newer one: that is no dismissal.
  const REPLACING_MS = 2000;
  const followed = new Set();
  const replaced = new Map();

  // ---- storage -------------------------------------------------------------------------------------------------

  function open() {
    return new Promise((resolve, reject) => {
      const request = indexedDB.open(DATABASE, VERSION);
      request.onupgradeneeded = () => {
        request.result.createObjectStore("sites", { keyPath: "site" });
        request.result.createObjectStore("reports", { autoIncrement: true });
        request.result.createObjectStore("seen", { keyPath: "id" });
      };
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  }

  /** Run `work(...objectStores)` in one transaction; resolves with the result of the request that `work` returns. */
  async function within(names, mode, work) {
    const database = await open();
    try {
      return await new Promise((resolve, reject) => {
        const transaction = database.transaction(names, mode);
        const request = work(...[names].flat().map((name) => transaction.objectStore(name)));
        transaction.oncomplete = () => resolve(request?.result);
        transaction.onabort = () => reject(transaction.error);
      });
    } finally {
      database.close();
    }
  }

  /** The promise's value, or `otherwise` when it fails or takes longer than `ms`: nothing here may hold up a push. */
  function bounded(promise, ms, otherwise) {
    const timer = new Promise((resolve) => setTimeout(resolve, ms, otherwise));
    return Promise.race([promise.catch(() => otherwise), timer]);
  }

  /** What sdk.js knows of this browser: {site, base, device_id, device_secret, application_server_key, …} or null. */
  async function settings() {
    const all = (await bounded(within("sites", "readonly", (store) => store.getAll()), 2000, [])) ?? [];
    const site = address.searchParams.get("site");
    const known = all.find((one) => !site || one.site === site);
    const base = address.searchParams.get("base") ?? known?.base;
    return base ? { ...known, site: site ?? known?.site, base } : null;
  }

  // ---- a push arrives ------------------------------------------------------------------------------------------

  /** What to show, from Safari's own notification, our JSON, or anything else; never throws, always has a title. */
  function read(event) {
    const parsed = parse(event.data);
    const given = event.notification ?? parsed.notification ?? {};
    const { title, data, navigate, ...rest } = pick(given);
    const known = data && typeof data === "object" ? data : {};
    return {
      id: known.m,
      token: known.t,
      spread: isSafari ? 0 : Math.min(Math.max(Number(known.s) || 0, 0), LONGEST_SPREAD_S),
      title: title || self.location.hostname,
      // Where the browser shows declarative pushes itself (Safari), what replaces its own must say where a click leads.
      options: {
        ...rest,
        ...(event.notification && navigate && { navigate }),
        data: { ...known, v: known.v ?? 1, url: known.url ?? navigate },
      },
    };
  }

  function parse(data) {
    try {
      const value = data?.json();
      return value && typeof value === "object" ? value : {};
    } catch {
      return {}; // an unreadable payload is shown as a plain notification of this site
    }
  }

  const TEXTS = ["title", "body", "icon", "image", "badge", "tag", "lang", "dir", "navigate"];
  const FLAGS = ["requireInteraction", "silent"];

  /** Only members of the right type: one wrong member would make showNotification refuse the whole notification. */
  function pick(given) {
    const out = { data: given.data };
    for (const name of TEXTS) if (typeof given[name] === "string" && given[name]) out[name] = given[name];
    for (const name of FLAGS) if (given[name] === true) out[name] = true;
    if (Array.isArray(given.actions)) {
      out.actions = given.actions
        .filter((one) => one?.action && one?.title)
        .map(({ action, title, icon }) => ({ action: `${action}`, title: `${title}`, ...(icon && { icon }) }));
    }
    return out;
  }

  async function show({ title, options }) {
    const { tag } = options;
    const earlier = tag ? await bounded(self.registration.getNotifications({ tag }), 500, []) : [];
    for (const one of earlier) replaced.set(keyOf(one), Date.now());
    try {
      await self.registration.showNotification(title, options);
    } catch {
      const { body, data, navigate } = options; // a picture or button this browser refuses must not cost the rest
      await self.registration.showNotification(title, { body, tag, data, ...(navigate && { navigate }) });
    }
  }

  async function onPush(event) {
    const message = read(event);
    const earlier = message.id ? await bounded(remember(message.id), 800, null) : null;
    if (earlier) {
      message.options = { ...message.options, silent: true, renotify: false };
    } else if (message.options.tag) {
      message.options.renotify = true; // a newer message that takes an older one's place is still news
    }
    await show(message);
    if (earlier?.reported) return;
    bounded(tell("shown", message), BOUND_MS);
    if (message.token) {
      const at = new Date().toISOString();
      const entries = ["received", "shown"].map((kind) => ({ token: message.token, kind, at }));
      const reporting = report(entries, { spread: message.spread, id: message.id });
      // Chrome shows a notification of its own when a push event ends with none on the screen: the event must be over
      // before a person has read and followed ours. An idle worker lives on for half a minute; Safari's does not.
      if (isSafari) await bounded(reporting, BOUND_MS);
      else if (!message.spread) await bounded(reporting, HOLD_MS);
    }
    bounded(forgetOld(), BOUND_MS);
  }

  /**
   * Remember a message id before it is shown, so that it alerts once whatever happens. What was known of it, or null:
   * a push service may deliver twice, and a worker that was ended in between has not reported yet.
   */
  async function remember(id) {
    let known = null;
    await within("seen", "readwrite", (seen) => {
      const request = seen.get(id);
      request.onsuccess = () => {
        known = request.result ?? null;
        if (!known) seen.put({ id, at: Date.now(), reported: false });
      };
    });
    return known;
  }

  function forgetOld() {
    return within("seen", "readwrite", (seen) => {
      const request = seen.getAll();
      request.onsuccess = () => {
        const oldest = request.result.sort((a, b) => b.at - a.at).slice(MEMORY_LIMIT);
        for (const { id } of oldest) seen.delete(id);
      };
    });
  }

  /** Let open pages of the site know; they need not listen. */
  async function tell(kind, { id, title, options }) {
    const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
    const news = { source: "push-platform", kind, message: id, title, body: options.body, url: options.data.url };
    for (const page of pages) page.postMessage(news);
  }

  // ---- reports -------------------------------------------------------------------------------------------------

  /** Store the reports, wait somewhere within `spread` seconds, then send whatever is stored. `id`: of the message. */
  async function report(entries, { spread = 0, id = null } = {}) {
    const stored = await bounded(enqueue(entries, id).then(() => true), 1000, false);
    if (spread > 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * spread * 1000));
    if (stored) return flush();
    const { base } = (await settings()) ?? {};
    if (base) await send(base, entries);
  }

  function enqueue(entries, id) {
    return within(["reports", "seen"], "readwrite", (reports, seen) => {
      for (const entry of entries) reports.add(entry);
      if (id) seen.put({ id, at: Date.now(), reported: true });
      const keys = reports.getAllKeys();
      keys.onsuccess = () => keys.result.slice(0, -QUEUE_LIMIT).forEach((key) => reports.delete(key));
    });
  }

  let running = null;
  let next = null;

  /** Send what is stored: one flush at a time, so that no report leaves twice, and at most one more waiting. */
  function flush() {
    if (running) {
      next ??= running.then(() => {
        next = null;
        return flush();
      });
      return next;
    }
    running = sendStored()
      .catch(() => undefined) // storage that fails now is read again at the next push or page load
      .finally(() => {
        running = null;
      });
    return running;
  }

  async function sendStored() {
    const known = await settings();
    if (!known || (known.reports_after ?? 0) > Date.now()) return;
    for (;;) {
      let keys;
      const entries = await within("reports", "readonly", (reports) => {
        reports.getAllKeys(null, PER_REQUEST).onsuccess = ({ target }) => (keys = target.result);
        return reports.getAll(null, PER_REQUEST);
      });
      if (!keys.length) return;
      const fresh = entries.filter(({ at }) => Date.now() - Date.parse(at) < WEEK_MS);
      if (fresh.length && !(await send(known.base, fresh))) return askForSync();
      await within("reports", "readwrite", (reports) => keys.forEach((key) => reports.delete(key)));
    }
  }

  /** True when the platform has them, or never will; false when they are worth another try. */
  async function send(base, entries) {
    try {
      const response = await fetch(`${base}/push/v1/receipts`, {
        method: "POST",
        headers: { "Content-Type": "text/plain" }, // spares the preflight
        body: JSON.stringify(entries),
        credentials: "omit",
        keepalive: true,
        signal: AbortSignal.timeout(BOUND_MS),
      });
      if (response.ok || [400, 413, 422].includes(response.status)) return true;
      await postpone(response.headers.get("Retry-After"));
      return false;
    } catch {
      return false; // offline or slow: the queue keeps them
    }
  }

  /** Keep quiet for as long as the platform asked (seconds or a date), at most a day. */
  async function postpone(retryAfter) {
    const wait = /^\d+$/.test(retryAfter ?? "") ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - Date.now();
    if (wait > 0) await change({ reports_after: Date.now() + Math.min(wait, 86400e3) });
  }

  async function askForSync() {
    await self.registration.sync?.register("push-platform-reports").catch(() => undefined); // Chromium only
  }

  async function change(values) {
    const known = await settings();
    if (!known?.site) return;
    await within("sites", "readwrite", (store) => {
      const request = store.get(known.site);
      request.onsuccess = () => request.result && store.put({ ...request.result, ...values });
    });
  }

  // ---- clicks and dismissals -----------------------------------------------------------------------------------

  const keyOf = (notification) => notification.data?.m ?? notification.tag;
  const isOurs = (notification) => notification.tag !== AUTOMATIC_TAG && Number.isInteger(notification.data?.v);

  function reported(notification, kind, action) {
    const token = notification.data.t;
    if (!token) return Promise.resolve();
    return report([{ token, kind, ...(action && { action }), at: new Date().toISOString() }]);
  }

  /** Focus the tab that shows the address, else the same page with other parameters, else open a new one. */
  async function visit(target) {
    const url = new URL(target || "/", self.registration.scope);
    const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
    const same = pages.find((page) => page.url === url.href);
    if (same) return same.focus();
    const place = ({ origin, pathname }) => origin + pathname;
    // Only a page under this worker's control can be navigated, and a form half filled in elsewhere is left alone.
    const ours = await self.clients.matchAll({ type: "window" });
    const near = ours.find((page) => place(new URL(page.url)) === place(url));
    if (near) return Promise.all([near.focus(), near.navigate(url.href)]);
    return self.clients.openWindow(url.href);
  }

  function onClick(event) {
    const { notification, action } = event;
    if (!isOurs(notification)) return;
    followed.add(keyOf(notification));
    notification.close();
    const { url, actions } = notification.data;
    // The right to open a window lasts about a second: it is used before anything is stored or sent.
    const going = visit((action && actions?.[action]) || url).catch(() => visit("/"));
    const telling = tell("clicked", { id: notification.data.m, title: notification.title, options: notification });
    event.waitUntil(Promise.allSettled([going, telling, reported(notification, "clicked", action)]));
  }

  function onClose(event) {
    const { notification } = event;
    const key = keyOf(notification);
    if (!isOurs(notification) || followed.has(key) || Date.now() - (replaced.get(key) ?? 0) < REPLACING_MS) return;
    event.waitUntil(reported(notification, "closed"));
  }

  // ---- the subscription changes under our feet -----------------------------------------------------------------

  const asBytes = (text) => {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (character) => character.charCodeAt(0));
  };

  /** Subscribe again with the Site's current key and tell the platform, proving that this is the same installation. */
  async function renew(event) {
    const known = await settings();
    if (!known?.device_id || known.unsubscribed) return;
    const key = (await currentKey(known)) ?? known.application_server_key;
    const { pushManager } = self.registration;
    const subscription =
      event.newSubscription ??
      (await pushManager.getSubscription()) ??
      (await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: asBytes(key) }));
    const response = await fetch(`${known.base}/push/v1/sites/${known.site}/devices`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      credentials: "omit",
      signal: AbortSignal.timeout(3 * BOUND_MS),
      body: JSON.stringify({
        device_id: known.device_id,
        device_secret: known.device_secret,
        subscription: subscription.toJSON(),
        application_server_key: applicationKey(subscription) ?? key,
        language: navigator.language,
        time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
        consents: [],
        page_url: self.registration.scope,
      }),
    });
    if (!response.ok) throw new Error(`the platform answered ${response.status}`);
    const { device_id, device_secret } = await response.json();
    const { endpoint, keys } = subscription.toJSON();
    await change({
      device_id: device_id ?? known.device_id,
      device_secret: device_secret ?? known.device_secret,
      application_server_key: applicationKey(subscription) ?? key,
      endpoint,
      p256dh: keys.p256dh,
      refreshed_at: Date.now(),
    });
  }

  function applicationKey(subscription) {
    const bytes = subscription.options?.applicationServerKey;
    if (!bytes) return null;
    const text = btoa(String.fromCharCode(...new Uint8Array(bytes)));
    return text.replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  async function currentKey({ base, site }) {
    try {
      const url = `${base}/push/v1/sites/${site}/config`;
      const response = await fetch(url, { credentials: "omit", signal: AbortSignal.timeout(BOUND_MS) });
      return response.ok ? (await response.json()).vapid_public_key : null;
    } catch {
      return null; // the key we last knew still serves
    }
  }

  // ---- events --------------------------------------------------------------------------------------------------

  // A worker that belongs to the site decides for itself when it takes over; ours has no pages to keep working.
  if (registeredBySdk) {
    self.addEventListener("install", () => self.skipWaiting());
    self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
  }
  self.addEventListener("push", (event) => event.waitUntil(onPush(event)));
  self.addEventListener("notificationclick", onClick);
  self.addEventListener("notificationclose", onClose);
  self.addEventListener("pushsubscriptionchange", (event) => {
    // When this fails the next page load finds the difference and mends it.
    event.waitUntil(renew(event).catch((error) => console.warn("push platform: not re-subscribed:", error.message)));
  });
  self.addEventListener("sync", (event) => {
    if (event.tag === "push-platform-reports") event.waitUntil(flush());
  });
  self.addEventListener("message", (event) => {
    if (event.data?.source === "push-platform" && event.data.ask === "flush") event.waitUntil(flush());
  });
})();
