// Pixels to a file, as codec/encode.py does it. Encoders may differ; what their files decode to does not.

import { filled } from "./encoder/fill.js";
import { chosen, look, maskOf, whole } from "./encoder/mode-decision.js";
import { LARGEST } from "./encoder/lossless.js";
import { errorImportance } from "./encoder/masking.js";
import { ImageError } from "./errors.js";
import { Kind, NO_MODEL, concatenate, pack } from "./format/container.js";
import { checkPicture } from "./format/limits.js";
import { encodeAlpha } from "./format/alpha.js";
import { wrap } from "./format/picture.js";
import { principal } from "./format/principal.js";
import { STRIDE, box, grown, places, positions, scaled } from "./format/tiles.js";
import { affine, inverse, packTurn } from "./format/turn.js";
import { Analysis, roundEven } from "./networks/analysis.js";

const TILED_ABOVE = 4 << 20; // pixels
const TURNED_FROM = 1 << 14; // pixels: of a smaller picture's few hundred bytes, six are more than a turn saves
const HYPER_RECEPTIVE_FIELD = 3,
  HYPER_STRIDE = 4; // positions that a hyper-latent sees before its first; positions of one
const FRACTION = 16,
  TOTAL = 1 << 24,
  ESCAPE_LENGTHS = 24;
const QUALITIES = 256;

/** The bytes of a file. picture: {width, height, data (RGBA)}. Colours are taken as sRGB; a picture of greys is coded as grey. */
export async function encode(given, store, { quality = 50, lossless, model = "base", tile = false, maxPixels } = {}) {
  if (!(quality >= 0 && quality <= 100)) throw new RangeError(`quality must be between 0 and 100, not ${quality}`);
  const { width, height, data } = given;
  if (data.length !== 4 * width * height || !data.length)
    throw new ImageError(`${data.length} bytes are not ${width}x${height} pixels`);
  checkPicture(width, height, maxPixels);
  const opacities = Uint8Array.from({ length: width * height }, (_, i) => data[4 * i + 3]),
    opaque = opacities.every((level) => level === 255),
    picture = opaque
      ? given
      : filled(
          given,
          opacities.map((level) => Number(!level)),
        ),
    grey = isGrey(picture.data);
  const header = {
    modelId: NO_MODEL,
    quality: lossless ? QUALITIES - 1 : roundEven((quality * (QUALITIES - 1)) / 100),
    width,
    height,
    grey,
    tiled: tile || width * height > TILED_ABOVE || Math.max(width, height) > LARGEST,
  };
  const tiles = places(header).map((place) => ({ place, area: grown(scaled(place, STRIDE), 0, box(0, 0, height, width)) }));
  const forms = lossless
    ? await kept(picture, tiles)
    : await traded(picture, store, model, header, tiles, lossless === undefined);
  header.overlaid = forms.some(({ overlay }) => overlay);
  if (forms.every(({ words }) => !words)) Object.assign(header, { modelId: NO_MODEL, turned: false });
  const sections = forms.flatMap(({ words }, number) =>
    words ? { kind: Kind.PICTURE, body: wrap(header, number, words) } : [],
  );
  if (!opaque) sections.push({ kind: Kind.ALPHA, body: encodeAlpha(opacities, width, height) });
  forms.forEach(({ overlay }, number) => overlay && sections.push({ kind: Kind.OVERLAY, body: wrap(header, number, overlay) }));
  store.trim();
  return pack(header, sections);
}

/** Every tile as it is, without loss. */
async function kept(picture, tiles) {
  const forms = [];
  for (const { area } of tiles) {
    const overlay = await whole(opaquePart(picture, area), area.width, area.height);
    if (!overlay) throw new ImageError("cannot be kept without loss: there is no exact encoder of lossless WebP here");
    forms.push({ words: null, overlay });
  }
  return forms;
}

