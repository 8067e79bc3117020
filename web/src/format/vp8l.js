// Lossless WebP's image stream (RFC 9649, section 3), without the header that gives its size.

import { StreamError } from "../errors.js";

const LITERALS = 256,
  LENGTHS = 24,
  DISTANCES = 40; // of the alphabets: green or length, and distance
const LENGTH_ORDER = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const MOST_BITS = 15,
  CACHE_BITS = 11,
  HASH = 0x1e35a7bd;
const ROOT_BITS = 8; // of a code, that are looked up at once
const PREDICTOR = 0,
  COLOUR = 1,
  SUBTRACT_GREEN = 2,
  INDEXING = 3; // transforms
const MAX_SIDE = 1 << 14; // pixels
const OPAQUE_BLACK = 0xff000000;
// Section 3.4.2.2: rows above in the high four bits, 8 less the columns to the left in the low ones, nearest first
const NEAR =
  `18 07 17 19 28 06 27 29 16 1a 26 2a 38 05 37 39 15 1b 36 3a 25 2b 48 04 47 49 14 1c 35 3b 46 4a 24 2c 58 45 4b 34 3c 03
57 59 13 1d 56 5a 23 2d 44 4c 55 5b 33 3d 68 02 67 69 12 1e 66 6a 22 2e 54 5c 43 4d 65 6b 32 3e 78 01 77 79 53 5d 11 1f
64 6c 42 4e 76 7a 21 2f 75 7b 31 3f 63 6d 52 5e 00 74 7c 41 4f 10 20 62 6e 30 73 7d 51 5f 40 72 7e 61 6f 50 71 7f 60 70`
    .split(/\s/)
    .map((code) => parseInt(code, 16));

const damaged = (why) => new StreamError(`is damaged: its lossless data cannot be decoded (${why})`);

/** Bits, the lowest of each byte first; beyond the end there are zeros. */
class Bits {
  #bytes;
  #place = 0;
  #held = 0;
  #count = 0;
  #length;

  constructor(bytes) {
    this.#bytes = bytes;
    // libwebp is given whole chunks, of which five bytes of header are not here: they are filled up to an even number of bytes,
    // and it never looks at less than eight. What damaged data may take of that is the same here
    this.#length = Math.max(bytes.length + ((bytes.length + 5) % 2), 3);
  }

  /** The next `count` ≤ 16 bits, which stay. */
  peek(count) {
    while (this.#count < count) {
      this.#held |= (this.#bytes[this.#place] ?? 0) << this.#count;
      this.#place++;
      this.#count += 8;
    }
    return this.#held & ((1 << count) - 1);
  }

  skip(count) {
    this.#held >>>= count;
    this.#count -= count;
  }

  read(count) {
    if (count > 16) return this.read(16) + this.read(count - 16) * 65536;
    const value = this.peek(count);
    this.skip(count);
    return value;
  }

  /** Whether more was taken than there is; what `peek` saw in advance does not count. */
  get overdrawn() {
    return this.#place - (this.#count >> 3) > this.#length;
  }
}

/** A prefix code: a table by the next bits, of symbol · 16 + length, or of a table for those that follow. */
class Prefix {
  /** lengths: of each symbol of an alphabet, 0 for those that do not occur. */
  constructor(lengths) {
    const counts = new Uint32Array(MOST_BITS + 1);
    for (const length of lengths) counts[length]++;
    counts[0] = 0;
    const used = counts.reduce((sum, count) => sum + count, 0);
    if (!used) throw damaged("an empty code");
    this.only = used === 1 ? lengths.findIndex((length) => length > 0) : -1;
    if (used === 1) return;
    let space = 0,
      code = 0;
    const next = new Uint32Array(MOST_BITS + 2);
    for (let length = 1; length <= MOST_BITS; length++) {
      space += counts[length] << (MOST_BITS - length);
      code = (code + (length > 1 ? counts[length - 1] : 0)) << 1;
      next[length] = code;
    }
    if (space !== 1 << MOST_BITS) throw damaged("a code that is not complete");
    this.table = new Uint32Array(1 << ROOT_BITS);
    this.rest = new Map();
    lengths.forEach((length, symbol) => length && this.#enter(reversed(next[length]++, length), length, symbol));
  }

  #enter(bits, length, symbol) {
    if (length <= ROOT_BITS) {
      for (let place = bits; place < 1 << ROOT_BITS; place += 1 << length) this.table[place] = (symbol << 4) | length;
      return;
    }
    const root = bits & ((1 << ROOT_BITS) - 1),
      more = MOST_BITS - ROOT_BITS;
    if (!this.rest.has(root)) this.rest.set(root, new Uint32Array(1 << more));
    const table = this.rest.get(root);
    for (let place = bits >> ROOT_BITS; place < 1 << more; place += 1 << (length - ROOT_BITS))
      table[place] = (symbol << 4) | length;
  }

