// Hyper-latents, features and passes: what is coded, in whole numbers that are the same everywhere (FORMAT.md, section 5).

import { StreamError } from "../errors.js";
import { Epilogue } from "./engine.js";

const HYPER_STRIDE = 4; // latent positions a hyper-latent position
const HYPER_MAX = 63,
  HIDDEN_MAX = 1023,
  MEAN_MAX = 4095,
  SCALE_MAX = 1023; // limits of activations
const GATHERED = 256; // positions whose neighbourhoods are gathered at a time
const TOTAL = 1 << 24;

/** Words as the range coder reads them, the last filled up with zero bytes. */
function words(bytes) {
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  padded.set(bytes);
  return new Uint32Array(padded.buffer); // typed arrays are little-endian wherever WebAssembly runs in practice
}

/** Reads residuals from a tile's words. */
export class Reader {
  constructor(engine, tables, payload) {
    this.engine = engine;
    this.tables = tables;
    this.coder = engine.allocate(engine.kernels.coder_size());
    const array = words(payload);
    engine.kernels.decoder_open(this.coder, engine.put(array), array.length);
  }

  /** One pass, in the kernels' memory. coded: address of a byte a channel, or 0. */
  pass(indices, n, coded, channels, order, residuals) {
    if (!this.engine.kernels.read_pass(this.coder, this.tables, indices, n, coded, channels, order, residuals))
      throw new StreamError("is damaged: its words make no sense");
  }

  finish() {
    if (!this.engine.kernels.decoder_exhausted(this.coder)) throw new StreamError("is damaged: data is left over");
  }
}

