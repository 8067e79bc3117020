// A service worker that turns every .mtm file that a page wants as a picture into one: <img>, srcset, CSS backgrounds.
// The address that it is registered with may say where models are: `?models=/models/`.

import { decode } from "./codec.js";
import { encodePng } from "./format/png.js";
import { Store } from "./networks/store.js";

const given = new URL(self.location.href).searchParams.get("models");
const store = new Store(
  new URL(given ? (given.endsWith("/") ? given : `${given}/`) : "../models/", given ? self.location.href : import.meta.url),
);

let queue = Promise.resolve(); // one picture after the other: they share memory

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method === "GET" && request.destination === "image" && new URL(request.url).pathname.endsWith(".mtm"))
    event.respondWith(shown(request));
});

/** A PNG of the file that a request is for; the response as it is where it is no success. */
async function shown({ url, credentials }) {
  const response = await fetched(url, credentials);
  if (!response.ok) return response;
  const bytes = new Uint8Array(await response.arrayBuffer());
  const png = queue.then(async () => encodePng(await decode(bytes, store)));
  queue = png.catch(() => {});
  const headers = new Headers({ "Content-Type": "image/png" });
  for (const name of ["Cache-Control", "ETag", "Last-Modified"])
    if (response.headers.has(name)) headers.set(name, response.headers.get(name));
  return new Response(await png, { headers });
}

/** From the network, or else what the site has put into the browser's cache. */
async function fetched(url, credentials) {
  try {
    return await fetch(url, { mode: "cors", credentials });
  } catch (problem) {
    const kept = await caches.match(url);
    if (kept) return kept;
    throw problem;
  }
}
