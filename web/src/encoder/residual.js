// What the networks' tile lacks, in steps of several levels, as codec/encoder/tiled_picture.py has it.

import { MAX_STEP, MIDDLE, MIN_STEP } from "../format/overlays.js";
import { encodeVp8l } from "../format/vp8l-writer.js";
import { meanSquare } from "./fidelity.js";
import { encodeLossless } from "./lossless.js";

/** {levels (RGBA, opaque), step, error} of what decoded pixels lack, in the largest steps that suffice. limit: the largest mean
 * squared error that may be left; error: the one that is, which exceeds it where the smallest steps do not suffice. */
export function residual(pixels, decoded, limit) {
  // errors that are spread evenly over steps of s are s² / 12; where little is lacking they are less, and steps may be larger
  let step = Math.max(MIN_STEP, Math.min(MAX_STEP, Math.floor(2 * Math.sqrt(12 * limit))));
  for (;;) {
    const levels = quantised(pixels, decoded, step),
      error = meanSquare(pixels, restored(decoded, levels, step));
    if (step === MIN_STEP || error <= limit) return { levels, step, error };
    step = Math.max(MIN_STEP, Math.floor((15 * step) / 16));
  }
}

/** The array clips, and rounds halves to even numbers, as NumPy does. */
function quantised(pixels, decoded, step) {
  const levels = new Uint8ClampedArray(pixels.length).fill(255);
  for (let i = 0; i < pixels.length; i += 4)
    for (let at = i; at < i + 3; at++) levels[at] = MIDDLE + (pixels[at] - decoded[at]) / step;
  return levels;
}

/** What a decoder makes of it. */
function restored(decoded, levels, step) {
  const sum = new Uint8ClampedArray(decoded.length);
  for (let i = 0; i < sum.length; i++) sum[i] = decoded[i] + step * (levels[i] - MIDDLE);
  return sum;
}

/** Image data of such levels. The browser's are smaller where there are few colours, but Chromium takes least effort, which makes
 * noise up to a half larger than one code a channel does. Of grey pictures only green is read. */
export async function encodeResidual(levels, width, height, grey) {
  const [green, red, blue] = [1, 0, 2].map((channel) =>
    Uint8Array.from({ length: width * height }, (_, i) => levels[4 * i + channel]),
  );
  const own = grey ? encodeVp8l(green) : encodeVp8l(green, red, blue),
    browsers = await encodeLossless(levels, width, height);
  return browsers?.length < own.length ? browsers : own;
}
