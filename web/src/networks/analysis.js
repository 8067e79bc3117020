// Pixels to latents and hyper-latents: the lapped transform, a residual network at 1/8, and hyper-analysis (train/networks/transforms/analysis.py).

import { Epilogue } from "./engine.js";
import { blocks, crossing, modulation, runBlocks } from "./synthesis.js";

const BLOCK = 16,
  DETAIL = 8; // pixels a side of a latent position, and of one of the network's
const HYPER_STRIDE = 4,
  HYPER_MAX = 63;

export class Analysis {
  /** tensors: of an encoder file; model: of the model that it belongs to. */
  constructor(engine, tensors, model) {
    const floats = (name) => tensors.floats(name);
    this.engine = engine;
    this.tables = model;
    const deviation = floats("deviation");
    this.latents = deviation.length;
    this.compression = engine.put(deviation.map((value) => 1 / value));
    this.crossing = crossing(engine, floats("linear.crossing"));
    this.basis = engine.layer(floats("linear.basis"), this.latents);
    this.stemBias = floats("stem.bias");
    this.width = this.stemBias.length;
    this.modulation = floats("modulation");
    this.stem = engine.layer(floats("stem.weight"), this.width, { factor: this.stemBias, offset: this.stemBias });
    this.blocks = blocks(engine, tensors, floats);
    const bias = floats("head.bias").map((value, i) => value * deviation[i]);
    this.head = engine.layer(floats("head.weight"), this.latents, { factor: deviation, offset: bias });
    this.hyperBias = floats("hyper.0.bias");
    this.hyperWeights = floats("hyper.0.weight");
    this.hyper = [
      this.#pointwise(),
      ...[1, 2].map((index) => {
        const offset = floats(`hyper.${index}.bias`);
        return engine.layer(floats(`hyper.${index}.weight`), offset.length, { offset });
      }),
    ];
  }

