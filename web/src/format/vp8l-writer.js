// A plain encoder of lossless WebP's image stream (RFC 9649, section 3): one code a channel, and runs. It is meant for one channel,
// and for noise, of which transforms make nothing less.

const LITERALS = 256,
  ALPHABET = 280;
const LENGTH_ORDER = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const SHORTEST = 4,
  LONGEST = 4096; // runs that are coded as copies of the pixel before
const LEFT = 1; // the distance symbol of the pixel to the left

class Writer {
  #bytes = [];
  #held = 0;
  #count = 0;

  write(value, bits) {
    for (let bit = 0; bit < bits; bit++) {
      this.#held |= ((value >> bit) & 1) << this.#count++;
      if (this.#count === 8) {
        this.#bytes.push(this.#held);
        this.#held = this.#count = 0;
      }
    }
  }

  /** A code word, its highest bit first. */
  code({ lengths, codes }, symbol) {
    for (let bit = lengths[symbol] - 1; bit >= 0; bit--) this.write((codes[symbol] >> bit) & 1, 1);
  }

  bytes() {
    if (this.#count) this.write(0, 8 - this.#count);
    return Uint8Array.from(this.#bytes);
  }
}

/** Huffman's code for counts, at most `limit` bits a word; a symbol that is alone has a word of no bits. */
function huffman(counts, limit) {
  const lengths = new Array(counts.length).fill(0);
  let nodes = counts.map((count, symbol) => ({ count, symbols: [symbol] })).filter(({ count }) => count);
  while (nodes.length > 1) {
    nodes.sort((one, other) => other.count - one.count);
    const [one, other] = [nodes.pop(), nodes.pop()],
      symbols = [...one.symbols, ...other.symbols];
    for (const symbol of symbols) lengths[symbol]++;
    nodes.push({ count: one.count + other.count, symbols });
  }
  if (Math.max(...lengths) > limit)
    return huffman(
      counts.map((count) => Math.ceil(count / 2)),
      limit,
    );
  const codes = new Array(counts.length).fill(0);
  for (let length = 1, code = 0; length <= limit; length++, code <<= 1)
    lengths.forEach((own, symbol) => own === length && (codes[symbol] = code++));
  return { lengths, codes };
}

/** A number of at least 1 as prefix symbol, and bits that follow. */
function prefix(value) {
  if (value <= 4) return { symbol: value - 1, extra: 0, bits: 0 };
  const high = 31 - Math.clz32(value - 1),
    bits = high - 1;
  return { symbol: 2 * high + (((value - 1) >> bits) & 1), extra: (value - 1) & ((1 << bits) - 1), bits };
}

/** Code lengths, runs of zeros shortened, as [symbol, extra, bits]. */
function shortened(lengths) {
  const list = [];
  for (let place = 0; place < lengths.length;) {
    let zeros = 0;
    while (zeros < 138 && place + zeros < lengths.length && !lengths[place + zeros]) zeros++;
    if (zeros >= 11) list.push([18, zeros - 11, 7]);
    else if (zeros >= 3) list.push([17, zeros - 3, 3]);
    else list.push([lengths[place], 0, 0]);
    place += zeros >= 3 ? zeros : 1;
  }
  return list;
}

function writeCode(writer, { lengths }) {
  const used = lengths.flatMap((length, symbol) => (length ? [symbol] : []));
  const list = shortened(lengths),
    counts = new Array(19).fill(0);
  for (const [symbol] of list) counts[symbol]++;
  const own = huffman(counts, 7);
  writer.write(0, 1);
  if (used.length === 0) throw new RangeError("a code of one symbol has a form of its own");
  if (counts.filter(Boolean).length === 1) own.lengths[counts.findIndex(Boolean)] = 1; // said, though its words have no bits
  let count = 19;
  while (count > 4 && !own.lengths[LENGTH_ORDER[count - 1]]) count--;
  writer.write(count - 4, 4);
  for (const symbol of LENGTH_ORDER.slice(0, count)) writer.write(own.lengths[symbol], 3);
  writer.write(0, 1); // as many lengths as symbols
  const alone = counts.filter(Boolean).length === 1;
  for (const [symbol, extra, bits] of list) {
    if (!alone) writer.code(own, symbol);
    writer.write(extra, bits);
  }
}

/** A code of one symbol below 256. */
function writeSingle(writer, symbol) {
  writer.write(1, 1);
  writer.write(0, 1);
  writer.write(1, 1);
  writer.write(symbol, 8);
}

/** Writes a code for counts. Returns a function that writes a symbol in it. */
function writeAnyCode(writer, counts) {
  if (counts.filter(Boolean).length === 1) {
    writeSingle(writer, counts.findIndex(Boolean));
    return () => {};
  }
  const code = huffman(counts, 15);
  writeCode(writer, code);
  return (symbol) => writer.code(code, symbol);
}

/** Goes through pixels: calls `literal` with the place of each that is written out, `copy` with how many are the one before. */
function visit(channels, literal, copy) {
  const { length } = channels[0],
    repeats = (place) => channels.every((levels) => levels[place] === levels[place - 1]);
  for (let place = 0; place < length;) {
    let run = 0;
    while (place && run < LONGEST && place + run < length && repeats(place + run)) run++;
    if (run >= SHORTEST) copy(prefix(run));
    else literal(place);
    place += run >= SHORTEST ? run : 1;
  }
}

/** The stream of a picture without the header that gives its size. Channels are a byte a pixel; red and blue are 0 where they are
 * left out. */
export function encodeVp8l(green, red, blue) {
  const channels = red ? [green, red, blue] : [green],
    counts = channels.map((_, channel) => new Array(channel ? LITERALS : ALPHABET).fill(0));
  visit(
    channels,
    (place) => channels.forEach((levels, channel) => counts[channel][levels[place]]++),
    ({ symbol }) => counts[0][LITERALS + symbol]++,
  );
  const writer = new Writer();
  writer.write(0, 3); // no transform, no cache of colours, one group of codes
  const codes = counts.map((own) => writeAnyCode(writer, own));
  for (const symbol of red ? [0, LEFT] : [0, 0, 0, LEFT]) writeSingle(writer, symbol); // red, blue; alpha, distance
  visit(
    channels,
    (place) => codes.forEach((write, channel) => write(channels[channel][place])),
    ({ symbol, extra, bits }) => {
      codes[0](LITERALS + symbol);
      writer.write(extra, bits);
    },
  );
  return writer.bytes();
}