/** What is coded of each tile; puts into the header what depends on the model. choosing: whether tiles may be kept without loss. */
async function traded(picture, store, model, header, tiles, choosing) {
  const { width, height, grey } = header,
    entry = await store.named(model),
    networks = await store.networks(entry),
    tensors = await store.encoder(entry);
  const looks = [];
  if (choosing)
    for (const { area } of tiles) looks.push(await look(opaquePart(picture, area), area.width, area.height));
  const smooth = withoutDrawings(picture, tiles, looks),
    turn = grey || width * height < TURNED_FROM ? null : principal(smooth.data, width, height);
  Object.assign(header, { modelId: grey ? networks.tensors.header.grey : entry.id, turned: Boolean(turn) });
  networks.analysis ??= new Analysis(networks.engine, tensors, networks.tensors);
  const importance = new Map();
  const coded = (image, place) => {
    if (!importance.has(image)) importance.set(image, errorImportance(image, tensors.header.masking));
    return encodeTile(networks, tensors, image, header, turn, place, importance.get(image));
  };
  const forms = [];
  for (const [number, { place, area }] of tiles.entries()) {
    const code = (isSmooth) => {
      const { words, values } = coded(isSmooth ? smooth : picture, place),
        part = box(0, 0, area.height, area.width);
      const decode = async () => {
        const { network } = (await store.synthesis(entry, header.quality)).synthesis;
        return network.pixels(values, place.height, place.width, header.quality, part, inverse(turn), grey);
      };
      return { words: turn ? concatenate([packTurn(turn), words]) : words, decode };
    };
    const seen = looks[number];
    if (!seen) forms.push({ words: code(false).words });
    else forms.push(await chosen({ pixels: opaquePart(picture, area), grey, ...area, ...seen }, header.quality, code));
  }
  return forms;
}

/** The picture with what is drawn in its tiles filled in; looks: at each tile, if anyone looked. */
function withoutDrawings(picture, tiles, looks) {
  if (!looks.some(({ drawn }) => drawn)) return picture;
  const mask = new Uint8Array(picture.width * picture.height);
  tiles.forEach(({ area }, number) => {
    const part = maskOf(looks[number].drawn, area.width, area.height);
    for (let row = 0; row < area.height; row++)
      mask.set(part.subarray(row * area.width, (row + 1) * area.width), (area.top + row) * picture.width + area.left);
  });
  return filled(picture, mask);
}

/** RGBA of a part of a picture, opaque. */
function opaquePart({ width, data }, area) {
  const part = new Uint8ClampedArray(4 * area.width * area.height);
  for (let row = 0; row < area.height; row++) {
    const from = 4 * ((area.top + row) * width + area.left);
    part.set(data.subarray(from, from + 4 * area.width), 4 * row * area.width);
  }
  for (let i = 3; i < part.length; i += 4) part[i] = 255;
  return part;
}

function isGrey(data) {
  for (let i = 0; i < data.length; i += 4) if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return false;
  return true;
}

/** What the analysis must be given for the latents of `place` to be those of the whole picture. */
function seen(place, receptiveField, whole) {
  const before = Math.ceil((receptiveField + HYPER_RECEPTIVE_FIELD) / HYPER_STRIDE) * HYPER_STRIDE;
  return box(
    Math.max(place.top - before, whole.top),
    Math.max(place.left - before, whole.left),
    Math.min(place.bottom + receptiveField, whole.bottom),
    Math.min(place.right + receptiveField, whole.right),
  );
}

/** The words of one tile, and the latents that they decode to. */
function encodeTile({ engine, entropy, analysis }, tensors, { width, height, data }, header, turn, place, importance) {
  const whole = positions(width, height),
    window = seen(place, tensors.header.receptive_field, whole),
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
  const rdoqLambda = tensors.array("rdoq_lambda").subarray(header.quality * latents, (header.quality + 1) * latents);
  return writeTile(engine, entropy, header, place, steps, hyper, rdoqLambda, cut(importance, whole, place, 1));
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

function writeTile(engine, entropy, header, place, steps, hyper, rdoqLambda, importance) {
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
    const values = entropy.passes(header.quality, coded, height, width, header.grey, (pass, indices, count, ...rest) => {
      const residuals = rest.at(-1);
      choose(engine, entropy, pass, indices, count, residuals, steps, rdoqLambda, importance, costs, isCoded);
      kernels.write_pass(coder, entropy.tables, indices, count, ...rest);
    });
    const bytes = engine.view(Uint8Array, words, 4 * kernels.encoder_close(coder));
    let end = bytes.length;
    while (end && !bytes[end - 1]) end--; // the decoder takes zeros as read
    return { words: bytes.slice(0, end), values };
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
  rdoqLambda,
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
      const worse = importance[where[row]] * rdoqLambda[channel] * ((exact - closer) ** 2 - (exact - nearest) ** 2);
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
