/** What this browser remembers, in an IndexedDB that the service worker reads too. */

const DATABASE = "push-platform"; // the same name, version and stores as in sw.js, which stands alone and cannot import
const VERSION = 1;

/** Open the database; with `create` false, null where there is none yet, and none is made. */
function open(create) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, VERSION);
    request.onupgradeneeded = () => {
      if (!create) return request.transaction.abort();
      request.result.createObjectStore("sites", { keyPath: "site" });
      request.result.createObjectStore("reports", { autoIncrement: true });
      request.result.createObjectStore("seen", { keyPath: "id" });
      return undefined;
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => (create ? reject(request.error) : resolve(null));
  });
}

async function within(name, mode, work) {
  const database = await open(mode === "readwrite");
  if (!database) return undefined;
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(name, mode);
      const request = work(transaction.objectStore(name));
      transaction.oncomplete = () => resolve(request?.result);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

export class Store {
  constructor({ site, base }) {
    this.site = site;
    this.base = base;
  }

  /** Everything remembered of this Site; {} before anybody subscribed here, and nothing is made by looking. */
  async read() {
    return (await within("sites", "readonly", (store) => store.get(this.site))) ?? {};
  }

  /** Merge `values` into what is remembered. */
  async write(values) {
    await within("sites", "readwrite", (store) => {
      const request = store.get(this.site);
      request.onsuccess = () => store.put({ ...request.result, site: this.site, base: this.base, ...values });
    });
  }

  /** Remember nothing of this Site any more. */
  async forget() {
    await within("sites", "readwrite", (store) => store.delete(this.site));
  }

  /** How many reports the worker could not send yet. */
  async reportsWaiting() {
    return (await within("reports", "readonly", (store) => store.count())) ?? 0;
  }

  /** One tab at a time: two pages that load together must not register the device twice. */
  alone(work) {
    return navigator.locks ? navigator.locks.request(`push-platform.${this.site}`, work) : work();
  }
}
