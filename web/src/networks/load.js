// Files that this package brings along, and models.

import { ModelError } from "../errors.js";

/** The bytes at a URL; with Node also of a file. */
export async function load(url) {
  if (url.protocol === "file:") {
    const { readFile } = await import("node:fs/promises");
    return readFile(url).catch((problem) => {
      throw new ModelError(`${url} cannot be read: ${problem.code}`);
    });
  }
  let response;
  try {
    response = await fetch(url);
  } catch (problem) {
    // offline, perhaps; what a page's service worker has kept will do
    response = typeof caches === "undefined" ? undefined : await caches.match(url);
    if (!response) throw new ModelError(`${url} cannot be fetched: ${problem.message}`);
  }
  if (!response.ok) throw new ModelError(`${url} cannot be fetched: status ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
