// Decode, info and encode, in the thread that calls. Pages call what index.js has, which does it in a worker.

import { ImageError, ModelError } from "./errors.js";
import { decodeAlpha } from "./format/alpha.js";
import { Kind, unpack } from "./format/container.js";
import { checkStream } from "./format/limits.js";
import { unpackMetadata } from "./format/metadata.js";
import { coded } from "./format/picture.js";
import { STRIDE, box, covering, grown, meets, positions, scaled, windows } from "./format/tiles.js";
import { inverse } from "./format/turn.js";

export { encode } from "./encoding.js";
export { encodePng } from "./format/png.js";
export { Store } from "./networks/store.js";
export { ImageError, MetamerError, ModelError, StreamError } from "./errors.js";

const PREVIEW_GROUPS = 1; // of channels, the coarsest first
const QUALITIES = 256;
const METADATA = { [Kind.ICC]: "icc", [Kind.EXIF]: "exif", [Kind.XMP]: "xmp" };
const SECTIONS = { [Kind.ALPHA]: "alpha", ...METADATA };

/** What a file says of itself; every checksum is verified. */
export async function info(bytes, store) {
  const { header, sections } = unpack(bytes),
    { width, height } = header;
  const tiles = header.tiled ? coded(header, sections).tiles.length : 0,
    entry = await store.entry(header);
  return {
    width,
    height,
    quality: Math.round((header.quality * 1000) / (QUALITIES - 1)) / 10,
    model: entry?.name ?? null,
    modelId: header.modelId,
    version: header.version,
    bytes: bytes.length,
    bpp: (8 * bytes.length) / (width * height),
    tiles,
    grey: header.grey,
    decoders: Object.keys(entry?.decoders ?? {}),
    sections: Object.fromEntries(
      sections.filter(({ kind }) => kind in SECTIONS).map(({ kind, body }) => [SECTIONS[kind], body.length]),
    ),
  };
}

async function find(header, store) {
  const entry = await store.entry(header);
  if (!entry) throw new ModelError(`needs model ${header.modelId}, which is not in ${store.folder}`);
  return entry;
}

/** A picture: {width, height, data (RGBA), transparent, grey, icc, exif, xmp}; the last three are bytes, if the file holds them. */
export async function decode(bytes, store, { region, preview = false, decoder, realism, maxPixels } = {}) {
  if (realism !== undefined && !(realism >= 0 && realism <= 1))
    throw new RangeError(`realism must be between 0 and 1, not ${realism}`);
  const { header, sections } = unpack(bytes);
  checkStream(header, bytes.length, maxPixels);
  const area = areaOf(region, header),
    picture = coded(header, sections),
    entry = await find(header, store);
  const networks = await store.synthesis(entry, decoder, realism);
  const alpha = sections.find(({ kind }) => kind === Kind.ALPHA);
  const transparency = alpha ? decodeAlpha(alpha.body, header.width, header.height, area) : null;
  const held = {};
  for (const { kind, body } of sections) if (kind in METADATA) held[METADATA[kind]] = await unpackMetadata(body);
  const tile = tileDecoder(networks.entropy, header, picture, preview ? PREVIEW_GROUPS : undefined);
  const data = synthesise(networks, header, picture, area, tile, preview);
  if (transparency) for (let i = 0; i < transparency.length; i++) data[4 * i + 3] = transparency[i];
  store.trim();
  return { width: area.width, height: area.height, data, transparent: Boolean(transparency), grey: header.grey, ...held };
}

/** Decoded latents (h, w, M), whole sixteenths of a quantiser step: the same on every machine. */
export async function decodeLatents(bytes, store, { maxPixels } = {}) {
  const { header, sections } = unpack(bytes);
  checkStream(header, bytes.length, maxPixels);
  const picture = coded(header, sections),
    { entropy } = await store.networks(await find(header, store));
  const tile = tileDecoder(entropy, header, picture),
    whole = positions(header.width, header.height);
  const tiles = new Map(picture.tiles.map((_, number) => [number, tile(number)]));
  return {
    height: whole.height,
    width: whole.width,
    latents: entropy.latents,
    values: gathered(tiles, picture.tiles, whole, entropy.latents),
  };
}