  /** The first layer of the hyper-analysis, of latents alone; what it makes of the quality is a part of its offset. */
  #pointwise() {
    const outputs = this.hyperBias.length,
      inputs = this.hyperWeights.length / outputs,
      weights = new Float32Array(outputs * this.latents);
    for (let output = 0; output < outputs; output++)
      weights.set(this.hyperWeights.subarray(output * inputs, output * inputs + this.latents), output * this.latents);
    return this.engine.layer(weights, outputs, { offset: this.hyperBias });
  }

  /** Puts in what depends on the quality. */
  #prepare(quality) {
    const { engine, latents, width, stemBias, hyperBias, hyperWeights } = this,
      levelWeights = this.tables.array("level_weights");
    const { scale, shift } = modulation(this.modulation, levelWeights, quality),
      levels = levelWeights.length / 256;
    engine.view(Float32Array, this.stem.factor, width).set(scale);
    engine.view(Float32Array, this.stem.offset, width).set(stemBias.map((value, i) => value * scale[i] + shift[i]));
    const inputs = latents + levels,
      offset = engine.view(Float32Array, this.hyper[0].offset, hyperBias.length);
    hyperBias.forEach((bias, output) => {
      let sum = bias;
      for (let level = 0; level < levels; level++)
        sum += hyperWeights[output * inputs + latents + level] * levelWeights[quality * levels + level];
      offset[output] = sum;
    });
  }

  /** {latent: Float32Array (height, width, M) in image units, hyper: Int32Array (Z, h', w')} of RGBA pixels (rows, columns), whose
   * edges are replicated up to height · width positions. affine: (3, 4), what colours are turned by. */
  run(pixels, rows, columns, height, width, affine, quality) {
    this.#prepare(quality);
    const { engine, latents } = this,
      { kernels } = engine,
      features = this.width,
      n = height * width,
      begin = engine.mark();
    const latent = engine.floats(n * latents),
      mark = engine.mark();
    const planes = engine.floats(3 * BLOCK * BLOCK * n);
    kernels.from_pixels(engine.put(pixels), rows, columns, BLOCK * height, BLOCK * width, engine.put(affine), planes);
    const x = engine.floats(4 * n * features),
      other = engine.floats(4 * n * features);
    const line = engine.floats(width * Math.max(3 * BLOCK * BLOCK, 4 * features));
    for (let row = 0; row < 2 * height; row++) {
      kernels.take_blocks(planes, DETAIL, row, 2 * height, 2 * width, line);
      engine.multiply(this.stem, line, 3 * DETAIL * DETAIL, 2 * width, x + 8 * row * width * features, features);
    }
    const done = runBlocks(engine, this.blocks, x, other, 2 * height, 2 * width);
    kernels.filter(planes, BLOCK * height, BLOCK * width, ...this.crossing, engine.floats(BLOCK * width));
    for (let row = 0; row < height; row++) {
      const target = latent + 4 * row * width * latents;
      kernels.take_blocks(planes, BLOCK, row, height, width, line);
      engine.multiply(this.basis, line, 3 * BLOCK * BLOCK, width, target, latents);
      engine.gather(done, width, 2, features, line, row);
      engine.multiply(this.head, line, 4 * features, width, target, latents, Epilogue.ADD);
    }
    engine.release(mark);
    const hyper = this.#hyper(latent, height, width),
      made = engine.view(Float32Array, latent, n * latents).slice();
    engine.release(begin);
    return { latent: made, hyper };
  }

  /** Whole hyper-latents (Z, h', w'). */
  #hyper(latent, height, width) {
    const { engine, latents } = this,
      [first, second, third] = this.hyper,
      n = height * width;
    const compressed = engine.floats(n * latents),
      hidden = engine.floats(n * first.outputs);
    engine.kernels.compress(latent, n, latents, this.compression, compressed, latents);
    engine.multiply(first, compressed, latents, n, hidden, first.outputs, Epilogue.RELU);
    const rows = Math.ceil(height / HYPER_STRIDE) * HYPER_STRIDE,
      columns = Math.ceil(width / HYPER_STRIDE) * HYPER_STRIDE;
    const padded = this.#padded(hidden, height, width, rows, columns, first.outputs);
    const halved = this.#halve(second, padded, rows, columns, Epilogue.RELU);
    const made = this.#halve(third, halved, rows / 2, columns / 2, Epilogue.LINEAR);
    const count = (rows / 4) * (columns / 4),
      numbers = engine.view(Float32Array, made, count * third.outputs);
    const hyper = new Int32Array(third.outputs * count);
    for (let i = 0; i < count; i++)
      for (let channel = 0; channel < third.outputs; channel++) {
        const value = roundEven(numbers[i * third.outputs + channel]);
        hyper[channel * count + i] = Math.max(-HYPER_MAX, Math.min(HYPER_MAX, value));
      }
    return hyper;
  }

  /** Edges replicated below and to the right. */
  #padded(x, height, width, rows, columns, channels) {
    const { engine } = this,
      y = engine.floats(rows * columns * channels),
      numbers = engine.view(Float32Array, 0, engine.size / 4);
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) {
        const from = x / 4 + (Math.min(row, height - 1) * width + Math.min(column, width - 1)) * channels;
        numbers.copyWithin(y / 4 + (row * columns + column) * channels, from, from + channels);
      }
    return y;
  }

  /** A 3x3 convolution of stride 2, edges replicated. */
  #halve(layer, x, height, width, epilogue) {
    const { engine } = this,
      channels = layer.inputs / 9,
      positions = [];
    for (let row = 0; row < height; row += 2)
      for (let column = 0; column < width; column += 2) positions.push(row * width + column);
    const n = positions.length,
      around = engine.floats(n * layer.inputs),
      y = engine.floats(n * layer.outputs);
    engine.kernels.neighbours(x, channels, height, width, channels, engine.put(Uint32Array.from(positions)), n, around);
    engine.multiply(layer, around, layer.inputs, n, y, layer.outputs, epilogue);
    return y;
  }
}

/** The nearest whole number, of two the even one. */
export function roundEven(value) {
  const below = Math.floor(value),
    rest = value - below;
  if (rest === 0.5) return below % 2 === 0 ? below : below + 1;
  return rest < 0.5 ? below : below + 1;
}
