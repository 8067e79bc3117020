// Decode, info and encode, in the thread that calls. Pages call what index.js has, which does it in a worker.

import { ImageError, ModelError } from "./errors.js";
import { decodeAlpha } from "./format/alpha.js";
import { Kind, NO_MODEL, unpack } from "./format/container.js";
import { checkStream } from "./format/limits.js";
import { unpackMetadata } from "./format/metadata.js";
import { Form, isWhole, paint } from "./format/overlays.js";
import { coded } from "./format/picture.js";
import { STRIDE, box, covering, grown, meets, moved, positions, scaled, windows } from "./format/tiles.js";
import { inverse } from "./format/turn.js";
import { WISHES, onGpu } from "./networks/gpu.js";

export { encode } from "./encoding.js";
export { encodePng } from "./format/png.js";
export { Store } from "./networks/store.js";
export { ImageError, MetamerError, ModelError, StreamError } from "./errors.js";

const PREVIEW_GROUPS = 1; // of channels, the coarsest first
const QUALITIES = 256;
const METADATA = { [Kind.ICC]: "icc", [Kind.EXIF]: "exif", [Kind.XMP]: "xmp" };
const SECTIONS = { [Kind.ALPHA]: "alpha", ...METADATA };
const FORMS = { [Form.BLOCKS]: "blocks", [Form.RESIDUAL]: "residual" },
  LOSSLESS = "lossless";

/** What a file says of itself; every checksum is verified. */
export async function info(bytes, store) {
  const { header, sections } = unpack(bytes),
    { width, height } = header;
  const picture = await coded(header, sections),
    entry = await store.entry(header),
    forms = {};
  for (const overlay of picture.overlays) {
    const form = !overlay ? "networks" : isWhole(overlay) ? LOSSLESS : FORMS[overlay.form];
    forms[form] = (forms[form] ?? 0) + 1;
  }
  return {
    width,
    height,
    quality: Math.round((header.quality * 1000) / (QUALITIES - 1)) / 10,
    model: entry?.name ?? null,
    modelId: header.modelId,
    version: header.version,
    bytes: bytes.length,
    bpp: (8 * bytes.length) / (width * height),
    tiles: header.tiled ? picture.tiles.length : 0,
    grey: header.grey,
    decoders: Object.keys(entry?.decoders ?? {}),
    sections: Object.fromEntries(
      sections.filter(({ kind }) => kind in SECTIONS).map(({ kind, body }) => [SECTIONS[kind], body.length]),
    ),
    forms,
    lossless: forms[LOSSLESS] === picture.tiles.length,
  };
}

async function find(header, store) {
  const entry = await store.entry(header);
  if (!entry) throw new ModelError(`needs model ${header.modelId}, which is not in ${store.folder}`);
  return entry;
}

/** A picture: {width, height, data (RGBA), transparent, grey, gpu, icc, exif, xmp}; the last three are bytes, if the file holds
 * them. gpu: whether WebGPU made all that the networks make of it. */
export async function decode(bytes, store, { region, preview = false, decoder, realism, gpu = "auto", maxPixels } = {}) {
  if (!WISHES.includes(gpu)) throw new RangeError(`gpu must be one of ${WISHES.join(", ")}, not ${gpu}`);
  if (realism !== undefined && !(realism >= 0 && realism <= 1))
    throw new RangeError(`realism must be between 0 and 1, not ${realism}`);
  const { header, sections } = unpack(bytes);
  checkStream(header, bytes.length, maxPixels);
  const area = areaOf(region, header),
    picture = await coded(header, sections),
    here = (_, number) => meets(picture.areas[number], area);
  const networks = picture.payloads.filter(here).some((payload) => payload)
    ? await store.synthesis(await find(header, store), header.quality, decoder, realism)
    : null;
  const alpha = sections.find(({ kind }) => kind === Kind.ALPHA);
  const transparency = alpha ? decodeAlpha(alpha.body, header.width, header.height, area) : null;
  const held = {};
  for (const { kind, body } of sections) if (kind in METADATA) held[METADATA[kind]] = await unpackMetadata(body);
  const made = networks
      ? await synthesise(networks, header, picture, area, preview, gpu)
      : { data: new Uint8ClampedArray(4 * area.width * area.height), gpu: false },
    { data } = made;
  picture.overlays.forEach((overlay, number) => {
    if (overlay && here(overlay, number)) paint(overlay, picture.areas[number], area, header.grey, data);
  });
  if (transparency) for (let i = 0; i < transparency.length; i++) data[4 * i + 3] = transparency[i];
  store.trim();
  const transparent = Boolean(transparency) || picture.overlays[0]?.form === Form.WITH_OPACITY;
  return { width: area.width, height: area.height, ...made, transparent, grey: header.grey, ...held };
}

