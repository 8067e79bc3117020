// Pixels to a file, as codec/encode.py does it. Encoders may differ; what their files decode to does not.

import { errorImportance } from "./encoder/masking.js";
import { ImageError } from "./errors.js";
import { Kind, pack } from "./format/container.js";
import { checkPicture } from "./format/limits.js";
import { encodeAlpha } from "./format/alpha.js";
import { wrap } from "./format/picture.js";
import { principal } from "./format/principal.js";
import { STRIDE, box, places, positions, scaled } from "./format/tiles.js";
import { affine, packTurn } from "./format/turn.js";
import { Analysis, roundEven } from "./networks/analysis.js";

const TILED_ABOVE = 4 << 20; // pixels
const TURNED_FROM = 1 << 14; // pixels: of a smaller picture's few hundred bytes, six are more than a turn saves
const HYPER_REACH = 3,
  HYPER_STRIDE = 4; // positions that a hyper-latent sees before its first; positions of one
const FRACTION = 16,
  TOTAL = 1 << 24,
  ESCAPE_LENGTHS = 24;
const QUALITIES = 256;

/** The bytes of a file. picture: {width, height, data (RGBA)}. Colours are taken as sRGB; a picture of greys is coded as grey. */
export async function encode(picture, store, { quality = 50, model = "base", tile = false, maxPixels } = {}) {
  if (!(quality >= 0 && quality <= 100)) throw new RangeError(`quality must be between 0 and 100, not ${quality}`);
  const { width, height, data } = picture;
  if (data.length !== 4 * width * height || !data.length)
    throw new ImageError(`${data.length} bytes are not ${width}x${height} pixels`);
  checkPicture(width, height, maxPixels);
  const entry = await store.named(model),
    networks = await store.networks(entry),
    tensors = await store.encoder(entry);
  const { grey, opaque } = kindOf(data),
    turn = grey || width * height < TURNED_FROM ? null : principal(data, width, height);
  const header = {
    modelId: grey ? networks.tensors.header.grey : entry.id,
    quality: roundEven((quality * (QUALITIES - 1)) / 100),
    width,
    height,
    grey,
    tiled: tile || width * height > TILED_ABOVE,
    turned: Boolean(turn),
  };
  networks.analysis ??= new Analysis(networks.engine, tensors, networks.tensors);
  const importance = errorImportance(picture, tensors.header.masking);
  const sections = places(header).map((place, number) => ({
    kind: Kind.PICTURE,
    body: wrap(
      header,
      number,
      turn ? packTurn(turn) : new Uint8Array(),
      encodeTile(networks, tensors, picture, header, turn, place, importance),
    ),
  }));
  if (!opaque)
    sections.push({
      kind: Kind.ALPHA,
      body: encodeAlpha(
        Uint8Array.from({ length: width * height }, (_, i) => data[4 * i + 3]),
        width,
        height,
      ),
    });
  store.trim();
  return pack(header, sections);
}

function kindOf(data) {
  let grey = true,
    opaque = true;
  for (let i = 0; i < data.length && (grey || opaque); i += 4) {
    grey &&= data[i] === data[i + 1] && data[i] === data[i + 2];
    opaque &&= data[i + 3] === 255;
  }
  return { grey, opaque };
}

/** What the analysis must be given for the latents of `place` to be those of the whole picture. */
function seen(place, halo, whole) {
  const before = Math.ceil((halo + HYPER_REACH) / HYPER_STRIDE) * HYPER_STRIDE;
  return box(
    Math.max(place.top - before, whole.top),
    Math.max(place.left - before, whole.left),
    Math.min(place.bottom + halo, whole.bottom),
    Math.min(place.right + halo, whole.right),
  );
}

/** The words of one tile. */
function encodeTile({ engine, entropy, analysis }, tensors, { width, height, data }, header, turn, place, importance) {
  const whole = positions(width, height),
    window = seen(place, tensors.header.halo, whole),
    inside = scaled(window, STRIDE);
  const bottom = Math.min(inside.bottom, height),
    right = Math.min(inside.right, width),
    columns = right - inside.left;
  const pixels = new Uint8Array(4 * (bottom - inside.top) * columns);
  for (let row = inside.top; row < bottom; row++)
    pixels.set(data.subarray(4 * (row * width + inside.left), 4 * (row * width + right)), 4 * (row - inside.top) * columns);
  const made = analysis.run(pixels, bottom - inside.top, columns, window.height, window.width, affine(turn), header.quality);
  const { latents } = entropy,
    gain = tensors.array("encoder_gain").subarray(header.quality * latents, (header.quality + 1) * latents);
  const steps = cut(made.latent, window, place, latents);
  for (let i = 0; i < steps.length; i++) steps[i] *= gain[i % latents];
  const hyper = cutHyper(made.hyper, window, place, entropy);
  const tradeoff = tensors.array("tradeoff").subarray(header.quality * latents, (header.quality + 1) * latents);
  return writeTile(engine, entropy, header, place, steps, hyper, tradeoff, cut(importance, whole, place, 1));
}

