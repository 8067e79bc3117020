/** What the input is at fault for. */
export class MetamerError extends Error {}
/** A file that is not a Metamer stream, is damaged, or declares more than is decoded. */
export class StreamError extends MetamerError {}
/** A model that is not there, or cannot be loaded. */
export class ModelError extends MetamerError {}
/** A picture, or a part of one, that cannot be coded. */
export class ImageError extends MetamerError {}

/** A file's bytes. */
export type Bytes = Uint8Array | ArrayBuffer | Blob;

export interface DecodeOptions {
  /** [x, y, width, height] in pixels, inside the picture: that part alone is decoded. */
  region?: [number, number, number, number];
  /** From the coarse latents alone, in a fraction of the time. */
  preview?: boolean;
  /** One of `Info.decoders`; by default the model's own, which has the least distortion. */
  decoder?: string;
  /** 0 (the model's own decoder) to 1 (all the texture that the decoder, by default the one named `realism`, invents). */
  realism?: number;
  /** Whether WebGPU makes the pixels, to within a level of what WebAssembly makes: `auto`, if it is not given, where there is an
   * adapter that is none in software; `any` also on one in software; false never. WebAssembly does it where WebGPU fails. */
  gpu?: "auto" | "any" | false;
  /** How many pixels the file may declare; by default 178,956,970, and no more than its length makes plausible. */
  maxPixels?: number;
  /** Ends the work when it aborts, as `AbortSignal.timeout(5000)` does. */
  signal?: AbortSignal;
}

export interface Info {
  width: number;
  height: number;
  /** 0 to 100 */
  quality: number;
  /** The model's name; null where it is not among the models, or none is needed. */
  model: string | null;
  modelId: string;
  version: 1 | 2;
  bytes: number;
  /** Bits a pixel. */
  bpp: number;
  /** 0 if coded in one piece. */
  tiles: number;
  grey: boolean;
  decoders: string[];
  /** Bytes of what is there of alpha, icc, exif and xmp. */
  sections: { alpha?: number; icc?: number; exif?: number; xmp?: number };
  /** How many tiles are coded how: by the networks alone, with blocks or a residual on top, or without loss and networks. */
  forms: { networks?: number; blocks?: number; residual?: number; lossless?: number };
  /** Whether every visible pixel is as it was, and no model is needed. */
  lossless: boolean;
}

export interface EncodeOptions {
  /** 0 (smallest) to 100 (best); 50 if it is not given. */
  quality?: number;
  /** Keep every visible pixel, whatever the quality; rejects with ImageError where the browser has no exact encoder of lossless WebP.
   * False leaves all to the networks. If it is not given, text and drawings are kept so where that is the better trade, and from
   * quality 60 up noise gets what the networks lack. */
  lossless?: boolean;
  /** A model's name; `base` if it is not given. */
  model?: string;
  /** Code tiles of 1024x1024 pixels apart; larger pictures than 4 megapixels always are. */
  tile?: boolean;
  maxPixels?: number;
  signal?: AbortSignal;
}

/** Pixels as canvases have them, RGBA. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8ClampedArray;
}

/** models: address of the folder that `metamer export --web` wrote; by default `models/` beside this package's `src/`. */
export function configure(options: { models: string }): void;
/** A picture, in the colours that the file has: sRGB, unless it was encoded with `--icc keep`. Rejects with MetamerError. */
export function decode(bytes: Bytes, options?: DecodeOptions): Promise<ImageData>;
/** The picture as a PNG file, with its colour profile and EXIF. */
export function toPng(bytes: Bytes, options?: DecodeOptions): Promise<Blob>;
/** What a file says of itself; every checksum is verified. */
export function info(bytes: Bytes, options?: { signal?: AbortSignal }): Promise<Info>;
/** The bytes of a file. Colours are taken as sRGB; what is all grey is coded as grey; transparency is kept. */
export function encode(picture: Pixels, options?: EncodeOptions): Promise<Uint8Array>;
/**
 * Registers a service worker that shows `.mtm` files wherever pictures may stand, and asks again for those of this page.
 * @param script a module at or above the pages that imports `metamer-web/service-worker`; with `?models=ADDRESS` behind it if need be
 */
export function registerServiceWorker(script: string, scope?: string): Promise<ServiceWorkerRegistration>;