/** Decoded latents (h, w, M), whole sixteenths of a quantiser step: the same on every machine. M is 0 in a file that needs no
 * model; where a tile is coded without the networks, latents are 0. */
export async function decodeLatents(bytes, store, { maxPixels } = {}) {
  const { header, sections } = unpack(bytes);
  checkStream(header, bytes.length, maxPixels);
  const picture = await coded(header, sections),
    whole = positions(header.width, header.height);
  if (header.modelId === NO_MODEL) return { height: whole.height, width: whole.width, latents: 0, values: new Int32Array() };
  const { entropy } = await store.networks(await find(header, store));
  const tile = tileDecoder(entropy, header, picture);
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
    const place = picture.tiles[number],
      words = picture.payloads[number];
    // all that is seen of a tile without words is in its overlay; its neighbours' networks look here
    if (!words) return new Int16Array(place.height * place.width * entropy.latents);
    return compact(entropy.decode(header.quality, place.height, place.width, words, header.grey, groups));
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

/** RGBA of the pixels `area`, a window at a time, and whether WebGPU made all of it; tiles are decoded when a window first needs
 * them, and dropped behind it. */
async function synthesise({ entropy, synthesis }, header, picture, area, preview, wish) {
  const tile = tileDecoder(entropy, header, picture, preview ? PREVIEW_GROUPS : undefined),
    { network, receptiveField } = synthesis;
  const whole = positions(header.width, header.height),
    turn = inverse(picture.turn),
    tiles = new Map();
  const data = new Uint8ClampedArray(4 * area.width * area.height);
  let gpu = preview ? null : await onGpu(synthesis, wish);
  for (const window of windows(covering(area), gpu?.window)) {
    const around = grown(window, receptiveField, whole);
    for (const number of tiles.keys()) if (picture.tiles[number].bottom <= around.top) tiles.delete(number);
    picture.tiles.forEach((place, number) => meets(place, around) && !tiles.has(number) && tiles.set(number, tile(number)));
    const field = gathered(tiles, picture.tiles, around, entropy.latents),
      seen = grown(scaled(window, STRIDE), 0, area);
    const given = [field, around.height, around.width, header.quality, moved(seen, scaled(around, STRIDE)), turn, header.grey];
    const made = await gpu?.pixels(...given);
    if (!made) gpu = null;
    const shown = made ?? network.pixels(...given, preview);
    for (let row = 0; row < seen.height; row++)
      data.set(
        shown.subarray(4 * row * seen.width, 4 * (row + 1) * seen.width),
        4 * ((seen.top - area.top + row) * area.width + seen.left - area.left),
      );
  }
  return { data, gpu: Boolean(gpu) };
}

/** A region [x, y, width, height], or the whole, in pixels. */
function areaOf(region, { width, height }) {
  if (!region) return box(0, 0, height, width);
  const [x, y, w, h] = region;
  if (!region.every(Number.isInteger) || Math.min(x, y) < 0 || Math.min(w, h) < 1 || x + w > width || y + h > height)
    throw new ImageError(`has ${width}x${height} pixels; the region ${region} is not inside`);
  return box(y, x, y + h, x + w);
}
