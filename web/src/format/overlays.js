// What is coded of a tile without the networks (bitstreams/FORMAT.md, section 8), as codec/stream/overlays.py has it.

import { StreamError } from "../errors.js";
import { concatenate, readLength, writeLength } from "./container.js";
import { deflate, inflate } from "./inflate.js";
import { decodeVp8l } from "./vp8l.js";

const BLOCK = 16; // pixels a side of what `Form.BLOCKS` replaces
export const MIDDLE = 128; // the level that stands for a residual of 0
export const MIN_STEP = 2,
  MAX_STEP = 255; // of residuals

/** The first byte of an overlay, behind the tile's number. It holds all of the tile without loss, the same with opacity, some
 * blocks without loss, or what is added to the networks' pixels. */
export const Form = Object.freeze({ WHOLE: 0, WITH_OPACITY: 1, BLOCKS: 2, RESIDUAL: 3 });

/** Whether a tile with this overlay, null for none, needs no network. */
export const isWhole = (overlay) => overlay?.form === Form.WHOLE || overlay?.form === Form.WITH_OPACITY;

/** {form, step, blocks, data (VP8L, not looked at)} of a section's body behind the tile's number, for a tile of that many pixels.
 * blocks: a bit for each, the highest of a byte first. */
export async function unpackOverlay(body, width, height) {
  if (body.length < 2 || body[0] > Form.RESIDUAL) throw new StreamError("is damaged: an overlay is of an unknown form");
  const form = body[0];
  if (form === Form.RESIDUAL) {
    if (body[1] < MIN_STEP) throw new StreamError(`is damaged: an overlay with steps of ${body[1]}`);
    return { form, step: body[1], data: body.subarray(2) };
  }
  if (form !== Form.BLOCKS) return { form, data: body.subarray(1) };
  const { value, end } = readLength(body, 1),
    size = Math.ceil((Math.ceil(width / BLOCK) * Math.ceil(height / BLOCK)) / 8);
  const blocks = await inflate(body.subarray(end, end + value), size, "an overlay's map of blocks");
  if (blocks.length !== size) throw new StreamError("is damaged: an overlay's blocks are not as many as the tile has");
  return { form, blocks, data: body.subarray(end + value) };
}

/** The inverse. blocks: a byte for each, 1 for those that are replaced. */
export async function packOverlay({ form, step, blocks, data }) {
  if (form === Form.RESIDUAL) return concatenate([Uint8Array.of(form, step), data]);
  if (form !== Form.BLOCKS) return concatenate([Uint8Array.of(form), data]);
  const bits = new Uint8Array(Math.ceil(blocks.length / 8));
  blocks.forEach((block, i) => (bits[i >> 3] |= block << (7 - (i & 7))));
  const packed = await deflate(bits);
  return concatenate([Uint8Array.of(form), writeLength(packed.length), packed, data]);
}

/** Puts what an overlay holds of `tile` into `shown`, RGBA of `area`, which has what the networks give; both in pixels. */
export function paint({ form, step, blocks, data }, tile, area, grey, shown) {
  const levels = decodeVp8l(data, tile.width, tile.height),
    across = Math.ceil(tile.width / BLOCK);
  const left = Math.max(tile.left, area.left),
    right = Math.min(tile.right, area.right);
  for (let row = Math.max(tile.top, area.top); row < Math.min(tile.bottom, area.bottom); row++) {
    let from = (row - tile.top) * tile.width + left - tile.left,
      to = 4 * ((row - area.top) * area.width + left - area.left);
    for (let column = left; column < right; column++, from++, to += 4) {
      if (blocks) {
        const block = Math.floor((row - tile.top) / BLOCK) * across + Math.floor((column - tile.left) / BLOCK);
        if (!((blocks[block >> 3] << (block & 7)) & 128)) continue;
      }
      for (let channel = 0; channel < 3; channel++) {
        const level = (levels[from] >>> (grey ? 8 : 16 - 8 * channel)) & 255;
        shown[to + channel] = form === Form.RESIDUAL ? shown[to + channel] + step * (level - MIDDLE) : level;
      }
      shown[to + 3] = form === Form.WITH_OPACITY ? levels[from] >>> 24 : 255;
    }
  }
}
