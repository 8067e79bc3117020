// Whether detail is too fine, or colour too patchy, for the networks to keep, as codec/encoder/mode_decision/screening.py has it.

const SPARSE = 8; // of so many pairs of rows one is looked at,
const PATCH = 8, // and of squares of so many pixels a side
  SPARSE_PATCHES = 16; // one row of so many
const LUMA = [0.25, 0.5, 0.25]; // near enough

const luma = ([red, green, blue]) => LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue;

/** Mean squared error if no detail of one pixel survived: diagonal in luma, any in colour. pixels: RGBA. */
export function finest(pixels, width, height) {
  if (Math.min(width, height) < 2) return meanSquareStep(pixels);
  let sum = 0,
    count = 0;
  for (let row = 0; row + 1 < height; row += 2 * SPARSE)
    for (let column = 0; column + 1 < width; column += 2, count++)
      sum += detail(pixels, 4 * (row * width + column), 4 * width);
  return sum / count;
}

/** What a square of 2 x 2 pixels has of it, by the Haar transform. at: of its first byte; line: bytes from one row to the next. */
function detail(pixels, at, line) {
  const across = [],
    down = [],
    diagonal = [];
  for (let channel = 0; channel < 3; channel++, at++) {
    const [a, b, c, d] = [pixels[at], pixels[at + 4], pixels[at + line], pixels[at + line + 4]];
    across.push((a - b + c - d) / 2);
    down.push((a + b - c - d) / 2);
    diagonal.push((a - b - c + d) / 2);
  }
  return (luma(diagonal) ** 2 + colourEnergy(across) + colourEnergy(down) + colourEnergy(diagonal)) / 4;
}

/** Mean square of three channels, luma taken off. */
function colourEnergy(channels) {
  const grey = luma(channels);
  return channels.reduce((sum, value) => sum + (value - grey) ** 2, 0) / 3;
}

/** Mean squared step from pixel to pixel of a single row or column; 0 for a single pixel. */
function meanSquareStep(pixels) {
  let sum = 0;
  for (let at = 4; at < pixels.length; at += 4)
    for (let channel = at; channel < at + 3; channel++) sum += (pixels[channel] - pixels[channel - 4]) ** 2;
  return sum / Math.max(1, 3 * (pixels.length / 4 - 1));
}

/** Mean squared deviation of colour, luma taken off, from its mean in squares of 8 pixels; 0 in greys. pixels: RGBA. */
export function patchy(pixels, width, height) {
  let sum = 0,
    count = 0;
  for (let top = 0; top + PATCH <= height; top += SPARSE_PATCHES * PATCH)
    for (let left = 0; left + PATCH <= width; left += PATCH, count++) sum += colourVariance(pixels, width, top, left);
  return sum / Math.max(1, count);
}

/** The variance of colour in one such square, mean over channels. */
function colourVariance(pixels, width, top, left) {
  const sums = [0, 0, 0];
  let squares = 0;
  for (let row = top; row < top + PATCH; row++)
    for (let column = left; column < left + PATCH; column++) {
      const at = 4 * (row * width + column),
        colour = [pixels[at], pixels[at + 1], pixels[at + 2]],
        grey = luma(colour);
      colour.forEach((level, channel) => {
        sums[channel] += level - grey;
        squares += (level - grey) ** 2;
      });
    }
  const ofMeans = sums.reduce((energy, sum) => energy + (sum / PATCH ** 2) ** 2, 0);
  return (squares / PATCH ** 2 - ofMeans) / 3;
}
