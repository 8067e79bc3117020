// A look at a tile's pixels, which tells drawings from photographs, as codec/encoder/mode_decision/screening.py has it.

export const BLOCK = 16; // pixels a side
const REPEATED = 0.4; // share of a drawn block's pixels that are what their left neighbour is
const MANY = 96; // colours of a block's 256 pixels: photographs have more where they have contrast
const CONTRAST = 40; // levels between a drawn block's darkest and brightest pixel, in some channel
const LEAST = 0.06; // share of a tile's blocks that have to be drawn
const BANDS = 3,
  BAND = 16; // bands of rows that lossless data is tried on, and rows of each

/** Rows and columns of blocks. */
export const blockCounts = (width, height) => [Math.ceil(height / BLOCK), Math.ceil(width / BLOCK)];

/** A byte for each block, 1 where it is text, line art or flat around it; null where there is little of that. pixels: RGBA. */
export function drawnBlocks(pixels, width, height) {
  const colours = new Uint32Array(pixels.buffer, pixels.byteOffset, width * height),
    [rows, columns] = blockCounts(width, height),
    count = rows * columns;
  const repeated = Array.from({ length: count }, (_, i) => repeats(colours, width, height, i));
  const chosen = repeated.flatMap((share, block) => (share >= REPEATED ? block : []));
  if (chosen.length < LEAST * count) return null;
  const contrasted = chosen.filter((block) => contrast(colours, width, height, block) >= CONTRAST);
  if (contrasted.length < LEAST * count) return null;
  const drawn = new Uint8Array(count),
    flat = new Uint8Array(count);
  for (const block of contrasted) drawn[block] = Number(new Set(inside(colours, width, height, block)).size <= MANY);
  for (const block of chosen) flat[block] = Number(new Set(inside(colours, width, height, block)).size === 1);
  if (drawn.reduce((sum, one) => sum + one, 0) < LEAST * count) return null;
  return spread(drawn, flat, rows, columns);
}

/** Colours of a block's pixels; edges are replicated. step: rows from one to the next that is looked at. */
function inside(colours, width, height, block, step = 1) {
  const columns = Math.ceil(width / BLOCK),
    top = BLOCK * Math.floor(block / columns),
    left = BLOCK * (block % columns),
    found = [];
  for (let row = top; row < top + BLOCK; row += step)
    for (let column = left; column < left + BLOCK; column++)
      found.push(colours[Math.min(row, height - 1) * width + Math.min(column, width - 1)]);
  return found;
}

/** The share of pixels, of every second row, that are what their left neighbour is. */
function repeats(colours, width, height, block) {
  const columns = Math.ceil(width / BLOCK),
    top = BLOCK * Math.floor(block / columns),
    left = BLOCK * (block % columns);
  let same = 0,
    count = 0;
  for (let row = top; row < Math.min(top + BLOCK, height); row += 2)
    for (let column = left; column < Math.min(left + BLOCK, width); column++, count++)
      same += Number(column > 0 && colours[row * width + column] === colours[row * width + column - 1]);
  return same / count;
}

/** Levels between the darkest and the brightest pixel of every fourth row, in the channel that has most. */
function contrast(colours, width, height, block) {
  const found = inside(colours, width, height, block, 4);
  return Math.max(
    ...[0, 8, 16].map((shift) => {
      const levels = found.map((colour) => (colour >>> shift) & 255);
      return Math.max(...levels) - Math.min(...levels);
    }),
  );
}

/** `drawn`, with the flat blocks that it reaches through others. */
function spread(drawn, flat, rows, columns) {
  const reached = drawn.slice(),
    open = [...drawn.keys()].filter((block) => drawn[block]);
  while (open.length) {
    const block = open.pop(),
      row = Math.floor(block / columns),
      column = block % columns;
    for (const [y, x] of [
      [row - 1, column],
      [row + 1, column],
      [row, column - 1],
      [row, column + 1],
    ]) {
      const near = y * columns + x;
      if (y < 0 || y >= rows || x < 0 || x >= columns || reached[near] || !flat[near]) continue;
      reached[near] = 1;
      open.push(near);
    }
  }
  return reached;
}

/** About how many bits the pixels take without loss, from bands of rows; encode: gives the bytes of some, or null. */
export async function losslessBits(pixels, width, height, encode) {
  const bands = height > BANDS * BAND;
  const starts = bands ? Array.from({ length: BANDS }, (_, i) => Math.floor(((i + 0.5) * height) / BANDS) - BAND / 2) : [0],
    rows = bands ? BAND : height;
  const sample = new Uint8ClampedArray(4 * width * rows * starts.length);
  starts.forEach((top, i) => sample.set(pixels.subarray(4 * width * top, 4 * width * (top + rows)), 4 * width * rows * i));
  const data = await encode(sample, width, rows * starts.length);
  if (!data) return Infinity;
  return (Math.min(8 * data.length, information(sample, width)) * height) / (rows * starts.length);
}

/** Bits of differences between neighbours in a row, of green and of what red and blue differ from it. */
function information(pixels, width) {
  const counts = [0, 1, 2].map(() => new Float64Array(256));
  let steps = 0;
  for (let at = 4; at < pixels.length; at += 4) {
    if ((at / 4) % width === 0) continue;
    const [red, green, blue] = [0, 1, 2].map((channel) => pixels[at + channel] - pixels[at + channel - 4]);
    counts[0][green & 255]++;
    counts[1][(red - green) & 255]++;
    counts[2][(blue - green) & 255]++;
    steps++;
  }
  let bits = 0;
  for (const plane of counts) for (const count of plane) if (count) bits -= count * Math.log2(count / steps);
  return bits;
}
