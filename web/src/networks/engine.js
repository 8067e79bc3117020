// The kernels (kernels/*.c) and their memory. All numbers that kernels take are addresses there, or plain.

import { StreamError } from "../errors.js";
import { load } from "./load.js";

export const PANEL = 8; // outputs that `multiply` takes together
const PAGE = 65536;
export const Epilogue = Object.freeze({ LINEAR: 0, RELU: 1, INTEGER: 2, ADD: 3 });

let compiled;

/** One WebAssembly instance. Room is given in order and taken back in order (`mark`, `release`). */
export class Engine {
  static async create() {
    compiled ??= load(new URL("../../kernels/kernels.wasm", import.meta.url)).then((bytes) => WebAssembly.compile(bytes));
    return new Engine((await WebAssembly.instantiate(await compiled)).exports);
  }

  constructor(kernels) {
    this.kernels = kernels;
    this.memory = kernels.memory;
    this.top = (kernels.__heap_base.value + 15) & ~15;
  }

  /** Bytes that have been taken from the system; they are not given back. */
  get size() {
    return this.memory.buffer.byteLength;
  }

  allocate(bytes) {
    const place = this.top,
      top = Math.ceil((place + bytes) / 16) * 16;
    const missing = top - this.size;
    if (missing > 0) {
      try {
        this.memory.grow(Math.ceil(missing / PAGE));
      } catch {
        throw new StreamError("takes more memory to decode than there is");
      }
    }
    this.top = top;
    return place;
  }

  mark() {
    return this.top;
  }

  release(mark) {
    this.top = mark;
  }

  /** A view of `count` elements of a typed array's kind; any later `allocate` may detach it. */
  view(Kind, place, count) {
    return new Kind(this.memory.buffer, place, count);
  }

  floats(count) {
    return this.allocate(4 * count);
  }

  /** A copy of a typed array in the kernels' memory. */
  put(array) {
    const place = this.allocate(array.byteLength);
    this.view(array.constructor, place, array.length).set(array);
    return place;
  }

  /** An array of one number an output, filled up to whole panels. */
  #filled(array) {
    const place = this.floats(Math.ceil(array.length / PANEL) * PANEL);
    this.view(Float32Array, place, Math.ceil(array.length / PANEL) * PANEL)
      .fill(0)
      .set(array);
    return place;
  }

  /** A layer over channels: weights (outputs, inputs), row by row; factor and offset: one number an output, or nothing. */
  layer(weights, outputs, { factor, offset } = {}) {
    const inputs = weights.length / outputs,
      panels = Math.ceil(outputs / PANEL);
    const place = this.floats(panels * PANEL * inputs),
      packed = this.view(Float32Array, place, panels * PANEL * inputs);
    packed.fill(0);
    for (let output = 0; output < outputs; output++)
      for (let input = 0, at = (output - (output % PANEL)) * inputs + (output % PANEL); input < inputs; input++, at += PANEL)
        packed[at] = weights[output * inputs + input];
    return {
      weights: place,
      inputs,
      outputs,
      factor: factor ? this.#filled(factor) : 0,
      offset: offset ? this.#filled(offset) : 0,
    };
  }

  /** A layer's outputs for n positions. */
  multiply(layer, x, pitch, n, y, yPitch, epilogue = Epilogue.LINEAR, low = 0, high = 0) {
    this.kernels.multiply(
      x,
      pitch,
      n,
      layer.inputs,
      layer.weights,
      layer.outputs,
      layer.factor,
      layer.offset,
      epilogue,
      low,
      high,
      y,
      yPitch,
    );
  }

  /** Rows of (size, size, channels) numbers, one a position of a row of blocks, to where each stands in (rows, columns, channels). */
  spread(rows, count, size, channels, target, row) {
    const numbers = this.view(Float32Array, 0, this.size / 4);
    const pitch = count * size * channels,
      length = size * channels;
    for (let block = 0; block < count; block++)
      for (let line = 0; line < size; line++) {
        const from = rows / 4 + (block * size + line) * length;
        numbers.copyWithin(target / 4 + (row * size + line) * pitch + block * length, from, from + length);
      }
  }

  /** The inverse of `spread`. */
  gather(source, count, size, channels, rows, row) {
    const numbers = this.view(Float32Array, 0, this.size / 4);
    const pitch = count * size * channels,
      length = size * channels;
    for (let block = 0; block < count; block++)
      for (let line = 0; line < size; line++) {
        const from = source / 4 + (row * size + line) * pitch + block * length;
        numbers.copyWithin(rows / 4 + (block * size + line) * length, from, from + length);
      }
  }
}
