// Reads requests, a JSON object a line, and answers each with a line: {result} or {problem: {name, message}}.
// {method, path | base64, options, out}: what is large comes from `path` and goes to the file `out`.

import { readFile, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

import { Store, decode, decodeLatents, encode, encodePng, info } from "../../web/src/codec.js";
import { filled } from "../../web/src/encoder/fill.js";
import { finest, patchy } from "../../web/src/encoder/grain.js";
import { decodeAlpha, encodeAlpha } from "../../web/src/format/alpha.js";
import { box } from "../../web/src/format/tiles.js";
import { decodeVp8l } from "../../web/src/format/vp8l.js";
import { encodeVp8l } from "../../web/src/format/vp8l-writer.js";

const store = new Store(pathToFileURL(process.argv[2] + "/"));

const METHODS = {
  info: (bytes) => info(bytes, store),
  async latents(bytes, options, out) {
    const { values, ...rest } = await decodeLatents(bytes, store, options);
    await writeFile(out, new Uint8Array(values.buffer));
    return rest;
  },
  async decode(bytes, options, out) {
    const { width, height, data, transparent, grey, gpu, ...held } = await decode(bytes, store, options);
    if (out) await writeFile(out, data);
    return { width, height, transparent, grey, gpu, held: Object.keys(held) };
  },
  async png(bytes, options, out) {
    await writeFile(out, encodePng(await decode(bytes, store, options)));
  },
  async encode(bytes, { width, height, ...options }, out) {
    await writeFile(out, await encode({ width, height, data: bytes }, store, options));
  },
  async vp8l(bytes, { width, height }, out) {
    await writeFile(out, new Uint8Array(decodeVp8l(bytes, width, height).buffer));
  },
  async writeVp8l(bytes, { channels }, out) {
    const size = bytes.length / channels;
    const planes = Array.from({ length: channels }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
    await writeFile(out, encodeVp8l(...planes));
  },
  async fill(bytes, { width, height }, out) {
    const hidden = Uint8Array.from({ length: width * height }, (_, i) => Number(!bytes[4 * i + 3]));
    await writeFile(out, filled({ width, height, data: bytes }, hidden).data);
  },
  grain: (bytes, { width, height }) => ({ finest: finest(bytes, width, height), patchy: patchy(bytes, width, height) }),
  async alpha(bytes, { width, height, region: [left, top, w, h] }, out) {
    await writeFile(out, decodeAlpha(bytes, width, height, box(top, left, top + h, left + w)));
  },
  async writeAlpha(bytes, { width, height }, out) {
    await writeFile(out, encodeAlpha(bytes, width, height));
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { method, path, base64, options, out } = JSON.parse(line);
  let answer;
  try {
    const bytes = path ? new Uint8Array(await readFile(path)) : new Uint8Array(Buffer.from(base64 ?? "", "base64"));
    answer = { result: (await METHODS[method](bytes, options ?? {}, out)) ?? null };
  } catch (problem) {
    answer = { problem: { name: problem.name, message: problem.message } };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
