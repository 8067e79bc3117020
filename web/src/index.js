// What pages import. The work is done in a worker, so that pages stay smooth.

import { revive } from "./errors.js";

export { ImageError, MetamerError, ModelError, StreamError } from "./errors.js";

let folder = new URL("../models/", import.meta.url).href;
let worker = null,
  requests = 0;
const open = new Map(); // what the worker has yet to answer

/** models: where the folder that `metamer export --web` wrote is; by default beside this package's `src`. */
export function configure({ models }) {
  folder = new URL(models.endsWith("/") ? models : `${models}/`, globalThis.location?.href ?? import.meta.url).href;
}

/** A picture of a file's bytes. options: region, preview, decoder, realism, gpu, maxPixels, signal. */
export async function decode(bytes, { signal, ...options } = {}) {
  const { width, height, data } = await ask("decode", signal, await plain(bytes), options);
  return new ImageData(data, width, height);
}

/** The same as a PNG file, with its colour profile and EXIF. */
export async function toPng(bytes, { signal, ...options } = {}) {
  return new Blob([await ask("png", signal, await plain(bytes), options)], { type: "image/png" });
}

/** What a file says of itself. */
export async function info(bytes, { signal } = {}) {
  return ask("info", signal, await plain(bytes));
}

/** The bytes of a file that holds an ImageData, or {width, height, data}. options: quality, lossless, model, tile, maxPixels,
 * signal. */
export async function encode({ width, height, data }, { signal, ...options } = {}) {
  return ask("encode", signal, { width, height, data }, options);
}

async function plain(bytes) {
  if (bytes instanceof Blob) return new Uint8Array(await bytes.arrayBuffer());
  return bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
}

/** Asks the worker. A signal that aborts ends it at once, and what others have asked is asked anew. */
function ask(method, signal, ...values) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const id = requests++,
      request = { id, method, folder, values };
    const abort = () => {
      open.delete(id);
      reject(signal.reason);
      worker.terminate();
      worker = null;
      for (const { request } of open.values()) send(request);
    };
    signal?.addEventListener("abort", abort, { once: true });
    open.set(id, { request, resolve, reject, done: () => signal?.removeEventListener("abort", abort) });
    send(request);
  });
}

function send(request) {
  worker ??= start();
  worker.postMessage(request);
}

function start() {
  const made = new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "metamer" });
  made.onmessage = ({ data: { id, result, problem } }) => {
    const { resolve, reject, done } = open.get(id);
    open.delete(id);
    done();
    if (problem) reject(revive(problem.name, problem.message));
    else resolve(result);
  };
  made.onerror = ({ message }) => {
    worker = null;
    for (const { reject, done } of open.values()) {
      done();
      reject(new Error(message ?? "the worker cannot be started"));
    }
    open.clear();
  };
  return made;
}

/** Registers a service worker that shows `.mtm` files wherever pictures may stand, and shows those of this page again.
 *
 * script: a module that imports this package's service-worker.js; it must lie at or above the pages, or be served with
 * Service-Worker-Allowed. scope: the pages that it serves. */
export async function registerServiceWorker(script, scope) {
  const registration = await navigator.serviceWorker.register(script, { type: "module", scope });
  await navigator.serviceWorker.ready;
  if (!navigator.serviceWorker.controller)
    await new Promise((resolve) => navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true }));
  for (const image of document.images)
    if (
      image.complete &&
      !image.naturalWidth &&
      /\.mtm$/.test(new URL(image.currentSrc || image.src, document.baseURI).pathname)
    )
      image.setAttribute("src", image.getAttribute("src")); // asks for it again
  return registration;
}
