// Latents to planes of colour: the inverse lapped transform, and a residual network at 1/8 or 1/16
// (train/networks/transforms/synthesis.py).

import { Epilogue } from "./engine.js";

export const BLOCK = 16; // pixels a side of a latent position
const FRACTION = 16; // decoded latents are whole sixteenths of a quantiser step
const CHUNK = 32; // positions that `block` has room for

/** Weights of a synthesis by name, those of two mixed where realism lies between them. */
export function mixed(own, trained, realism) {
  if (!trained || realism === 0) return (name) => own.floats(name);
  if (realism === 1) return (name) => trained.floats(name);
  return (name) => {
    const [one, other] = [own.floats(name), trained.floats(name)];
    return one.map((value, i) => (1 - realism) * value + realism * other[i]);
  };
}

/** The residual blocks of a transform. */
export function blocks(engine, tensors, weights) {
  const made = [];
  for (let index = 0; tensors.has(`blocks.${index}.expand.weight`); index++) {
    const name = `blocks.${index}`,
      [expanded, channels] = tensors.shape(`${name}.expand.weight`);
    made.push({
      channels,
      expanded,
      depthwise: [engine.put(weights(`${name}.depthwise.weight`)), engine.put(weights(`${name}.depthwise.bias`))],
      expand: engine.layer(weights(`${name}.expand.weight`), expanded, { offset: weights(`${name}.expand.bias`) }),
      project: engine.layer(weights(`${name}.project.weight`), channels, { offset: weights(`${name}.project.bias`) }),
    });
  }
  return made;
}

/** Runs blocks on (height, width, channels) at x; other: room for as much. Returns where the result is. */
export function runBlocks(engine, list, x, other, height, width) {
  const mark = engine.mark();
  let [from, to] = [x, other];
  for (const { channels, expanded, depthwise, expand, project } of list) {
    const work = engine.floats(CHUNK * (channels + expanded));
    engine.kernels.block(
      from,
      height,
      width,
      channels,
      expanded,
      ...depthwise,
      expand.weights,
      expand.offset,
      project.weights,
      project.offset,
      work,
      to,
    );
    [from, to] = [to, from];
    engine.release(mark);
  }
  return from;
}

/** What a quality's row of a table (levels, size) is between those of the levels. */
function interpolated(table, levelWeights, quality) {
  const levels = levelWeights.length / 256,
    size = table.length / levels,
    row = new Float32Array(size);
  for (let level = 0; level < levels; level++)
    for (let i = 0; i < size; i++) row[i] += levelWeights[quality * levels + level] * table[level * size + i];
  return row;
}

/** Scale and shift of features for a quality, of a modulation table (levels, 2 · width). */
export function modulation(table, levelWeights, quality) {
  const row = interpolated(table, levelWeights, quality),
    size = row.length;
  return { scale: row.subarray(0, size / 2).map((value) => 1 + value), shift: row.subarray(size / 2) };
}

/** A transform's matrix of a filter across block boundaries, as `filter` takes it. */
export const crossing = (engine, matrix) => [engine.layer(matrix, BLOCK).weights, engine.put(matrix)];

export class Synthesis {
  /** tensors: of the file whose shapes count; weights: by name; model: tensors of the model that it belongs to. */
  constructor(engine, tensors, weights, model) {
    this.engine = engine;
    this.tables = model;
    this.logScale = weights("log_scale");
    this.logGain = weights("log_gain");
    this.latents = tensors.shape("log_scale")[1];
    this.factor = engine.floats(this.latents); // of latents before they are compressed
    this.#addBasis(weights("linear.basis"), model.header.groups[0]);
    this.crossing = crossing(engine, weights("linear.crossing"));
    this.stemBias = weights("stem.bias");
    this.modulation = weights("modulation");
    this.stem = engine.layer(weights("stem.weight"), this.stemBias.length, { factor: this.stemBias, offset: this.stemBias });
    this.blocks = blocks(engine, tensors, weights);
    const [outputs, width] = tensors.shape("head.weight");
    this.width = width;
    this.detail = Math.sqrt(outputs / 3); // pixels a side of one of the network's positions
    this.finer = BLOCK / this.detail; // of those in a latent position, along a side
    this.head = engine.layer(weights("head.weight"), outputs, { offset: weights("head.bias") });
    this.step = engine.floats(this.latents);
  }

