/** What this browser can do: permission, worker, subscription. */

import { PushError } from "./platform.js";

const isiOS = () =>
  /iPhone|iPad|iPod/.test(navigator.userAgent) || (/Mac/.test(navigator.platform) && navigator.maxTouchPoints > 1);

/** Why notifications cannot work here, as a PushError; null when they can. */
export function obstacle() {
  const pushes = "PushManager" in window;
  if (!window.isSecureContext) return new PushError("insecure", "Notifications need a page served over https.");
  if (isiOS() && !pushes) {
    const how = "On iPhone and iPad, add this site to the Home Screen first, and open it from there.";
    return new PushError("ios_not_installed", how);
  }
  if (!navigator.serviceWorker && pushes) {
    return new PushError("private_mode", "Notifications are not available in a private window.");
  }
  if (!navigator.serviceWorker || !pushes || !("Notification" in window)) {
    return new PushError("unsupported", "This browser cannot receive notifications.");
  }
  return null;
}

/** The worker's registration, once it is able to take pushes. */
export async function registered({ worker, scope, site, base }) {
  const address = new URL(worker, location.href);
  address.searchParams.set("site", site);
  address.searchParams.set("base", base);
  let registration;
  try {
    registration = await navigator.serviceWorker.register(address, { scope });
  } catch (error) {
    throw new PushError("worker_missing", `The service worker ${worker} could not be started: ${error.message}`);
  }
  if (!registration.active) await activated(registration.waiting ?? registration.installing, worker);
  return registration;
}

function activated(starting, name) {
  return new Promise((resolve, reject) => {
    const look = () => {
      if (starting.state === "activated") resolve();
      if (starting.state === "redundant") reject(new PushError("worker_missing", `${name} failed while starting.`));
    };
    starting.addEventListener("statechange", look);
    look();
  });
}

/** This browser's subscription under `key`; one made with an older key is given up first. */
export async function subscribed(registration, key) {
  const { pushManager } = registration;
  const existing = await pushManager.getSubscription();
  const madeWith = existing?.options.applicationServerKey;
  if (madeWith && asText(madeWith) === key.replace(/=+$/, "")) return existing;
  await existing?.unsubscribe();
  try {
    return await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: asBytes(key) });
  } catch (error) {
    if (error.name === "NotAllowedError") throw new PushError("denied", "Notifications are blocked for this site.");
    const hint = "A private window cannot subscribe, and some networks block push services.";
    throw new PushError("push_service_failed", `The browser's push service refused: ${error.message.replace(/\.+$/, "")}. ${hint}`);
  }
}

function asBytes(text) {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

function asText(buffer) {
  const text = btoa(String.fromCharCode(...new Uint8Array(buffer)));
  return text.replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}
