// Lossless WebP by the browser's own encoder, where it has one that keeps every pixel.

import { decodeVp8l } from "../format/vp8l.js";

export const LARGEST = (1 << 14) - 1; // pixels a side that libwebp writes
const RIFF_BYTES = 12,
  CHUNK_BYTES = 8,
  HEADER_BYTES = 5; // before chunks, before a chunk's data, before VP8L's image data
const EXACT = 1; // the quality at which Chromium writes lossless files; nothing promises that it does

let exact = true; // until one was not

/** Image data of opaque RGBA pixels as `decodeVp8l` reads them, or null where there is no encoder that gives just these pixels
 * back. */
export async function encodeLossless(pixels, width, height) {
  if (!exact || Math.max(width, height) > LARGEST) return null;
  const data = await written(pixels, width, height).catch(() => null);
  exact = Boolean(data) && holds(data, pixels, width, height);
  return exact ? data : null;
}

async function written(pixels, width, height) {
  const canvas = new OffscreenCanvas(width, height),
    context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  context.putImageData(new ImageData(pixels, width, height), 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/webp", quality: EXACT });
  return imageData(new Uint8Array(await blob.arrayBuffer()));
}

/** What a WebP file's chunk VP8L holds behind signature and size; null where the file is another. */
function imageData(file) {
  const view = new DataView(file.buffer);
  for (let place = RIFF_BYTES; place + CHUNK_BYTES <= file.length;) {
    const name = String.fromCharCode(...file.subarray(place, place + 4)),
      length = view.getUint32(place + 4, true);
    place += CHUNK_BYTES;
    if (name === "VP8L") return file.subarray(place + HEADER_BYTES, place + length);
    place += length + (length % 2);
  }
  return null;
}

function holds(data, pixels, width, height) {
  const decoded = decodeVp8l(data, width, height);
  return decoded.every((argb, i) => {
    const colour = (pixels[4 * i] << 16) | (pixels[4 * i + 1] << 8) | pixels[4 * i + 2];
    return (argb & 0xffffff) === colour;
  });
}