/** (h, w, channels) of a place out of those of a window around it. */
function cut(values, window, place, channels) {
  const part = new values.constructor(place.height * place.width * channels);
  for (let row = 0; row < place.height; row++) {
    const from = ((place.top - window.top + row) * window.width + place.left - window.left) * channels;
    part.set(values.subarray(from, from + place.width * channels), row * place.width * channels);
  }
  return part;
}

function cutHyper(hyper, window, place, entropy) {
  const [channels, rows, columns] = entropy.hyperShape(place.height, place.width);
  const [, windowRows, windowColumns] = entropy.hyperShape(window.height, window.width);
  const top = (place.top - window.top) / HYPER_STRIDE,
    left = (place.left - window.left) / HYPER_STRIDE;
  const part = new Int32Array(channels * rows * columns);
  for (let channel = 0; channel < channels; channel++)
    for (let row = 0; row < rows; row++) {
      const from = (channel * windowRows + top + row) * windowColumns + left;
      part.set(hyper.subarray(from, from + columns), (channel * rows + row) * columns);
    }
  return part;
}

function writeTile(engine, entropy, header, place, steps, hyper, tradeoff, importance) {
  const mark = engine.mark(),
    { kernels } = engine,
    costs = costsOf(entropy);
  try {
    const { height, width } = place,
      room = 8 * (hyper.length + steps.length) + 64; // two words each, and escapes are rare
    const coder = engine.allocate(kernels.coder_size()),
      words = engine.allocate(4 * room);
    kernels.encoder_open(coder, words);
    const tables = entropy.hyperTables(header.quality, entropy.hyperShape(height, width)),
      n = tables.length;
    const coded = hyper.map((value, i) => (entropy.reach[tables[i]] < 0 ? 0 : value));
    kernels.write_pass(coder, entropy.tables, engine.put(tables), n, 0, 1, engine.allocate(4 * n), engine.put(coded));
    const isCoded = header.grey && entropy.coded ? engine.view(Uint8Array, entropy.coded, entropy.latents).slice() : null;
    entropy.passes(header.quality, coded, height, width, header.grey, (pass, indices, count, ...rest) => {
      const residuals = rest.at(-1);
      choose(engine, entropy, pass, indices, count, residuals, steps, tradeoff, importance, costs, isCoded);
      kernels.write_pass(coder, entropy.tables, indices, count, ...rest);
    });
    const bytes = engine.view(Uint8Array, words, 4 * kernels.encoder_close(coder));
    let end = bytes.length;
    while (end && !bytes[end - 1]) end--; // the decoder takes zeros as read
    return bytes.slice(0, end);
  } finally {
    engine.release(mark);
  }
}

/** Rounds to the nearest whole residual, or to one closer to zero where that saves more bits than it costs in error. */
function choose(
  engine,
  entropy,
  { positions, begin, channels, centres },
  indices,
  count,
  residuals,
  steps,
  tradeoff,
  importance,
  costs,
  isCoded,
) {
  const where = positions(),
    tables = engine.view(Uint8Array, indices, count),
    centre = engine.view(Int32Array, centres, count);
  const chosen = engine.view(Int32Array, residuals, count),
    { reach, latents } = entropy;
  for (let row = 0, i = 0; row < where.length; row++)
    for (let channel = begin; channel < begin + channels; channel++, i++) {
      const table = tables[i];
      chosen[i] = 0;
      if (reach[table] < 0 || (isCoded && !isCoded[channel])) continue;
      const exact = steps[where[row] * latents + channel] - centre[i] / FRACTION,
        nearest = roundEven(exact);
      if (!nearest) continue;
      const closer = nearest - Math.sign(nearest);
      const saved = cost(costs, reach, table, nearest) - cost(costs, reach, table, closer);
      const worse = importance[where[row]] * tradeoff[channel] * ((exact - closer) ** 2 - (exact - nearest) ** 2);
      chosen[i] = saved > worse ? closer : nearest;
    }
}

/** Bits of every symbol of every table, as {bits, starts}. */
function costsOf({ frequencies, reach }) {
  const starts = new Uint32Array(reach.length);
  for (let table = 1; table < reach.length; table++) starts[table] = starts[table - 1] + 2 * reach[table - 1] + 2;
  return { bits: Float64Array.from(frequencies, (frequency) => -Math.log2(frequency / TOTAL)), starts };
}

/** Bits that a residual costs in its table, its escape included. */
function cost({ bits, starts }, reach, table, residual) {
  const excess = Math.abs(residual) - reach[table];
  if (excess <= 0) return bits[starts[table] + residual + reach[table]];
  return bits[starts[table] + 2 * reach[table] + 1] + 1 + Math.log2(ESCAPE_LENGTHS) + (31 - Math.clz32(excess));
}
