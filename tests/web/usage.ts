// What pages may write, checked by the TypeScript compiler alone.

import { configure, decode, encode, info, registerServiceWorker, StreamError, toPng, type Info } from "metamer-web";
import { Store, decode as decodeHere } from "metamer-web/codec";
import "metamer-web/element";

configure({ models: "/models/" });
const bytes = new Uint8Array(await (await fetch("photo.mtm")).arrayBuffer());
const picture: ImageData = await decode(bytes, { region: [0, 0, 10, 10], realism: 0.5, gpu: false, signal: AbortSignal.timeout(1000) });
const about: Info = await info(new Blob([bytes]));
const again: Uint8Array = await encode(picture, { quality: 40, lossless: false, tile: true });
const png: Blob = await toPng(again.slice().buffer, { preview: true });
const held = (await decodeHere(bytes, new Store("https://example.org/models/"))).icc?.length ?? about.sections.icc;
document.querySelector("metamer-picture")!.src = URL.createObjectURL(png);
await registerServiceWorker("/sw.js", "/").catch((problem: unknown) => problem instanceof StreamError && held);
const exact: boolean = about.lossless && about.forms.lossless !== about.tiles;
// @ts-expect-error: a decoder is a name
await decode(bytes, { decoder: 3 });
// @ts-expect-error: there is no such wish
await decode(bytes, { gpu: true });
// @ts-expect-error: there is no such option
await encode(picture, { effort: 7 });