  read(bits) {
    if (this.only >= 0) return this.only;
    const ahead = bits.peek(MOST_BITS);
    const entry = this.table[ahead & 255] || this.rest.get(ahead & 255)[ahead >> ROOT_BITS];
    bits.skip(entry & 15);
    return entry >> 4;
  }
}

function reversed(code, length) {
  let bits = 0;
  for (let i = 0; i < length; i++) bits |= ((code >> i) & 1) << (length - 1 - i);
  return bits;
}

function readPrefix(bits, alphabet) {
  const lengths = new Array(alphabet).fill(0);
  const set = (symbol) => symbol < alphabet && (lengths[symbol] = 1);
  if (bits.read(1)) {
    const two = bits.read(1);
    set(bits.read(bits.read(1) ? 8 : 1));
    if (two) set(bits.read(8));
    return new Prefix(lengths);
  }
  const own = new Array(LENGTH_ORDER.length).fill(0),
    count = 4 + bits.read(4);
  for (let i = 0; i < count; i++) own[LENGTH_ORDER[i]] = bits.read(3);
  const code = new Prefix(own);
  let left = alphabet,
    before = 8,
    symbol = 0;
  if (bits.read(1)) {
    left = 2 + bits.read(2 + 2 * bits.read(3));
    if (left > alphabet) throw damaged("more lengths than symbols");
  }
  while (symbol < alphabet && left-- > 0) {
    const length = code.read(bits);
    if (length < 16) {
      lengths[symbol++] = length;
      if (length) before = length;
      continue;
    }
    const repeat = length === 16 ? 3 + bits.read(2) : length === 17 ? 3 + bits.read(3) : 11 + bits.read(7);
    if (symbol + repeat > alphabet) throw damaged("lengths beyond the alphabet");
    lengths.fill(length === 16 ? before : 0, symbol, symbol + repeat);
    symbol += repeat;
  }
  if (bits.overdrawn) throw damaged("it ends early");
  return new Prefix(lengths);
}

/** The number that a length or distance symbol stands for. */
function copied(bits, symbol) {
  if (symbol < 4) return symbol + 1;
  const extra = (symbol - 2) >> 1;
  return ((2 + (symbol & 1)) << extra) + bits.read(extra) + 1;
}

function distance(code, width) {
  if (code > NEAR.length) return code - NEAR.length;
  const near = NEAR[code - 1];
  return Math.max(1, (near >> 4) * width + 8 - (near & 15));
}

