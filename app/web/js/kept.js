// What this browser keeps: the requests of its visitor with the pictures that went in, and the images that came back.
// The server forgets them after a while (`expires_at`); here they stay until they are deleted. Nothing of it is sent.

/**
 * @typedef {{id: string, order: import("./predictions.js").Order, pictures: import("./predictions.js").Pictures,
 *            at: number}} Asked a request: its prediction's id, and when it was made, in ms since 1970
 * @typedef {{key: string, id: string, index: number, order: import("./predictions.js").Order, blob: Blob,
 *            seed: number | null, width: number, height: number, at: number, star: boolean}} Kept an image
 */

/** Requests, and images without a star, that are kept. */
const MOST = 600;

let opened = null;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const opening = indexedDB.open("easel", 1);
    opening.onupgradeneeded = () => {
      opening.result.createObjectStore("asked", { keyPath: "id" }).createIndex("at", "at");
      opening.result.createObjectStore("images", { keyPath: "key" }).createIndex("at", "at");
    };
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
  return opened;
}

/**
 * Runs `work` on the two stores in one transaction.
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(asked: IDBObjectStore, images: IDBObjectStore) => IDBRequest<T> | void} work
 * @param {T} [otherwise] what stands for the result where a browser keeps nothing, as in a private window
 * @returns {Promise<T>}
 */
async function transact(mode, work, otherwise = undefined) {
  try {
    const transaction = (await database()).transaction(["asked", "images"], mode);
    const done = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
    const request = work(transaction.objectStore("asked"), transaction.objectStore("images"));
    await done;
    return request?.result ?? otherwise;
  } catch (error) {
    if (error instanceof DOMException) return otherwise;
    throw error;
  }
}

/**
 * Keeps a request, so that a reload in the middle knows what went in.
 * @param {string} id @param {import("./predictions.js").Order} order @param {import("./predictions.js").Pictures} pictures
 */
export function keepRequest(id, order, pictures) {
  return transact("readwrite", (asked) => {
    asked.put({ id, order, pictures, at: Date.now() });
    forgetOldest(asked);
  });
}

/** @param {string} id of a prediction @returns {Promise<Asked | undefined>} */
export function requestOf(id) {
  return transact("readonly", (asked) => asked.get(id));
}

/**
 * Keeps the images of a prediction; those kept before keep their stars.
 * @param {any} prediction that succeeded
 * @param {import("./predictions.js").Order} order
 * @param {Blob[]} blobs of its images
 */
export function keepImages(prediction, order, blobs) {
  const at = Date.now();
  return transact("readwrite", (_, images) => {
    blobs.forEach((blob, index) => {
      const { seed, width, height } = prediction.output[index];
      const key = `${prediction.id}/${index}`;
      images.add({ key, id: prediction.id, index, order, blob, seed, width, height, at, star: false }).onerror = (
        event,
      ) => event.preventDefault(); // it is kept already
    });
    forgetOldest(images, (one) => one.star);
  });
}

/** @returns {Promise<Kept[]>} newest first */
export async function keptImages() {
  const found = await transact("readonly", (_, images) => images.getAll(), []);
  return found.sort((one, other) => other.at - one.at || one.index - other.index);
}

/** @param {Kept} image */
export function update(image) {
  return transact("readwrite", (_, images) => images.put(image));
}

/** @param {Kept[]} gone */
export function forget(gone) {
  return transact("readwrite", (_, images) => gone.forEach(({ key }) => images.delete(key)));
}

/**
 * Forgets the oldest beyond `MOST`.
 * @param {IDBObjectStore} store @param {(row: any) => boolean} [spared] rows that stay, and do not count
 */
function forgetOldest(store, spared = () => false) {
  let left = MOST;
  store.index("at").openCursor(null, "prev").onsuccess = ({ target }) => {
    const cursor = target.result;
    if (!cursor) return;
    if (!spared(cursor.value) && left-- <= 0) cursor.delete();
    cursor.continue();
  };
}