/** The integer networks and tables of a model. */
export class EntropyModel {
  constructor(engine, tensors) {
    this.engine = engine;
    this.tensors = tensors;
    this.groups = tensors.header.groups;
    this.latents = this.groups.reduce((sum, size) => sum + size, 0);
    this.reach = tensors.array("reach");
    this.frequencies = tensors.array("frequencies");
    this.tables = this.#openTables();
    this.features = ["first", "spread", "last"].map((name) => this.#layer(`features.${name}`));
    this.contexts = this.groups
      .flatMap((_, group) => [2 * group, 2 * group + 1])
      .map((pass) =>
        Object.fromEntries(
          ["squeeze", "spatial", "mix", "mean", "scale"].map((name) => [name, this.#layer(`context${pass}.${name}`)]),
        ),
      );
    this.coded = tensors.has("grey") ? engine.put(tensors.array("grey")) : 0;
    this.rows = Object.fromEntries(
      ["scale_offset", "mean_factor", "known_factor"].map((name) => {
        const array = tensors.array(name);
        return [name, { place: engine.put(array), bytes: (array.BYTES_PER_ELEMENT * array.length) / 256 }];
      }),
    );
  }

  #layer(name) {
    const tensors = this.tensors,
      [outputs] = tensors.shape(`${name}.weight`);
    return this.engine.layer(tensors.array(`${name}.weight`), outputs, {
      factor: tensors.array(`${name}.factor`),
      offset: tensors.array(`${name}.offset`),
    });
  }

  #openTables() {
    const { engine, reach, frequencies } = this,
      starts = new Uint32Array(reach.length),
      cumulative = [];
    let place = 0;
    reach.forEach((own, table) => {
      starts[table] = cumulative.length;
      const size = 2 * own + 2;
      let sum = 0;
      for (let symbol = 0; symbol < size; symbol++) {
        cumulative.push(sum);
        sum += frequencies[place + symbol];
      }
      if (size) cumulative.push(sum);
      if (size && sum !== TOTAL) throw new Error(`table ${table} sums to ${sum}`);
      place += size;
    });
    const tables = engine.allocate(engine.kernels.tables_size()),
      bins = engine.allocate(2 * 257 * reach.length);
    const rest = [Uint32Array.from(cumulative), starts, reach].map((array) => engine.put(array));
    engine.kernels.tables_open(tables, ...rest, bins, reach.length);
    return tables;
  }

  hyperShape(height, width) {
    return [this.tensors.shape("hyper_index")[1], Math.ceil(height / HYPER_STRIDE), Math.ceil(width / HYPER_STRIDE)];
  }

  /** Tables of the hyper-latents, channel by channel. */
  hyperTables(quality, [channels, rows, columns]) {
    const index = this.tensors.array("hyper_index"),
      tables = new Uint8Array(channels * rows * columns);
    for (let channel = 0; channel < channels; channel++)
      tables.fill(index[quality * channels + channel], channel * rows * columns, (channel + 1) * rows * columns);
    return tables;
  }

  /** Decoded latents (height, width, M) of a tile in sixteenths of a step, as Int32Array; of the first `groups` alone, if given. */
  decode(quality, height, width, payload, grey, groups) {
    const { engine } = this,
      mark = engine.mark();
    try {
      const reader = new Reader(engine, this.tables, payload),
        shape = this.hyperShape(height, width);
      const tables = this.hyperTables(quality, shape),
        n = tables.length;
      const residuals = engine.allocate(4 * n);
      reader.pass(engine.put(tables), n, 0, 1, engine.allocate(4 * n), residuals);
      const hyper = engine.view(Int32Array, residuals, n).slice();
      const values = this.passes(quality, hyper, height, width, grey, (_, ...pass) => reader.pass(...pass), groups);
      if (groups === undefined) reader.finish();
      return values;
    } finally {
      engine.release(mark);
    }
  }

  /** The pass schedule, for a decoder and an encoder alike.
   *
   * hyper: (Z, h', w') whole numbers. code: called for each pass with {positions, channels, centres}, and then what
   * `Reader.pass` takes; it leaves residuals at the last address. */
  passes(quality, hyper, height, width, grey, code, groups = this.groups.length) {
    const { engine, latents } = this,
      { kernels } = engine,
      n = height * width;
    const planes = this.tensors.array("planes"),
      levels = planes.length / 256,
      features = this.features[2].outputs;
    const fixed = features + levels,
      pitch = fixed + latents,
      half = Math.ceil(n / 2),
      most = half * Math.max(...this.groups);
    const context = engine.floats(n * pitch),
      values = engine.allocate(4 * n * latents),
      squeezed = engine.floats(n * this.contexts[0].squeeze.outputs);
    const tables = engine.allocate(most),
      [centres, order, residuals] = [0, 0, 0].map(() => engine.allocate(4 * most));
    const places = engine.allocate(4 * half),
      room = this.#room();
    engine.view(Float32Array, context, n * pitch).fill(0);
    engine.view(Int32Array, values, n * latents).fill(0);
    this.#featuresInto(hyper, height, width, context, pitch);
    const floats = engine.view(Float32Array, context, n * pitch);
    for (let position = 0; position < n; position++)
      for (let level = 0; level < levels; level++)
        floats[position * pitch + features + level] = planes[quality * levels + level];
    let begin = 0;
    for (const [group, channels] of this.groups.slice(0, groups).entries()) {
      for (const parity of [0, 1]) {
        const count = this.#positions(height, width, parity, places);
        if (!count) continue; // a tile of one position has no second pass
        const network = this.contexts[2 * group + parity];
        engine.multiply(network.squeeze, context, pitch, n, squeezed, network.squeeze.outputs, Epilogue.INTEGER, 0, HIDDEN_MAX);
        const row = (name) =>
          this.rows[name].place + quality * this.rows[name].bytes + (begin * this.rows[name].bytes) / latents;
        for (let first = 0; first < count; first += GATHERED) {
          const some = Math.min(GATHERED, count - first);
          this.#predict(network, squeezed, height, width, places + 4 * first, some, room);
          kernels.predict(
            room.mean,
            room.scale,
            some,
            channels,
            row("scale_offset"),
            row("mean_factor"),
            this.reach.length - 1,
            tables + first * channels,
            centres + 4 * first * channels,
          );
        }
        const positions = () => engine.view(Uint32Array, places, count);
        code(
          { positions, begin, channels, centres, tables },
          tables,
          count * channels,
          grey && this.coded ? this.coded + begin : 0,
          channels,
          order,
          residuals,
        );
        kernels.settle(
          residuals,
          centres,
          places,
          count,
          channels,
          row("known_factor"),
          values + 4 * begin,
          latents,
          context + 4 * (fixed + begin),
          pitch,
        );
      }
      begin += channels;
    }
    return engine.view(Int32Array, values, n * latents).slice();
  }

  #room() {
    const { spatial, mix } = this.contexts[0],
      most = Math.max(...this.groups);
    const [around, common, mixed, mean, scale] = [spatial.inputs, spatial.outputs, mix.outputs, most, most].map((size) =>
      this.engine.floats(GATHERED * size),
    );
    return { around, common, mixed, mean, scale };
  }