/** Entropy-coded pixels (section 3.5). whole: of the picture itself, which alone has several groups of codes. */
function readPixels(bits, width, height, whole) {
  const cacheBits = bits.read(1) ? bits.read(4) : 0;
  if (cacheBits > CACHE_BITS) throw damaged("its colour cache is too large");
  let prefixBits = 0,
    groupOf = null,
    count = 1;
  if (whole && bits.read(1)) {
    prefixBits = bits.read(3) + 2;
    groupOf = readPixels(bits, sub(width, prefixBits), sub(height, prefixBits), false).map((pixel) => (pixel >>> 8) & 0xffff);
    count = 1 + groupOf.reduce((most, group) => Math.max(most, group), 0);
  }
  const alphabets = [LITERALS + LENGTHS + (cacheBits ? 1 << cacheBits : 0), LITERALS, LITERALS, LITERALS, DISTANCES];
  const used = groupOf && new Set(groupOf),
    groups = [];
  for (let group = 0; group < count; group++) {
    const codes = alphabets.map((alphabet) => readPrefix(bits, alphabet));
    groups.push(!used || used.has(group) ? codes : null);
  }
  const pixels = new Uint32Array(width * height),
    cache = new Uint32Array(cacheBits ? 1 << cacheBits : 0),
    columns = sub(width, prefixBits);
  const remember = (pixel) => cacheBits && (cache[Math.imul(pixel, HASH) >>> (32 - cacheBits)] = pixel);
  for (let place = 0; place < pixels.length;) {
    const row = Math.floor(place / width),
      column = place - row * width;
    const codes = groupOf ? groups[groupOf[(row >> prefixBits) * columns + (column >> prefixBits)]] : groups[0];
    const green = codes[0].read(bits);
    if (green < LITERALS) {
      const red = codes[1].read(bits),
        blue = codes[2].read(bits),
        alpha = codes[3].read(bits);
      const pixel = ((alpha << 24) | (red << 16) | (green << 8) | blue) >>> 0;
      pixels[place++] = pixel;
      remember(pixel);
    } else if (green < LITERALS + LENGTHS) {
      const length = copied(bits, green - LITERALS),
        back = distance(copied(bits, codes[4].read(bits)), width);
      if (back > place || place + length > pixels.length) throw damaged("a copy from outside");
      for (const end = place + length; place < end; place++) remember((pixels[place] = pixels[place - back]));
    } else pixels[place++] = cache[green - LITERALS - LENGTHS];
    if (bits.overdrawn) throw damaged("it ends early");
  }
  return pixels;
}

const sub = (size, bits) => (size + (1 << bits) - 1) >> bits;

/** ARGB of a picture, a number a pixel. */
export function decodeVp8l(bytes, width, height) {
  if (Math.max(width, height) > MAX_SIDE) throw damaged(`${width}x${height} pixels`);
  const bits = new Bits(bytes),
    transforms = [];
  let columns = width;
  for (let seen = 0; bits.read(1);) {
    const kind = bits.read(2);
    if (seen & (1 << kind)) throw damaged("a transform twice");
    seen |= 1 << kind;
    const transform = { kind, width: columns };
    if (kind === PREDICTOR || kind === COLOUR) {
      transform.bits = bits.read(3) + 2;
      transform.data = readPixels(bits, sub(columns, transform.bits), sub(height, transform.bits), false);
    } else if (kind === INDEXING) {
      const size = bits.read(8) + 1;
      transform.bits = size <= 2 ? 3 : size <= 4 ? 2 : size <= 16 ? 1 : 0;
      transform.data = readPixels(bits, size, 1, false);
      for (let i = 1; i < size; i++) transform.data[i] = plus(transform.data[i], transform.data[i - 1]);
      columns = sub(columns, transform.bits);
    }
    transforms.push(transform);
  }
  let pixels = readPixels(bits, columns, height, true);
  for (const transform of transforms.reverse()) pixels = UNDO[transform.kind](pixels, transform, height);
  return pixels;
}

/** Channel by channel, modulo 256. */
const plus = (one, other) =>
  ((((one & 0xff00ff00) + (other & 0xff00ff00)) & 0xff00ff00) | (((one & 0x00ff00ff) + (other & 0x00ff00ff)) & 0x00ff00ff)) >>>
  0;
const average = (one, other) => ((((one ^ other) & 0xfefefefe) >>> 1) + (one & other)) >>> 0;
const channels = (pixel) => [pixel >>> 24, (pixel >>> 16) & 255, (pixel >>> 8) & 255, pixel & 255];
const joined = ([a, r, g, b]) => ((a << 24) | (r << 16) | (g << 8) | b) >>> 0;
const clip = (value) => Math.max(0, Math.min(255, value));

