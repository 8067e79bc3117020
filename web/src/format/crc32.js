// CRC-32 (ISO 3309, as in zlib), four bytes at a time.

const TABLES = Array.from({ length: 4 }, () => new Uint32Array(256));
for (let byte = 0; byte < 256; byte++) {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  TABLES[0][byte] = value;
}
for (let byte = 0; byte < 256; byte++)
  for (let table = 1; table < 4; table++) {
    const before = TABLES[table - 1][byte];
    TABLES[table][byte] = (before >>> 8) ^ TABLES[0][before & 255];
  }

/** The checksum of bytes, or of what `before` is the checksum of followed by them. */
export function crc32(bytes, before = 0) {
  const [t0, t1, t2, t3] = TABLES;
  let value = ~before,
    place = 0;
  for (const whole = bytes.length & ~3; place < whole; place += 4) {
    value ^= bytes[place] | (bytes[place + 1] << 8) | (bytes[place + 2] << 16) | (bytes[place + 3] << 24);
    value = t3[value & 255] ^ t2[(value >>> 8) & 255] ^ t1[(value >>> 16) & 255] ^ t0[value >>> 24];
  }
  for (; place < bytes.length; place++) value = (value >>> 8) ^ t0[(value ^ bytes[place]) & 255];
  return ~value >>> 0;
}
