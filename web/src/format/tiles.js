// Where tiles and windows lie, in latent positions of 16 pixels each unless it says pixels (bitstreams/FORMAT.md, section 3).

export const STRIDE = 16; // pixels a latent position
export const TILE = 64; // positions a side
export const WINDOW = 64; // positions a side at most that the synthesis makes at a time

/** Rows top … bottom − 1, columns left … right − 1. */
export const box = (top, left, bottom, right) => ({ top, left, bottom, right, height: bottom - top, width: right - left });

/** All latent positions of a picture of that many pixels. */
export function positions(width, height) {
  const side = (pixels) => Math.max(2, Math.ceil(pixels / STRIDE));
  return box(0, 0, side(height), side(width));
}

/** With that much more on each side, inside of `limits`. */
export const grown = (one, margin, limits) =>
  box(
    Math.max(one.top - margin, limits.top),
    Math.max(one.left - margin, limits.left),
    Math.min(one.bottom + margin, limits.bottom),
    Math.min(one.right + margin, limits.right),
  );

export const meets = (one, other) =>
  one.top < other.bottom && other.top < one.bottom && one.left < other.right && other.left < one.right;

export const scaled = (one, factor) => box(one.top * factor, one.left * factor, one.bottom * factor, one.right * factor);

/** As seen from the corner of `other`. */
export const moved = (one, other) =>
  box(one.top - other.top, one.left - other.left, one.bottom - other.top, one.right - other.left);

/** Squares of `size` in raster order, the last row and column smaller. */
export function split(whole, size = TILE) {
  const boxes = [];
  for (let top = whole.top; top < whole.bottom; top += size)
    for (let left = whole.left; left < whole.right; left += size)
      boxes.push(box(top, left, Math.min(top + size, whole.bottom), Math.min(left + size, whole.right)));
  return boxes;
}

/** As few as `split` gives, but alike in size. */
export function windows(whole, size = WINDOW) {
  const evenly = (start, end) => {
    const count = Math.ceil((end - start) / size);
    return Array.from({ length: count + 1 }, (_, index) => start + Math.floor((index * (end - start)) / count));
  };
  const rows = evenly(whole.top, whole.bottom),
    columns = evenly(whole.left, whole.right);
  return rows
    .slice(1)
    .flatMap((bottom, row) => columns.slice(1).map((right, column) => box(rows[row], columns[column], bottom, right)));
}

/** The positions that the pixels `region` lie in. */
export const covering = (region) =>
  box(
    Math.floor(region.top / STRIDE),
    Math.floor(region.left / STRIDE),
    Math.ceil(region.bottom / STRIDE),
    Math.ceil(region.right / STRIDE),
  );

/** Where the tiles of a picture lie; one that was coded in one piece is one tile. */
export function places(header) {
  const whole = positions(header.width, header.height);
  return header.tiled ? split(whole) : [whole];
}