function select(left, top, corner) {
  const [l, t, c] = [left, top, corner].map(channels);
  let nearLeft = 0,
    nearTop = 0;
  for (let i = 0; i < 4; i++) {
    nearLeft += Math.abs(t[i] - c[i]); // l + t − c less l
    nearTop += Math.abs(l[i] - c[i]);
  }
  return nearLeft < nearTop ? left : top;
}

const full = (left, top, corner) => {
  const [l, t, c] = [left, top, corner].map(channels);
  return joined(l.map((value, i) => clip(value + t[i] - c[i])));
};
const half = (one, other) => {
  const [a, b] = [one, other].map(channels);
  return joined(a.map((value, i) => clip(value + Math.trunc((value - b[i]) / 2))));
};

// Section 3.3.1; of left, top, top left and top right
const PREDICTORS = [
  () => OPAQUE_BLACK,
  (l) => l,
  (l, t) => t,
  (l, t, c, r) => r,
  (l, t, c) => c,
  (l, t, c, r) => average(average(l, r), t),
  (l, t, c) => average(l, c),
  (l, t) => average(l, t),
  (l, t, c) => average(c, t),
  (l, t, c, r) => average(t, r),
  (l, t, c, r) => average(average(l, c), average(t, r)),
  select,
  full,
  (l, t, c) => half(average(l, t), c),
  () => OPAQUE_BLACK,
  () => OPAQUE_BLACK,
];

const UNDO = {
  [PREDICTOR](pixels, { width, bits, data }, height) {
    const blocks = sub(width, bits);
    for (let row = 0, place = 0; row < height; row++)
      for (let column = 0; column < width; column++, place++) {
        let predicted;
        if (!row) predicted = column ? pixels[place - 1] : OPAQUE_BLACK;
        else if (!column) predicted = pixels[place - width];
        else {
          const mode = (data[(row >> bits) * blocks + (column >> bits)] >>> 8) & 15;
          predicted = PREDICTORS[mode](
            pixels[place - 1],
            pixels[place - width],
            pixels[place - width - 1],
            pixels[place - width + 1],
          );
        }
        pixels[place] = plus(pixels[place], predicted);
      }
    return pixels;
  },
  [COLOUR](pixels, { width, bits, data }, height) {
    const blocks = sub(width, bits),
      signed = (value) => (value << 24) >> 24,
      delta = (one, other) => (signed(one) * signed(other)) >> 5;
    for (let row = 0, place = 0; row < height; row++)
      for (let column = 0; column < width; column++, place++) {
        const [, redToBlue, greenToBlue, greenToRed] = channels(data[(row >> bits) * blocks + (column >> bits)]);
        const [alpha, red, green, blue] = channels(pixels[place]);
        const newRed = (red + delta(greenToRed, green)) & 255;
        pixels[place] = joined([alpha, newRed, green, (blue + delta(greenToBlue, green) + delta(redToBlue, newRed)) & 255]);
      }
    return pixels;
  },
  [SUBTRACT_GREEN](pixels) {
    for (let i = 0; i < pixels.length; i++) {
      const green = (pixels[i] >>> 8) & 255;
      pixels[i] = plus(pixels[i], (green << 16) | green);
    }
    return pixels;
  },
  [INDEXING](pixels, { width, bits, data }, height) {
    const packed = sub(width, bits),
      size = 8 >> bits,
      mask = (1 << size) - 1,
      whole = new Uint32Array(width * height);
    for (let row = 0, place = 0; row < height; row++)
      for (let column = 0; column < width; column++, place++) {
        const index = ((pixels[row * packed + (column >> bits)] >>> 8) >> ((column & ((1 << bits) - 1)) * size)) & mask;
        whole[place] = data[index] ?? 0; // an index beyond the table is transparent black
      }
    return whole;
  },
};
