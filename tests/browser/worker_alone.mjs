// Runs static/push/sw.js outside a browser, for the browsers that tests cannot start: Safari's way of handing over a
// push, and a browser whose storage is broken (there is no IndexedDB here). Reads {agent, push} from standard input,
// prints {shown, sent, settled}: what was shown, what was sent to the platform, whether the push event ended well.
import { readFileSync } from "node:fs";
import vm from "node:vm";

const { agent, push } = JSON.parse(readFileSync(0, "utf8"));
const handlers = {};
const shown = [];
const sent = [];

const self = {
  location: new URL("https://shop.example/push-sw.js?site=site_1&base=https%3A%2F%2Fpush.example"),
  registration: {
    scope: "https://shop.example/",
    getNotifications: async () => [],
    showNotification: async (title, options) => void shown.push({ title, options }),
  },
  clients: { matchAll: async () => [], claim: async () => undefined },
  skipWaiting: () => undefined,
  addEventListener: (kind, handler) => (handlers[kind] = handler),
};
const fetch = async (url, { body }) => {
  sent.push({ url, reports: JSON.parse(body) });
  return { ok: true, status: 204, headers: new Headers() };
};
const globals = { self, fetch, navigator: { userAgent: agent }, console, URL, AbortSignal, setTimeout };
vm.runInNewContext(readFileSync(new URL("../../static/push/sw.js", import.meta.url), "utf8"), globals);

let work;
handlers.push({
  notification: push.notification,
  data: push.data === undefined ? null : { json: () => JSON.parse(push.data) },
  waitUntil: (promise) => (work = promise),
});
const settled = await work.then(() => true, () => false);
process.stdout.write(JSON.stringify({ shown, sent, settled }), () => process.exit(0));
