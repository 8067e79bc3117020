// How large a picture may be before memory is taken for it, as codec/format/limits.py has it.

import { ImageError, StreamError } from "../errors.js";

export const MAX_PIXELS = 178_956_970;
const MAX_UNTILED = 24 << 20; // what is coded in one piece
const PIXELS_A_BYTE = 1 << 14; // plain colour at the lowest quality comes to a fifteenth of this
const PIXELS_A_BYTE_OVERLAID = 1 << 17; // of plain colour without loss: 2²² pixels in some 50 bytes
const ALWAYS = 1 << 20; // pixels that any number of bytes may declare

/** Refuses a file of `size` bytes that declares more pixels than should be decoded. maxPixels: if given, it alone decides. */
export function checkStream(header, size, maxPixels) {
  const count = header.width * header.height,
    declares = `declares ${header.width}x${header.height} pixels`;
  const limit = maxPixels ?? MAX_PIXELS;
  if (count > limit) throw new StreamError(`${declares}; at most ${limit} are decoded unless maxPixels says more`);
  if (maxPixels !== undefined) return;
  if (!header.tiled && count > MAX_UNTILED)
    throw new StreamError(`${declares} in one piece; at most ${MAX_UNTILED} are decoded unless maxPixels says more`);
  if (count > Math.max(ALWAYS, (header.overlaid ? PIXELS_A_BYTE_OVERLAID : PIXELS_A_BYTE) * size))
    throw new StreamError(`${declares} in ${size} bytes, which looks like a trap; maxPixels lets it be decoded`);
}

/** Refuses a picture that is too large to be encoded. */
export function checkPicture(width, height, maxPixels = MAX_PIXELS) {
  if (Math.max(width, height) > 65536) throw new ImageError(`has ${width}x${height} pixels; a side has at most 65536`);
  if (width * height > maxPixels)
    throw new ImageError(`has ${width * height} pixels; at most ${maxPixels} are coded unless maxPixels says more`);
}
