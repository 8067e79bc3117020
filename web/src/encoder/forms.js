// Which form each tile of a picture takes: the networks', one without loss, or the networks' with drawn blocks kept without loss;
// whichever trades bits for error best, as codec/encoder/forms/choice.py has it.

import { Form, packOverlay } from "../format/overlays.js";
import { allowedError, errorPrice, typicalRate } from "./fidelity.js";
import { encodeLossless } from "./lossless.js";
import { BLOCK, blockCounts, drawnBlocks, losslessBits } from "./screening.js";

const SURE = 0.6; // lossless data may take this much of what a look says that it will,
const PLAIN = 2; // bits a pixel, or, where that is less than these, next to nothing
const DEAR = 4; // times as many bits as photographs take
const SECTION = 7; // bytes or so that a section takes besides its body

/** What a look at a tile's opaque pixels says: its drawn blocks, null for none, and about how many bits it takes without loss,
 * which are infinite where this browser cannot write it so. */
export async function look(pixels, width, height) {
  const bits = await losslessBits(pixels, width, height, encodeLossless);
  return { drawn: bits < Infinity ? drawnBlocks(pixels, width, height) : null, bits };
}

/** The overlay of a tile that is kept as it is; null where this browser cannot write one. */
export async function whole(pixels, width, height) {
  const data = await encodeLossless(pixels, width, height);
  return data && packOverlay({ form: Form.WHOLE, data });
}

/** The pixels of drawn blocks, a byte each. */
export function maskOf(drawn, width, height) {
  const mask = new Uint8Array(width * height),
    [, columns] = blockCounts(width, height);
  if (drawn)
    for (let row = 0, i = 0; row < height; row++)
      for (let column = 0; column < width; column++, i++)
        mask[i] = drawn[Math.floor(row / BLOCK) * columns + Math.floor(column / BLOCK)];
  return mask;
}

/** {words, overlay} of a tile, either null.
 *
 * tile: {pixels (opaque), width, height, drawn, bits}. stored: the quality. code: the networks' words of the tile, of the picture as
 * it is or with what is drawn filled in; {words, decode}, the latter a function to pixels. */
export async function chosen(tile, stored, code) {
  const { pixels, width, height, drawn } = tile,
    count = width * height,
    networks = code(false);
  const plain = { words: networks.words, overlay: null },
    bits = 8 * networks.words.length;
  if (bits <= DEAR * typicalRate(stored) * count && tile.bits >= Math.max(bits / SURE, PLAIN * count) && !drawn) return plain;
  const overlay = await whole(pixels, width, height);
  if (!overlay) return plain;
  const candidates = [
    { ...plain, bits, error: meanSquare(pixels, await networks.decode()) },
    { words: null, overlay, bits: 8 * (overlay.length + SECTION), error: 0 },
  ];
  const blocks = drawn?.includes(0) && (await withBlocks(tile, code(true)));
  if (blocks) candidates.push(blocks);
  const price = errorPrice(stored) * count,
    cost = (one) => one.bits + price * one.error;
  return candidates
    .filter(({ error }) => error <= allowedError(stored))
    .reduce((best, one) => (cost(one) < cost(best) ? one : best));
}

/** What is drawn without loss, the rest by the networks; null where this browser cannot write it. */
async function withBlocks({ pixels, width, height, drawn }, { words, decode }) {
  const mask = maskOf(drawn, width, height),
    data = await encodeLossless(drawnAlone(pixels, mask), width, height);
  if (!data) return null;
  const overlay = await packOverlay({ form: Form.BLOCKS, blocks: drawn, data });
  return {
    words,
    overlay,
    bits: 8 * (words.length + overlay.length + SECTION),
    error: meanSquare(pixels, await decode(), mask),
  };
}

/** Pixels with what is not drawn in the commonest colour of what is: it costs nearly nothing. */
function drawnAlone(pixels, mask) {
  const colours = new Uint32Array(pixels.slice().buffer),
    counts = new Map();
  let common = colours[mask.indexOf(1)];
  for (let i = 0; i < colours.length; i++) {
    if (!mask[i]) continue;
    const count = (counts.get(colours[i]) ?? 0) + 1;
    counts.set(colours[i], count);
    if (count > counts.get(common)) common = colours[i];
  }
  for (let i = 0; i < colours.length; i++) if (!mask[i]) colours[i] = common;
  return new Uint8ClampedArray(colours.buffer);
}

/** The mean squared error of 8-bit levels, opacity left out; 0 where `mask` is set. */
function meanSquare(pixels, decoded, mask) {
  let sum = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    if (mask?.[i / 4]) continue;
    for (let channel = 0; channel < 3; channel++) sum += (pixels[i + channel] - decoded[i + channel]) ** 2;
  }
  return sum / ((3 * pixels.length) / 4);
}
