import type { DecodeOptions, EncodeOptions, Info, Pixels } from "./index.js";

export { ImageError, MetamerError, ModelError, StreamError } from "./index.js";

/** Models in a folder that `metamer export --web` wrote. */
export class Store {
  constructor(folder: string | URL);
}

export interface Picture extends Pixels {
  transparent: boolean;
  grey: boolean;
  /** Whether WebGPU made all that the networks make of it. */
  gpu: boolean;
  icc?: Uint8Array;
  exif?: Uint8Array;
  xmp?: Uint8Array;
}

/** As in index.js, in the thread that calls; also for Node. */
export function decode(bytes: Uint8Array, store: Store, options?: Omit<DecodeOptions, "signal">): Promise<Picture>;
/** Decoded latents (height, width, latents), whole sixteenths of a quantiser step: the same on every machine, to the bit. None in a
 * file that needs no model; 0 where a tile is coded without the networks. */
export function decodeLatents(
  bytes: Uint8Array,
  store: Store,
  options?: { maxPixels?: number },
): Promise<{ height: number; width: number; latents: number; values: Int32Array }>;
export function encode(picture: Pixels, store: Store, options?: Omit<EncodeOptions, "signal">): Promise<Uint8Array>;
export function encodePng(picture: Picture): Uint8Array;
export function info(bytes: Uint8Array, store: Store): Promise<Info>;
