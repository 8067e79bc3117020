// The .mtm file: header and sections (bitstreams/FORMAT.md, section 1).

import { StreamError } from "../errors.js";
import { crc32 } from "./crc32.js";

export const VERSION = 2;
export const HEADER_BYTES = 18;
export const GREY = 1,
  TILED = 2,
  TURNED = 4,
  OVERLAID = 8; // flags
export const NO_MODEL = "00000000"; // the model id of a file that no network is needed for
export const LAST = 0x40,
  ANCILLARY = 0x80; // bits of a section's first byte
const FIELDS = 14; // bytes of the header before its checksum
const LENGTH_BYTES = 5; // that a length has at most

/** Kinds of sections, in the order of a file; pictures and overlays, of tiles, repeat. A new kind that decoders must know goes
 * here. */
export const Kind = Object.freeze({ PICTURE: 1, ALPHA: 2, ICC: 3, EXIF: 4, XMP: 5, OVERLAY: 6 });
const KINDS = new Set(Object.values(Kind));

const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** What the first 18 bytes say; version 1 has no checksum of them alone, `unpack` verifies it. */
export function readHeader(bytes) {
  const magic = [0x4d, 0x54, 0x4d];
  if (!bytes.length || magic.some((byte, place) => place < bytes.length && bytes[place] !== byte))
    throw new StreamError("is not a Metamer file");
  if (bytes.length < HEADER_BYTES) throw new StreamError("is truncated: the header is incomplete");
  const version = bytes[3],
    flags = bytes[9],
    fields = view(bytes);
  if (version > VERSION)
    throw new StreamError(`is format version ${version} or damaged; this program reads up to version ${VERSION}`);
  if (version < 1) throw new StreamError("is damaged: format version 0 does not exist");
  if (version === 2 && crc32(bytes.subarray(0, FIELDS)) !== fields.getUint32(FIELDS, true))
    throw new StreamError("is damaged: the header's checksum does not match");
  const unknown = flags & ~(version === 1 ? TURNED : GREY | TILED | TURNED | OVERLAID);
  if (unknown)
    throw new StreamError(`is damaged or uses features (flags 0x${unknown.toString(16)}) that this program does not know`);
  return {
    version,
    modelId: hex(bytes.subarray(4, 8)),
    quality: bytes[8],
    width: fields.getUint16(10, true) + 1,
    height: fields.getUint16(12, true) + 1,
    grey: Boolean(flags & GREY),
    tiled: Boolean(flags & TILED),
    turned: Boolean(flags & TURNED),
    overlaid: Boolean(flags & OVERLAID),
  };
}

/** Header and sections of a whole file, every checksum verified; version 1 gives one section. */
export function unpack(bytes) {
  const header = readHeader(bytes);
  if (header.version === 1) {
    const body = bytes.subarray(HEADER_BYTES);
    if (crc32(body, crc32(bytes.subarray(0, FIELDS))) !== view(bytes).getUint32(FIELDS, true))
      throw new StreamError("is damaged or truncated: its checksum does not match");
    return { header, sections: [{ kind: Kind.PICTURE, body }] };
  }
  const sections = [];
  let place = HEADER_BYTES,
    last = false;
  while (!last) {
    const section = readSection(bytes, place);
    if (section.kind < ANCILLARY && !KINDS.has(section.kind))
      throw new StreamError(`uses features (section ${section.kind}) that this program does not know`);
    sections.push({ kind: section.kind, body: section.body });
    ({ last, end: place } = section);
  }
  if (place < bytes.length) throw new StreamError(`is damaged: ${bytes.length - place} bytes follow the last section`);
  const problem = disorder(
    header,
    sections.map((section) => section.kind),
  );
  if (problem) throw new StreamError(`is not as the format has it: ${problem}`);
  return { header, sections };
}

function readSection(bytes, place) {
  const length = readLength(bytes, place + 1);
  const start = length.end + 4,
    end = start + length.value;
  if (start > bytes.length || end > bytes.length) throw new StreamError("is truncated: a section ends early");
  const body = bytes.subarray(start, end);
  if (crc32(body, crc32(bytes.subarray(place, length.end))) !== view(bytes).getUint32(length.end, true))
    throw new StreamError("is damaged: a section's checksum does not match");
  return { kind: bytes[place] & ~LAST, body, last: Boolean(bytes[place] & LAST), end };
}

/** What is wrong with the kinds of a file's sections, in order; nothing, as a rule. */
function disorder(header, kinds) {
  if (!header.overlaid && kinds[0] !== Kind.PICTURE) return "a file begins with its picture";
  if (header.overlaid !== kinds.includes(Kind.OVERLAY))
    return "overlays are there where the header says so, and nowhere else";
  const several = header.tiled ? [Kind.PICTURE, Kind.OVERLAY] : [];
  for (let place = 1; place < kinds.length; place++) {
    const [before, kind] = [kinds[place - 1], kinds[place]];
    if (before > kind) return "sections are out of order";
    if (before === kind && kind < ANCILLARY && !several.includes(kind))
      return "a section that may be there only once is there twice";
  }
  return null;
}

/** The LEB128 number at `place`, and where it ends. Only the shortest form is taken. */
export function readLength(bytes, place) {
  let value = 0;
  for (let index = 0; index < LENGTH_BYTES && place + index < bytes.length; index++) {
    const byte = bytes[place + index];
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) {
      if (index && !byte) throw new StreamError("is damaged: a length is written with more bytes than it needs");
      return { value, end: place + index + 1 };
    }
  }
  if (bytes.length < place + LENGTH_BYTES) throw new StreamError("is truncated: it ends early");
  throw new StreamError("is damaged: a length has no end");
}

/** LEB128. */
export function writeLength(value) {
  const bytes = [];
  for (; value > 0x7f; value = Math.floor(value / 128)) bytes.push((value & 0x7f) | 0x80);
  return Uint8Array.of(...bytes, value);
}

/** The whole file, in the oldest version that can hold it. sections: in the order of the format. */
export function pack(header, sections) {
  const flags = GREY * header.grey + TILED * header.tiled + TURNED * header.turned + OVERLAID * header.overlaid;
  const version = flags & ~TURNED || sections.length > 1 ? 2 : 1;
  const head = new Uint8Array(HEADER_BYTES),
    fields = view(head);
  head.set([0x4d, 0x54, 0x4d, version]);
  for (let place = 0; place < 4; place++) head[4 + place] = parseInt(header.modelId.slice(2 * place, 2 * place + 2), 16);
  head.set([header.quality, flags], 8);
  fields.setUint16(10, header.width - 1, true);
  fields.setUint16(12, header.height - 1, true);
  const own = crc32(head.subarray(0, FIELDS));
  fields.setUint32(FIELDS, version === 1 ? crc32(sections[0].body, own) : own, true);
  if (version === 1) return concatenate([head, sections[0].body]);
  const parts = [head];
  sections.forEach(({ kind, body }, place) => {
    const start = concatenate([Uint8Array.of(kind | (place === sections.length - 1 ? LAST : 0)), writeLength(body.length)]);
    const checksum = new Uint8Array(4);
    view(checksum).setUint32(0, crc32(body, crc32(start)), true);
    parts.push(start, checksum, body);
  });
  return concatenate(parts);
}

/** Uint8Arrays end to end. */
export function concatenate(parts) {
  const whole = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}
