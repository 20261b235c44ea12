/**
 * The visitor's own pictures in this browser's storage, so that a reload has them still. Nothing of
 * it is ever sent but the pictures a search is about. Where storage is forbidden they live as long
 * as the tab.
 */

const NAME = "samebut";
const STORE = "pictures";
const MOST = 20; // pictures; the oldest make way
const OLDEST = 7 * 24 * 3_600_000; // milliseconds

let opening = null;

/** `{blob, name}` of a key, or undefined. */
export const load = (key) => attempt("readonly", (store) => store.get(key));

/** Keeps a picture. */
export async function save(key, { blob, name }) {
  await attempt("readwrite", (store) => store.put({ blob, name, at: Date.now() }, key));
  await prune();
}

/** Forgets pictures that are too many or too old. */
export async function prune() {
  const keys = (await attempt("readonly", (store) => store.index("at").getAllKeys())) ?? [];
  const old = await attempt("readonly", (store) =>
    store.index("at").getAllKeys(IDBKeyRange.upperBound(Date.now() - OLDEST)),
  );
  const tooMany = keys.slice(0, Math.max(0, keys.length - MOST));
  for (const key of new Set([...(old ?? []), ...tooMany])) {
    await attempt("readwrite", (store) => store.delete(key));
  }
}

/** What `action` asks of the store, or undefined where there is none. */
async function attempt(mode, action) {
  try {
    opening ??= openDatabase();
    const database = await opening;
    return await answered(action(database.transaction(STORE, mode).objectStore(STORE)));
  } catch {
    return undefined;
  }
}

function openDatabase() {
  const request = indexedDB.open(NAME, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE).createIndex("at", "at");
  return answered(request);
}

const answered = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
