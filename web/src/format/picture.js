// Picture sections: tiles, their numbers, and how colours were turned.

import { StreamError } from "../errors.js";
import { Kind, concatenate } from "./container.js";
import { places } from "./tiles.js";
import { TURN_BYTES, unpackTurn } from "./turn.js";

const NUMBER_BYTES = 2; // of a tile, before its words

/** A picture as coded: where its tiles lie, the range-coded words of each, and the turn of colours or null. */
export function coded(header, sections) {
  const tiles = places(header);
  const bodies = sections.filter((section) => section.kind === Kind.PICTURE).map((section) => section.body);
  if (bodies.length !== tiles.length)
    throw new StreamError(`is not as the format has it: ${bodies.length} of ${tiles.length} tiles`);
  const before = NUMBER_BYTES * header.tiled,
    turned = TURN_BYTES * header.turned;
  const turns = [],
    payloads = [],
    numbers = [];
  for (const body of bodies) {
    if (body.length < before + turned) throw new StreamError("is damaged: a picture section is too short");
    numbers.push(header.tiled ? body[0] | (body[1] << 8) : 0);
    turns.push(body.subarray(before, before + turned));
    payloads.push(body.subarray(before + turned));
  }
  if (numbers.some((number, place) => number !== place))
    throw new StreamError("is not as the format has it: tiles are out of order");
  if (turns.some((turn) => turn.some((byte, place) => byte !== turns[0][place])))
    throw new StreamError("is not as the format has it: tiles differ in how colours were turned");
  return { tiles, payloads, turn: header.turned ? unpackTurn(turns[0]) : null };
}

/** The body of a tile's section. */
export function wrap(header, number, turn, words) {
  const start = header.tiled ? [number & 255, number >> 8] : [];
  return concatenate([Uint8Array.from(start), turn, words]);
}