/** A function from a tile's number to its latents. */
function tileDecoder(entropy, header, picture, groups) {
  return (number) => {
    const place = picture.tiles[number];
    return compact(entropy.decode(header.quality, place.height, place.width, picture.payloads[number], header.grey, groups));
  };
}

/** The same integers in 16 bits each if they fit. */
function compact(values) {
  for (const value of values) if (value !== (value << 16) >> 16) return values;
  return Int16Array.from(values);
}

/** Latents of the positions `around`, out of the tiles that they lie in. */
function gathered(tiles, places, around, latents) {
  const field = new Int32Array(around.height * around.width * latents);
  for (const [number, values] of tiles) {
    const place = places[number];
    const left = Math.max(place.left, around.left),
      right = Math.min(place.right, around.right);
    if (right <= left) continue;
    for (let row = Math.max(place.top, around.top); row < Math.min(place.bottom, around.bottom); row++) {
      const from = ((row - place.top) * place.width + left - place.left) * latents;
      field.set(
        values.subarray(from, from + (right - left) * latents),
        ((row - around.top) * around.width + left - around.left) * latents,
      );
    }
  }
  return field;
}

/** RGBA of the pixels `area`, a window at a time; tiles are decoded when a window first needs them, and dropped behind it. */
function synthesise({ engine, entropy, synthesis }, header, picture, area, tile, preview) {
  const { network, halo } = synthesis,
    whole = positions(header.width, header.height),
    tiles = new Map();
  const data = new Uint8ClampedArray(4 * area.width * area.height);
  const affine = engine.mark(),
    turned = engine.put(inverse(picture.turn));
  try {
    for (const window of windows(covering(area))) {
      const around = grown(window, halo, whole);
      for (const number of tiles.keys()) if (picture.tiles[number].bottom <= around.top) tiles.delete(number);
      picture.tiles.forEach((place, number) => meets(place, around) && !tiles.has(number) && tiles.set(number, tile(number)));
      const mark = engine.mark();
      const field = gathered(tiles, picture.tiles, around, entropy.latents),
        run = preview ? network.preview : network.run;
      const planes = run.call(network, field, around.height, around.width, header.quality);
      const inside = scaled(window, STRIDE),
        [top, left] = [Math.max(inside.top, area.top), Math.max(inside.left, area.left)];
      const part = box(top, left, Math.min(inside.bottom, area.bottom), Math.min(inside.right, area.right));
      const size = 4 * part.width * part.height,
        pixels = engine.allocate(size);
      engine.kernels.to_pixels(
        planes,
        STRIDE * around.height,
        STRIDE * around.width,
        top - STRIDE * around.top,
        left - STRIDE * around.left,
        part.height,
        part.width,
        turned,
        Number(header.grey),
        pixels,
      );
      const shown = engine.view(Uint8Array, pixels, size);
      for (let row = 0; row < part.height; row++)
        data.set(
          shown.subarray(4 * row * part.width, 4 * (row + 1) * part.width),
          4 * ((top - area.top + row) * area.width + left - area.left),
        );
      engine.release(mark);
    }
  } finally {
    engine.release(affine);
  }
  return data;
}

/** A region [x, y, width, height], or the whole, in pixels. */
function areaOf(region, { width, height }) {
  if (!region) return box(0, 0, height, width);
  const [x, y, w, h] = region;
  if (!region.every(Number.isInteger) || Math.min(x, y) < 0 || Math.min(w, h) < 1 || x + w > width || y + h > height)
    throw new ImageError(`has ${width}x${height} pixels; the region ${region} is not inside`);
  return box(y, x, y + h, x + w);
}
