// Shows .mtm files as pictures, and keeps the page for when there is no network.

import "./metamer/src/service-worker.js";

const CACHE = "metamer-demo-1";

self.addEventListener("install", (event) => event.waitUntil(keepAll()));
self.addEventListener("fetch", (event) => {
  const { request } = event,
    { origin, pathname } = new URL(request.url);
  const picture = request.destination === "image" && pathname.endsWith(".mtm"); // the package's own
  if (request.method === "GET" && origin === self.location.origin && !picture) event.respondWith(current(request));
});

async function keepAll() {
  const cache = await caches.open(CACHE);
  await cache.addAll(["./", "files.json", ...(await (await fetch("files.json")).json())]);
}

/** From the network, and kept; without one, what was kept. Models are kept by the package. */
async function current(request) {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.ok && !/\.(model|decoder|encoder)$/.test(new URL(request.url).pathname))
      await cache.put(request, response.clone());
    return response;
  } catch (problem) {
    const kept = await caches.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw problem;
  }
}
