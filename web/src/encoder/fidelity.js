// What a quality gives photographs, and what an error is worth at it, as codec/encoder/mode_decision/fidelity.py has it, where the figures are
// from; and how large an error is.

const LEVELS = [0, 20, 40, 60, 80, 100]; // qualities
const RATES = [0.044, 0.109, 0.273, 0.602, 1.186, 2.038], // bits a pixel of photographs
  PSNRS = [26.37, 28.85, 31.78, 35.02, 38.55, 41.75]; // dB
const MARGIN = 4; // dB below photographs that a picture may end
const PROMISED_FROM = 60; // quality
const STORED = 255; // quality 100 as it is stored

/** The largest mean squared error of 8-bit levels that a tile may end with at a stored quality. */
export const allowedError = (stored) =>
  (stored * 100) / STORED < PROMISED_FROM ? Infinity : errorOf(interpolated(PSNRS, stored) - MARGIN);

/** Bits a pixel that photographs take. */
export const typicalRate = (stored) => Math.exp(interpolated(RATES.map(Math.log), stored));

/** Bits a pixel that a unit of mean squared error is worth: the slope of the photographs' own curve. */
export function errorPrice(stored) {
  const [low, high] = [Math.max(0, stored - 16), Math.min(STORED, stored + 16)];
  const [worse, better] = [low, high].map((at) => errorOf(interpolated(PSNRS, at)));
  return (typicalRate(high) - typicalRate(low)) / (worse - better);
}

/** The mean squared error of 8-bit levels, opacity left out; 0 where `mask`, a byte a pixel, is set. Both RGBA. */
export function meanSquare(pixels, decoded, mask) {
  let sum = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    if (mask?.[i / 4]) continue;
    for (let channel = 0; channel < 3; channel++) sum += (pixels[i + channel] - decoded[i + channel]) ** 2;
  }
  return sum / ((3 * pixels.length) / 4);
}

const errorOf = (psnr) => 255 ** 2 * 10 ** (-psnr / 10);

function interpolated(values, stored) {
  const quality = (stored * 100) / STORED,
    after = LEVELS.findIndex((level) => level >= quality);
  if (!after) return values[0];
  const share = (quality - LEVELS[after - 1]) / (LEVELS[after] - LEVELS[after - 1]);
  return values[after - 1] + share * (values[after] - values[after - 1]);
}
