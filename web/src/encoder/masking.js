// How much an error is seen, position by position, as codec/encoder/masking.py has it: texture hides it, smooth places show it.

import { STRIDE, positions } from "../format/tiles.js";

const BLOCK = 8; // pixels a side in which variance is taken
const FLOOR = (2 / 255) ** 2; // below this variance noise is what varies
const REACH = Math.log(8); // weights stay within a factor of this around their geometric mean
const LUMA = [0.299, 0.587, 0.114]; // of gamma-coded sRGB, ITU-R BT.601

/** What an error counts more than elsewhere, a number for each latent position of a picture {width, height, data (RGBA)}.
 * exponent: 0 for the same everywhere; 1 divides by the local variance. */
export function errorImportance(picture, exponent) {
  const whole = positions(picture.width, picture.height),
    weights = new Float32Array(whole.height * whole.width).fill(1);
  if (!exponent) return weights;
  for (let row = 0, i = 0; row < whole.height; row++)
    for (let column = 0; column < whole.width; column++, i++) weights[i] = -exponent * logVariance(picture, row, column);
  const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
  return weights.map((weight) => Math.exp(Math.max(-REACH, Math.min(REACH, weight - mean))));
}

/** The logarithm of luma's variance around a position; edges are replicated. */
function logVariance({ width, height, data }, row, column) {
  let variance = 0;
  const blocks = STRIDE / BLOCK;
  for (let block = 0; block < blocks * blocks; block++) {
    const top = STRIDE * row + BLOCK * Math.floor(block / blocks),
      left = STRIDE * column + BLOCK * (block % blocks);
    let sum = 0,
      squares = 0;
    for (let y = top; y < top + BLOCK; y++)
      for (let x = left; x < left + BLOCK; x++) {
        const at = 4 * (Math.min(y, height - 1) * width + Math.min(x, width - 1));
        const luma = LUMA[0] * data[at] + LUMA[1] * data[at + 1] + LUMA[2] * data[at + 2];
        sum += luma;
        squares += luma * luma;
      }
    variance += squares / BLOCK ** 2 - (sum / BLOCK ** 2) ** 2;
  }
  return Math.log(variance / blocks ** 2 / 255 ** 2 + FLOOR);
}
