// Bodies of profile, EXIF and XMP sections (bitstreams/FORMAT.md, section 7).

import { StreamError } from "../errors.js";
import { inflate } from "./inflate.js";

const LIMIT = 16 << 20; // bytes of one of them, unpacked

/** The data that a section holds; no more than `LIMIT` is taken into memory, whatever the body says. */
export async function unpackMetadata(body) {
  if (!body.length || body[0] > 1) throw new StreamError("is damaged: metadata of an unknown form");
  const data = body[0] ? await inflate(body.subarray(1), LIMIT, "metadata") : body.slice(1);
  if (data.length > LIMIT) throw new StreamError(`holds more than ${LIMIT} bytes of metadata of one kind`);
  return data;
}
