// A picture with parts of it filled in smoothly from the rest, by pull-push (Gortler et al., "The lumigraph", SIGGRAPH 1996), so that
// the networks spend little on them.

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
      const sums = [0, 0, 0];
      let count = 0;
      for (let y = 2 * row; y < Math.min(2 * row + 2, height); y++)
        for (let x = 2 * column; x < Math.min(2 * column + 2, width); x++) {
          const at = y * width + x;
          if (hidden[at]) continue;
          for (let channel = 0; channel < 3; channel++) sums[channel] += data[4 * at + channel];
          count++;
        }
      none[i] = Number(!count);
      half.set([...sums.map((sum) => sum / Math.max(1, count)), 255], 4 * i);
    }
  return [{ width: columns, height: rows, data: half }, none];
}

/** What the pixels of a picture of half the size come to at a place, linearly. */
function between({ width, height, data }, row, column, channel) {
  const [y, x] = [Math.max(0, row / 2 - 0.25), Math.max(0, column / 2 - 0.25)],
    [top, left] = [Math.floor(y), Math.floor(x)];
  const level = (down, right) =>
    data[4 * (Math.min(top + down, height - 1) * width + Math.min(left + right, width - 1)) + channel];
  const along = (down) => level(down, 0) + (x - left) * (level(down, 1) - level(down, 0));
  return along(0) + (y - top) * (along(1) - along(0));
}
