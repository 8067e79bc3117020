// Transparency (bitstreams/FORMAT.md, section 6).

import { StreamError } from "../errors.js";
import { concatenate, readLength, writeLength } from "./container.js";
import { box, meets, split } from "./tiles.js";
import { decodeVp8l } from "./vp8l.js";
import { encodeVp8l } from "./vp8l-writer.js";

const TILE = 2048; // pixels a side
const NONE = 0,
  HORIZONTAL = 1,
  VERTICAL = 2,
  GRADIENT = 3; // filters, those of WebP's ALPH chunk
const FILTERS = [NONE, HORIZONTAL, VERTICAL, GRADIENT];

/** Opacity, a byte a pixel of `region`; tiles that it does not touch are not decoded. */
export function decodeAlpha(body, width, height, region) {
  const plane = new Uint8Array(region.width * region.height);
  let place = 0;
  for (const tile of split(box(0, 0, height, width), TILE)) {
    const length = readLength(body, place),
      data = body.subarray(length.end, length.end + length.value);
    place = length.end + data.length;
    if (data.length < Math.max(2, length.value) || data[0] > GRADIENT)
      throw new StreamError("is damaged: its transparency ends early or is of an unknown form");
    if (!meets(tile, region)) continue;
    const pixels = decodeVp8l(data.subarray(1), tile.width, tile.height);
    const levels = unfiltered(
      Uint8Array.from(pixels, (pixel) => (pixel >>> 8) & 255),
      tile.width,
      data[0],
    );
    const left = Math.max(tile.left, region.left),
      right = Math.min(tile.right, region.right);
    for (let row = Math.max(tile.top, region.top); row < Math.min(tile.bottom, region.bottom); row++) {
      const from = (row - tile.top) * tile.width + left - tile.left;
      plane.set(levels.subarray(from, from + right - left), (row - region.top) * region.width + left - region.left);
    }
  }
  if (place !== body.length) throw new StreamError("is damaged: data follows its transparency");
  return plane;
}

/** A section's body for a plane of opacities. */
export function encodeAlpha(plane, width, height) {
  const parts = [];
  for (const tile of split(box(0, 0, height, width), TILE)) {
    const levels = new Uint8Array(tile.width * tile.height);
    for (let row = 0; row < tile.height; row++) {
      const from = (tile.top + row) * width + tile.left;
      levels.set(plane.subarray(from, from + tile.width), row * tile.width);
    }
    const tries = FILTERS.map((filter) =>
      concatenate([Uint8Array.of(filter), encodeVp8l(filtered(levels, tile.width, filter))]),
    );
    const best = tries.reduce((least, data) => (data.length < least.length ? data : least));
    parts.push(writeLength(best.length), best);
  }
  return concatenate(parts);
}

/** What a filter predicts from the levels before. */
function predict(levels, place, width, filter) {
  const column = place % width,
    left = column ? levels[place - 1] : 0,
    top = place >= width ? levels[place - width] : 0;
  if (place < width) return left;
  if (!column) return top;
  if (filter === GRADIENT) return Math.max(0, Math.min(255, left + top - levels[place - width - 1]));
  return filter === HORIZONTAL ? left : top;
}

/** What is left of levels by a filter, modulo 256. */
const filtered = (levels, width, filter) =>
  filter === NONE ? levels : levels.map((level, place) => level - predict(levels, place, width, filter));

/** The inverse, in place. */
function unfiltered(residuals, width, filter) {
  if (filter !== NONE)
    for (let place = 0; place < residuals.length; place++) residuals[place] += predict(residuals, place, width, filter);
  return residuals;
}
