// Pictures as PNG files, for <img> and the like. Nothing is compressed, which takes no time: they do not leave the browser.

import { crc32 } from "./crc32.js";
import { concatenate } from "./container.js";

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const STORED = 65535; // bytes of a stored block of deflate, at most
const GREY = 0,
  RGB = 2,
  GREY_ALPHA = 4,
  RGBA = 6; // colour types
const CHANNELS = { [GREY]: 1, [RGB]: 3, [GREY_ALPHA]: 2, [RGBA]: 4 };

/** A PNG file of what `decode` of codec.js gives, with its profile and EXIF. */
export function encodePng({ width, height, data, transparent, grey, icc, exif }) {
  const type = grey ? (transparent ? GREY_ALPHA : GREY) : transparent ? RGBA : RGB;
  const head = new Uint8Array(13),
    fields = new DataView(head.buffer);
  fields.setUint32(0, width);
  fields.setUint32(4, height);
  head.set([8, type], 8);
  const chunks = [SIGNATURE, ...chunk("IHDR", head)];
  if (icc) chunks.push(...chunk("iCCP", concatenate([latin("profile\0\0"), stored(icc)])));
  else chunks.push(...chunk("sRGB", Uint8Array.of(0)));
  if (exif) chunks.push(...chunk("eXIf", exif));
  return concatenate([
    ...chunks,
    ...chunk("IDAT", stored(lines(data, width, height, type))),
    ...chunk("IEND", new Uint8Array()),
  ]);
}

const latin = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

/** Lines of pixels, each behind a byte for its filter, none. */
function lines(data, width, height, type) {
  const channels = CHANNELS[type],
    pitch = 1 + channels * width,
    bytes = new Uint8Array(pitch * height);
  const from = { [GREY]: [0], [GREY_ALPHA]: [0, 3], [RGB]: [0, 1, 2], [RGBA]: [0, 1, 2, 3] }[type];
  for (let row = 0, source = 0; row < height; row++)
    for (let column = 0, place = row * pitch + 1; column < width; column++, source += 4)
      for (const channel of from) bytes[place++] = data[source + channel];
  return bytes;
}

/** A zlib stream (RFC 1950) of stored blocks. */
function stored(bytes) {
  const parts = [Uint8Array.of(0x78, 0x01)];
  for (let place = 0; place === 0 || place < bytes.length; place += STORED) {
    const part = bytes.subarray(place, place + STORED),
      size = part.length;
    parts.push(
      Uint8Array.of(Number(place + STORED >= bytes.length), size & 255, size >> 8, ~size & 255, (~size >> 8) & 255),
      part,
    );
  }
  let [one, two] = [1, 0];
  for (let place = 0; place < bytes.length;) {
    for (const end = Math.min(bytes.length, place + 3800); place < end; place++) two += one += bytes[place];
    [one, two] = [one % 65521, two % 65521];
  }
  return concatenate([...parts, Uint8Array.of(two >> 8, two & 255, one >> 8, one & 255)]);
}

function chunk(name, data) {
  const start = new Uint8Array(8),
    end = new Uint8Array(4);
  new DataView(start.buffer).setUint32(0, data.length);
  start.set(latin(name), 4);
  new DataView(end.buffer).setUint32(0, crc32(data, crc32(start.subarray(4))));
  return [start, data, end];
}
