// Files that `metamer export --web` writes (train/export/web/files.py): a header and named arrays.

import { ModelError } from "../errors.js";

const FORMAT = 3;
const TYPES = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  float32: Float32Array,
  float16: Uint16Array, // as it is stored; `floats` makes numbers of it
};
const WORDS = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array };

/** Header and arrays of a file. */
export async function parse(bytes, name) {
  try {
    const whole = new Uint8Array(
      await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer(),
    );
    const length = new DataView(whole.buffer).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(whole.subarray(4, 4 + length)));
    if (header.format !== FORMAT) throw new Error(`its format is ${header.format}, not ${FORMAT}`);
    const tensors = new Map();
    let place = 4 + length;
    for (const entry of header.tensors) {
      const array = read(whole, place, entry);
      place += array.byteLength;
      tensors.set(entry.name, { array, type: entry.type, shape: entry.shape, scale: entry.scale });
    }
    if (place !== whole.length) throw new Error("its length is wrong");
    return new Tensors(header, tensors);
  } catch (problem) {
    throw new ModelError(`${name} is not a model for browsers: ${problem.message}`);
  }
}

/** An array out of planes of bytes and, where it says so, of differences along its first axis. */
function read(bytes, place, { type, shape, differences }) {
  const count = shape.reduce((product, side) => product * side, 1),
    size = TYPES[type].BYTES_PER_ELEMENT;
  if (place + count * size > bytes.length) throw new Error("it ends early");
  const words = new WORDS[size](count),
    row = count / (shape[0] || 1);
  for (let plane = 0; plane < size; plane++)
    for (let i = 0, from = place + plane * count; i < count; i++) words[i] |= bytes[from + i] << (8 * plane);
  for (let time = 0; time < differences; time++) for (let i = row; i < count; i++) words[i] += words[i - row];
  return new TYPES[type](words.buffer);
}

/** Arrays by name. header: what the file says of itself. */
export class Tensors {
  #tensors;

  constructor(header, tensors) {
    this.header = header;
    this.#tensors = tensors;
  }

  has(name) {
    return this.#tensors.has(name);
  }

  #entry(name) {
    const entry = this.#tensors.get(name);
    if (!entry) throw new ModelError(`${this.header.name} holds no ${name}`);
    return entry;
  }

  /** The array as it is stored. */
  array(name) {
    return this.#entry(name).array;
  }

  shape(name) {
    return this.#entry(name).shape;
  }

  /** As float32; what was rounded to few bits times its scales. */
  floats(name) {
    const { array, type, shape, scale } = this.#entry(name);
    if (type === "float16") return Float32Array.from(array, single);
    const floats = Float32Array.from(array);
    if (scale === undefined) return floats;
    const scales = this.array(`${name}.scale`),
      columns = shape[1];
    for (let i = 0; i < floats.length; i++) floats[i] *= scales[scale ? i % columns : Math.floor(i / columns)];
    return floats;
  }
}

/** A half-precision number, given by its bits. */
function single(bits) {
  const sign = bits >> 15 ? -1 : 1,
    exponent = (bits >> 10) & 31,
    fraction = bits & 1023;
  return sign * (exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction);
}
