// zlib streams (RFC 1950), by the browser's own compressor and decompressor.

import { StreamError } from "../errors.js";
import { concatenate } from "./container.js";

/** The data of the stream that `body` is, from its first byte to its last; of data of more than `limit` bytes a beginning that is
 * longer than that, unverified. what: holds the stream, for errors. */
export async function inflate(body, limit, what) {
  let data;
  try {
    data = await unpacked(body, limit);
  } catch (problem) {
    throw new StreamError(`is damaged: ${what} cannot be decompressed (${problem.message})`);
  }
  if (data.length <= limit && !(await endsWith(body, limit)))
    throw new StreamError(`is damaged: ${what} does not end where it should`);
  return data;
}

/** Whether a whole stream needs the last byte of `body`. Node takes no offence at bytes behind a stream, as browsers do. */
const endsWith = (body, limit) =>
  unpacked(body.subarray(0, -1), limit).then(
    () => false,
    () => true,
  );

async function unpacked(body, limit) {
  const reader = new Blob([body]).stream().pipeThrough(new DecompressionStream("deflate")).getReader(),
    parts = [];
  let size = 0;
  for (let part; size <= limit && !(part = await reader.read()).done;) {
    parts.push(part.value);
    size += part.value.length;
  }
  if (size > limit) reader.cancel().catch(() => {});
  return concatenate(parts);
}

/** The stream of some data. */
export async function deflate(data) {
  return new Uint8Array(
    await new Response(new Blob([data]).stream().pipeThrough(new CompressionStream("deflate"))).arrayBuffer(),
  );
}
