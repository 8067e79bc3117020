// Which form each tile of a picture takes: the networks', one without loss, the networks' with drawn blocks kept without loss, or
// the networks' with what they lack; whichever trades bits for error best, as codec/encoder/mode_decision/choice.py has it.

import { Form, packOverlay } from "../format/overlays.js";
import { allowedError, errorPrice, meanSquare, typicalRate } from "./fidelity.js";
import { finest, patchy } from "./grain.js";
import { encodeLossless } from "./lossless.js";
import { encodeResidual, residual } from "./residual.js";
import { BLOCK, blockCounts, drawnBlocks, losslessBits } from "./screening.js";

const SURE = 0.6; // lossless data may take this much of what a look says that it will,
const PLAIN = 2; // bits a pixel, or, where that is less than these, next to nothing
const DEAR = 4; // times as many bits as photographs take
const FINE = 100, // `finest` from which the networks' error is looked at,
  FINE_ABOVE_90 = 50, // at higher qualities
  STORED_90 = 230; // than 90, as it is stored
const PATCHY = 300; // `patchy` from which it is looked at
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
 * tile: {pixels (opaque), width, height, grey, drawn, bits}. stored: the quality. code: the networks' words of the tile, of the
 * picture as it is or with what is drawn filled in; {words, decode}, the latter a function to pixels. */
export async function chosen(tile, stored, code) {
  const { pixels, width, height, drawn } = tile,
    coded = code(false),
    networks = { words: coded.words, overlay: null, bits: 8 * coded.words.length },
    limit = allowedError(stored);
  if (!isDoubtful(tile, stored, networks.bits, limit)) return networks;
  const decoded = await coded.decode();
  networks.error = meanSquare(pixels, decoded);
  const candidates = [
    networks,
    await withoutLoss(tile),
    drawn?.includes(0) && (await withBlocks(tile, code(true))),
    networks.error > limit && (await withResidual(tile, networks, decoded, limit)),
  ];
  const price = errorPrice(stored) * width * height,
    cost = (one) => one.bits + price * one.error;
  return candidates
    .filter((one) => one && one.error <= limit)
    .reduce((best, one) => (cost(one) < cost(best) ? one : best));
}

/** Whether another form may be better than the networks', which takes so many bits; of photographs it hardly ever is. */
function isDoubtful({ pixels, width, height, drawn, bits: withoutLoss }, stored, bits, limit) {
  const count = width * height;
  return (
    bits > DEAR * typicalRate(stored) * count ||
    withoutLoss < Math.max(bits / SURE, PLAIN * count) ||
    Boolean(drawn) ||
    (limit < Infinity &&
      (finest(pixels, width, height) > (stored > STORED_90 ? FINE_ABOVE_90 : FINE) || patchy(pixels, width, height) > PATCHY))
  );
}

/** All of it without loss; null where this browser cannot write it. */
async function withoutLoss({ pixels, width, height }) {
  const overlay = await whole(pixels, width, height);
  return overlay && { words: null, overlay, bits: 8 * (overlay.length + SECTION), error: 0 };
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

/** The networks, and what they lack. */
async function withResidual({ pixels, width, height, grey }, { words, bits }, decoded, limit) {
  const { levels, step, error } = residual(pixels, decoded, limit),
    data = await encodeResidual(levels, width, height, grey),
    overlay = await packOverlay({ form: Form.RESIDUAL, step, data });
  return { words, overlay, bits: bits + 8 * (overlay.length + SECTION), error };
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
