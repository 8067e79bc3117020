// Bodies of profile, EXIF and XMP sections (bitstreams/FORMAT.md, section 7).

import { StreamError } from "../errors.js";

const LIMIT = 16 << 20; // bytes of one of them, unpacked

/** The data that a section holds; no more than `LIMIT` is taken into memory, whatever the body says. */
export async function unpackMetadata(body) {
  if (!body.length || body[0] > 1) throw new StreamError("is damaged: metadata of an unknown form");
  const data = body[0] ? await inflate(body.subarray(1)) : body.slice(1);
  if (data.length > LIMIT) throw new StreamError(`holds more than ${LIMIT} bytes of metadata of one kind`);
  return data;
}

async function inflate(body) {
  const reader = new Blob([body]).stream().pipeThrough(new DecompressionStream("deflate")).getReader(),
    parts = [];
  let size = 0;
  try {
    for (let part; !(part = await reader.read()).done;) {
      parts.push(part.value);
      size += part.value.length;
      if (size > LIMIT) break;
    }
  } catch (problem) {
    throw new StreamError(`is damaged: metadata cannot be decompressed (${problem.message})`);
  }
  if (size > LIMIT) reader.cancel().catch(() => {});
  const data = new Uint8Array(size);
  let place = 0;
  for (const part of parts) {
    data.set(part, place);
    place += part.length;
  }
  return data;
}
