// What pages ask for through index.js, done away from the page's own thread, one request after the other.

import { decode, info } from "./codec.js";
import { encode } from "./encoding.js";
import { encodePng } from "./format/png.js";
import { Store } from "./networks/store.js";

const stores = new Map();

function storeAt(folder) {
  if (!stores.has(folder)) stores.set(folder, new Store(folder));
  return stores.get(folder);
}

const METHODS = {
  info: async (store, bytes) => info(bytes, store),
  decode: async (store, bytes, options) => {
    const { width, height, data } = await decode(bytes, store, options);
    return { width, height, data };
  },
  png: async (store, bytes, options) => encodePng(await decode(bytes, store, options)),
  encode: async (store, picture, options) => encode(picture, store, options),
};

let queue = Promise.resolve();

onmessage = ({ data: { id, method, folder, values } }) => {
  queue = queue.then(async () => {
    try {
      const result = await METHODS[method](storeAt(folder), ...values),
        buffer = (result.data ?? result).buffer;
      postMessage({ id, result }, buffer ? [buffer] : []);
    } catch (problem) {
      postMessage({ id, problem: { name: problem.name, message: problem.message } });
    }
  });
};