  /** The linear transform's matrix, and the part of it that the first `channels` latents take. */
  #addBasis(matrix, channels) {
    const outputs = 3 * BLOCK * BLOCK,
      coarse = new Float32Array(outputs * channels);
    for (let i = 0; i < coarse.length; i++) coarse[i] = matrix[Math.floor(i / channels) * this.latents + (i % channels)];
    this.basis = this.engine.layer(matrix, outputs);
    this.coarse = this.engine.layer(coarse, outputs);
  }

  /** Puts in what depends on the quality. Returns the same: step, factor and gain of each latent, factors and then offsets of the
   * stem's outputs. */
  prepare(quality) {
    const { engine, latents, width, stemBias } = this,
      steps = this.tables.array("step"),
      levelWeights = this.tables.array("level_weights");
    const { scale, shift } = modulation(this.modulation, levelWeights, quality);
    const step = Float32Array.from({ length: latents }, (_, i) => steps[quality * latents + i] / FRACTION),
      factor = interpolated(this.logScale, levelWeights, quality).map((value) => Math.exp(-value));
    this.gain = interpolated(this.logGain, levelWeights, quality).map((value) => Math.exp(value));
    const rows = stemBias.length,
      stem = new Float32Array(2 * rows);
    for (let i = 0; i < rows; i++) {
      stem[i] = scale[i % width];
      stem[rows + i] = stemBias[i] * scale[i % width] + shift[i % width];
    }
    engine.view(Float32Array, this.step, latents).set(step);
    engine.view(Float32Array, this.factor, latents).set(factor);
    engine.view(Float32Array, this.stem.factor, rows).set(stem.subarray(0, rows));
    engine.view(Float32Array, this.stem.offset, rows).set(stem.subarray(rows));
    return { step, factor, gain: this.gain, stem };
  }

  /** RGBA, opaque, of a part of what latents stand for.
   *
   * values: (height, width, M) sixteenths of a step. part: a box of their pixels. turn: (3, 4), what colours are turned back by.
   * grey: whether the three are one. preview: from the first group of latents alone and without the network, in a tenth of the
   * time. */
  pixels(values, height, width, quality, part, turn, grey, preview = false) {
    const { engine } = this,
      mark = engine.mark(),
      size = 4 * part.width * part.height;
    try {
      const planes = preview ? this.#coarse(values, height, width, quality) : this.#planes(values, height, width, quality);
      const target = engine.allocate(size);
      engine.kernels.to_pixels(
        planes,
        BLOCK * height,
        BLOCK * width,
        part.top,
        part.left,
        part.height,
        part.width,
        engine.put(turn),
        Number(grey),
        target,
      );
      return engine.view(Uint8Array, target, size).slice();
    } finally {
      engine.release(mark);
    }
  }

  /** Address of planes (3, 16 · height, 16 · width), to which 0.5 is still to be added. */
  #planes(values, height, width, quality) {
    this.prepare(quality);
    const { engine, latents, finer, detail } = this,
      { kernels } = engine,
      n = height * width,
      features = this.width,
      size = finer * finer * features;
    const planes = engine.floats(3 * BLOCK * BLOCK * n),
      mark = engine.mark();
    const latent = engine.floats(n * latents),
      whole = engine.put(values);
    kernels.dequantise(whole, n, latents, this.step, latent);
    kernels.compress(latent, n, latents, this.factor, whole, latents); // in the place of the whole numbers
    this.#amplify(engine.view(Float32Array, whole, n * latents));
    const x = engine.floats(n * size),
      other = engine.floats(n * size),
      line = this.#line(width);
    for (let row = 0; row < height; row++) {
      engine.multiply(this.stem, whole + 4 * row * width * latents, latents, width, line, size);
      engine.spread(line, width, finer, features, x, row);
    }
    const done = runBlocks(engine, this.blocks, x, other, finer * height, finer * width);
    this.#place(this.basis, latent, height, width, line, planes);
    if (finer > 1) this.#filter(height, width, line, planes); // else it smooths what the network adds, too
    for (let row = 0; row < finer * height; row++) {
      engine.multiply(this.head, done + 4 * row * finer * width * features, features, finer * width, line, 3 * detail * detail);
      kernels.place_blocks(line, detail, row, finer * height, finer * width, 1, planes);
    }
    if (finer === 1) this.#filter(height, width, line, planes);
    engine.release(mark);
    return planes;
  }

  /** The same from the first group of latents alone and without the network. */
  #coarse(values, height, width, quality) {
    this.prepare(quality);
    const { engine, latents } = this,
      n = height * width;
    const planes = engine.floats(3 * BLOCK * BLOCK * n),
      mark = engine.mark(),
      latent = engine.floats(n * latents);
    engine.kernels.dequantise(engine.put(values), n, latents, this.step, latent);
    const line = this.#line(width);
    this.#place(this.coarse, latent, height, width, line, planes);
    this.#filter(height, width, line, planes);
    engine.release(mark);
    return planes;
  }

  /** Multiplies compressed latents by their channels' gains. */
  #amplify(values) {
    const { gain, latents } = this;
    if (gain.every((value) => value === 1)) return;
    for (let place = 0; place < values.length; place += latents) for (let i = 0; i < latents; i++) values[place + i] *= gain[i];
  }

  /** Room for what a layer makes of a row. */
  #line(width) {
    return this.engine.floats(width * Math.max(this.stemBias.length, 3 * BLOCK * BLOCK));
  }

  /** Blocks of the lapped transform, onto planes. */
  #place(basis, latent, height, width, line, planes) {
    const { engine, latents } = this;
    for (let row = 0; row < height; row++) {
      engine.multiply(basis, latent + 4 * row * width * latents, latents, width, line, 3 * BLOCK * BLOCK);
      engine.kernels.place_blocks(line, BLOCK, row, height, width, 0, planes);
    }
  }

  /** The filter across their boundaries. */
  #filter(height, width, line, planes) {
    this.engine.kernels.filter(planes, BLOCK * height, BLOCK * width, ...this.crossing, line);
  }
}
