// Picture and overlay sections: tiles, their numbers, and how colours were turned.

import { StreamError } from "../errors.js";
import { Kind, concatenate } from "./container.js";
import { Form, isWhole, unpackOverlay } from "./overlays.js";
import { STRIDE, box, grown, places, scaled } from "./tiles.js";
import { TURN_BYTES, unpackTurn } from "./turn.js";

const NUMBER_BYTES = 2; // of a tile, before what is coded of it

/** A picture as coded: where its tiles lie, in latent positions and (areas) in pixels, the range-coded words and the overlay of
 * each, null where it has none, and the turn of colours or null. */
export async function coded(header, sections) {
  const tiles = places(header),
    areas = tiles.map((place) => grown(scaled(place, STRIDE), 0, box(0, 0, header.height, header.width)));
  const overlays = await overlaid(header, sections, areas);
  const networks = [...tiles.keys()].filter((number) => !isWhole(overlays[number])); // tiles that have words
  const bodies = bodiesOf(sections, Kind.PICTURE);
  if (bodies.length !== networks.length)
    throw new StreamError(`is not as the format has it: ${bodies.length} of ${networks.length} tiles`);
  const payloads = tiles.map(() => null),
    turns = [];
  bodies.forEach((body, place) => {
    const [number, rest] = numbered(header, body, "a picture section");
    if (number !== networks[place]) throw new StreamError("is not as the format has it: tiles are out of order");
    const turned = TURN_BYTES * header.turned;
    if (rest.length < turned) throw new StreamError("is damaged: a picture section is too short");
    turns.push(rest.subarray(0, turned));
    payloads[number] = rest.subarray(turned);
  });
  if (turns.some((turn) => turn.some((byte, place) => byte !== turns[0][place])))
    throw new StreamError("is not as the format has it: tiles differ in how colours were turned");
  return { tiles, areas, payloads, overlays, turn: header.turned && turns.length ? unpackTurn(turns[0]) : null };
}

/** Overlays by the number of their tile; areas: of all tiles, in pixels. */
async function overlaid(header, sections, areas) {
  const overlays = areas.map(() => null),
    bodies = bodiesOf(sections, Kind.OVERLAY);
  let next = 0;
  for (const body of bodies) {
    const [number, rest] = numbered(header, body, "an overlay");
    if (number >= areas.length)
      throw new StreamError(`is not as the format has it: an overlay of tile ${number}, of ${areas.length}`);
    if (number < next) throw new StreamError("is not as the format has it: overlays are out of order");
    overlays[number] = await unpackOverlay(rest, areas[number].width, areas[number].height);
    next = number + 1;
  }
  const opaque = overlays.filter((overlay) => overlay?.form !== Form.WITH_OPACITY).length;
  if (opaque < overlays.length && (opaque || bodiesOf(sections, Kind.ALPHA).length))
    throw new StreamError("is not as the format has it: transparency is in some overlays, or there twice");
  return overlays;
}

const bodiesOf = (sections, kind) => sections.filter((section) => section.kind === kind).map((section) => section.body);

/** The number of the tile that a section is of, and what follows it. */
function numbered(header, body, what) {
  if (!header.tiled) return [0, body];
  if (body.length < NUMBER_BYTES) throw new StreamError(`is damaged: ${what} is too short`);
  return [body[0] | (body[1] << 8), body.subarray(NUMBER_BYTES)];
}

/** The body of a tile's section, of what follows its number. */
export function wrap(header, number, body) {
  const start = header.tiled ? [number & 255, number >> 8] : [];
  return concatenate([Uint8Array.from(start), body]);
}
