// A picture with parts of it filled in smoothly from the rest, by pull-push (Gortler et al., "The lumigraph", SIGGRAPH 1996), so that
// the networks spend little on them. To the last bit what codec/picture/alpha.py makes of it, so numbers are rounded where Pillow does.

/** {width, height, data (RGBA)} with what is hidden filled in. hidden: a byte a pixel. */
export function filled({ width, height, data }, hidden) {
  if (!hidden.includes(0)) return { width, height, data: new Uint8ClampedArray(data.length).fill(128) };
  const made = Uint8ClampedArray.from(data);
  if (!hidden.includes(1)) return { width, height, data: made };
  const coarse = filled(...halved(data, hidden, width, height));
  for (let row = 0, i = 0; row < height; row++)
    for (let column = 0; column < width; column++, i++)
      if (hidden[i])
        for (let channel = 0; channel < 3; channel++) made[4 * i + channel] = between(coarse, row, column, channel);
  return { width, height, data: made };
}

/** Means of what is not hidden in squares of 2 x 2 pixels, and which squares are hidden. */
function halved(data, hidden, width, height) {
  const [columns, rows] = [Math.ceil(width / 2), Math.ceil(height / 2)],
    half = new Uint8ClampedArray(4 * columns * rows),
    none = new Uint8Array(columns * rows);
  for (let row = 0, i = 0; row < rows; row++)
    for (let column = 0; column < columns; column++, i++) {
      const sums = [0, 0, 0, 0], // premultiplied, and of opacities
        [bottom, right] = [Math.min(2 * row + 2, height), Math.min(2 * column + 2, width)],
        area = (bottom - 2 * row) * (right - 2 * column);
      for (let y = 2 * row; y < bottom; y++)
        for (let x = 2 * column; x < right; x++) {
          const at = y * width + x;
          if (hidden[at]) continue;
          for (let channel = 0; channel < 3; channel++) sums[channel] += data[4 * at + channel];
          sums[3] += 255;
        }
      const [opacity, ...means] = [sums[3], ...sums.slice(0, 3)].map((sum) => Math.floor(sum / area + 0.5));
      none[i] = Number(!opacity);
      if (opacity) half.set([...means.map((mean) => Math.floor((255 * mean) / opacity)), 255], 4 * i); // clamped
    }
  return [{ width: columns, height: rows, data: half }, none];
}

/** What the pixels of a picture of half the size come to at a place, linearly: first along rows, then between them. */
function between({ width, height, data }, row, column, channel) {
  // a quarter of a pixel of the half's before the middle of one, or behind it
  const near = (place, size) => [place >> 1, Math.max(0, Math.min((place >> 1) + (place % 2 ? 1 : -1), size - 1))];
  const mix = (closer, farther) => (3 * closer + farther + 2) >> 2;
  const [left, right] = near(column, width),
    along = (line) => mix(data[4 * (line * width + left) + channel], data[4 * (line * width + right) + channel]);
  return mix(...near(row, height).map(along));
}