  /** Mean and log-scale at some positions. */
  #predict(network, squeezed, height, width, places, n, room) {
    const { engine } = this,
      { squeeze, spatial, mix, mean, scale } = network;
    engine.kernels.neighbours(squeezed, squeeze.outputs, height, width, squeeze.outputs, places, n, room.around);
    engine.multiply(spatial, room.around, spatial.inputs, n, room.common, spatial.outputs, Epilogue.INTEGER, 0, HIDDEN_MAX);
    engine.multiply(mix, room.common, mix.inputs, n, room.mixed, mix.outputs, Epilogue.INTEGER, 0, HIDDEN_MAX);
    engine.multiply(mean, room.mixed, mean.inputs, n, room.mean, mean.outputs, Epilogue.INTEGER, -MEAN_MAX, MEAN_MAX);
    engine.multiply(scale, room.mixed, scale.inputs, n, room.scale, scale.outputs, Epilogue.INTEGER, -SCALE_MAX, SCALE_MAX);
  }

  /** Positions whose row + column has that parity, in raster order, to an address; returns how many. */
  #positions(height, width, parity, place) {
    const positions = this.engine.view(Uint32Array, place, Math.ceil((height * width) / 2));
    let count = 0;
    for (let row = 0; row < height; row++)
      for (let column = (row + parity) % 2; column < width; column += 2) positions[count++] = row * width + column;
    return count;
  }

  /** What the hyper-latents say, (height, width, features) with rows of `pitch` numbers. */
  #featuresInto(hyper, height, width, target, pitch) {
    const { engine } = this,
      [first, spread, last] = this.features,
      mark = engine.mark();
    const [channels, rows, columns] = this.hyperShape(height, width),
      n = rows * columns,
      size = HYPER_STRIDE;
    const units = new Float32Array(n * channels);
    for (let channel = 0; channel < channels; channel++)
      for (let i = 0; i < n; i++)
        units[i * channels + channel] = Math.max(-HYPER_MAX, Math.min(HYPER_MAX, hyper[channel * n + i]));
    const hidden = this.#convolve(first, engine.put(units), rows, columns);
    const wide = engine.floats(n * size * size * last.outputs),
      line = engine.floats(columns * spread.outputs);
    for (let row = 0; row < rows; row++) {
      engine.multiply(
        spread,
        hidden + 4 * row * columns * first.outputs,
        first.outputs,
        columns,
        line,
        spread.outputs,
        Epilogue.INTEGER,
        0,
        HIDDEN_MAX,
      );
      engine.spread(line, columns, size, spread.outputs / (size * size), wide, row);
    }
    const made = this.#convolve(last, wide, rows * size, columns * size),
      features = last.outputs;
    const numbers = engine.view(Float32Array, 0, engine.size / 4);
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++) {
        const from = made / 4 + (row * columns * size + column) * features;
        numbers.copyWithin(target / 4 + (row * width + column) * pitch, from, from + features);
      }
    engine.release(mark);
  }

  /** A 3x3 integer convolution at every position, edges replicated. */
  #convolve(layer, x, height, width) {
    const { engine } = this,
      n = height * width,
      y = engine.floats(n * layer.outputs),
      channels = layer.inputs / 9;
    const mark = engine.mark(),
      around = engine.floats(GATHERED * layer.inputs);
    const places = engine.put(Uint32Array.from({ length: n }, (_, i) => i));
    for (let begin = 0; begin < n; begin += GATHERED) {
      const some = Math.min(GATHERED, n - begin);
      engine.kernels.neighbours(x, channels, height, width, channels, places + 4 * begin, some, around);
      engine.multiply(
        layer,
        around,
        layer.inputs,
        some,
        y + 4 * begin * layer.outputs,
        layer.outputs,
        Epilogue.INTEGER,
        0,
        HIDDEN_MAX,
      );
    }
    engine.release(mark);
    return y;
  }
}
