// The page: a picture that was coded before, or one that is dropped here, under a divider beside other formats.

import { configure, decode, encode, info, registerServiceWorker } from "./metamer/src/index.js";

const LARGEST = 4 << 20; // pixels of a dropped photograph; larger ones are made smaller
const PREVIEW_FROM = 1 << 17; // pixels
const TRIES = 7; // qualities of JPEG in search of one of the same size

const at = (id) => document.getElementById(id);
const stage = at("stage"),
  ours = at("ours"),
  theirs = at("theirs");
let source = null,
  opening = false,
  turn = 0, // counts what has been begun: what is not of the last is dropped
  decoded = ""; // what is said of the picture that is shown; empty until it is

configure({ models: "models/" });

/** A picture that was coded before: at some qualities, with files of other formats that are as large. */
async function shipped(name) {
  const { width, height, original, points } = await (await fetch(`pictures/${name}.json`)).json();
  return {
    name,
    width,
    height,
    async coded(quality) {
      const point = points.reduce((best, other) =>
        Math.abs(other.quality - quality) < Math.abs(best.quality - quality) ? other : best,
      );
      const bytes = new Uint8Array(await (await fetch(`pictures/${point.mtm}`)).arrayBuffer());
      const rivals = new Map(["AVIF", "JPEG"].map((format) => [format, `pictures/${point[format.toLowerCase()]}`]));
      return { bytes, quality: point.quality, rivals: rivals.set("Original", `pictures/${original}`) };
    },
  };
}

/** A photograph of one's own: encoded here. */
async function photograph(file) {
  const whole = await createImageBitmap(file),
    scale = Math.min(1, Math.sqrt(LARGEST / (whole.width * whole.height)));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [whole.width, whole.height].map((side) => Math.max(1, Math.floor(side * scale)));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(whole, 0, 0, canvas.width, canvas.height);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height),
    original = URL.createObjectURL(await blob(canvas, "image/png"));
  return {
    name: file.name.replace(/\.[^.]*$/, ""),
    width: canvas.width,
    height: canvas.height,
    encodes: true,
    async coded(quality) {
      const bytes = await encode(pixels, { quality });
      return {
        bytes,
        quality,
        rivals: new Map([
          ["JPEG", URL.createObjectURL(await jpeg(canvas, bytes.length))],
          ["Original", original],
        ]),
      };
    },
  };
}

const blob = (canvas, type, quality) => new Promise((resolve) => canvas.toBlob(resolve, type, quality));

/** The best JPEG of at most so many bytes, or the smallest. */
async function jpeg(canvas, size) {
  let [low, high] = [0, 1],
    best = await blob(canvas, "image/jpeg", 0);
  for (let time = 0; time < TRIES; time++) {
    const middle = (low + high) / 2,
      made = await blob(canvas, "image/jpeg", middle);
    if (made.size <= size) [low, best] = [middle, made];
    else high = middle;
  }
  return best;
}

/** A file that was coded elsewhere. */
async function stream(file) {
  const bytes = new Uint8Array(await file.arrayBuffer()),
    { width, height, quality } = await info(bytes);
  return {
    name: file.name.replace(/\.mtm$/i, ""),
    width,
    height,
    fixed: true,
    coded: async () => ({ bytes, quality, rivals: new Map() }),
  };
}

function begin(text) {
  decoded = "";
  say(text);
  return ++turn;
}

function fail(problem, mine) {
  if (mine === turn) say(`That did not work: ${problem.message}`);
}

async function open(made) {
  const mine = begin("Opening");
  opening = true;
  try {
    const opened = await made;
    if (mine !== turn) return;
    source = opened;
    opening = false;
    at("quality").disabled = Boolean(source.fixed);
    await refresh();
  } catch (problem) {
    if (mine === turn) opening = false;
    fail(problem, mine);
  }
}

/** Encodes and decodes as the sliders say. */
async function refresh() {
  const mine = begin(source.encodes ? "Encoding" : "Decoding"),
    chosen = Number(at("quality").value),
    realism = Number(at("realism").value);
  at("realism-out").value = realism.toFixed(1);
  try {
    const { bytes, quality, rivals } = await source.coded(chosen);
    if (mine !== turn) return;
    if (Number(at("quality").value) === chosen) at("quality-out").value = Math.round(quality); // else it is being moved
    offer(bytes);
    listRivals(rivals);
    const about = await info(bytes);
    if (mine !== turn) return;
    at("realism").disabled = !about.decoders.includes("realism");
    if (about.width * about.height >= PREVIEW_FROM && !about.lossless) draw(await decode(bytes, { preview: true }), mine);
    const begun = performance.now(),
      options = realism && !at("realism").disabled ? { realism } : {};
    draw(await decode(bytes, options), mine);
    const seconds = (performance.now() - begun) / 1000;
    if (mine !== turn) return;
    decoded =
      `${about.width}×${about.height}, ${bytes.length.toLocaleString("en")} bytes, ${about.bpp.toFixed(3)} bits a pixel, ` +
      `decoded in ${seconds.toFixed(2)} s`;
    await report(mine);
  } catch (problem) {
    fail(problem, mine);
  }
}

function draw(picture, mine) {
  if (mine !== turn) return;
  if (ours.width !== picture.width || ours.height !== picture.height)
    [ours.width, ours.height] = [picture.width, picture.height];
  ours.getContext("2d").putImageData(picture, 0, 0);
}

/** Puts what stands beside into the list, and the chosen one into the picture. */
function listRivals(rivals) {
  const select = at("rival"),
    before = select.value;
  stage.classList.toggle("alone", !rivals.size);
  select.disabled = !rivals.size;
  select.replaceChildren(...[...rivals.keys()].map((name) => new Option(name, name, false, name === before)));
  source.rivals = rivals;
  showRival();
}

function showRival() {
  const name = at("rival").value;
  if (!name) return;
  at("rival-tag").textContent = name;
  theirs.src = source.rivals.get(name);
}

/** Says what is shown, and how large what stands beside is, unless another has been chosen by then. */
async function report(mine) {
  const name = at("rival").value;
  let beside = "";
  if (name) {
    const { size } = await (await fetch(source.rivals.get(name))).blob();
    beside = `. ${name}: ${size.toLocaleString("en")} bytes`;
  }
  if (mine !== turn || at("rival").value !== name) return;
  say(decoded + beside);
  document.body.dataset.shown = mine;
}

function offer(bytes) {
  const save = at("save");
  URL.revokeObjectURL(save.href);
  save.href = URL.createObjectURL(new Blob([bytes], { type: "image/x-metamer" }));
  save.download = `${source.name}.mtm`;
  save.hidden = false;
}

function say(text) {
  at("status").textContent = text;
}

function place(percent) {
  at("divider").value = percent;
  stage.style.setProperty("--at", `${percent}%`);
}

const take = (file) => file && open(/\.mtm$/i.test(file.name) ? stream(file) : photograph(file));

at("divider").addEventListener("input", () => place(at("divider").value));
at("quality").addEventListener("input", () => (at("quality-out").value = at("quality").value));
at("realism").addEventListener("input", () => (at("realism-out").value = Number(at("realism").value).toFixed(1)));
for (const id of ["quality", "realism"]) at(id).addEventListener("change", () => source && !opening && refresh());
at("rival").addEventListener("change", () => {
  const mine = turn;
  showRival();
  if (decoded) report(mine).catch((problem) => fail(problem, mine));
});
at("file").addEventListener("change", () => take(at("file").files[0]));

const follow = ({ clientX }) => {
  const { left, width } = stage.getBoundingClientRect();
  place(Math.max(0, Math.min(100, Math.round((1000 * (clientX - left)) / width) / 10)));
};
stage.addEventListener("pointerdown", (event) => {
  stage.setPointerCapture(event.pointerId);
  follow(event);
});
stage.addEventListener("pointermove", (event) => event.buttons && follow(event));

addEventListener("dragover", (event) => {
  event.preventDefault();
  stage.classList.add("waiting");
});
addEventListener("dragleave", (event) => event.relatedTarget ?? stage.classList.remove("waiting"));
addEventListener("drop", (event) => {
  event.preventDefault();
  stage.classList.remove("waiting");
  take(event.dataTransfer.files[0]);
});

await open(shipped("otters"));
if ("serviceWorker" in navigator) {
  await registerServiceWorker("service-worker.js?models=models/");
  at("plain").src = "pictures/otters.mtm";
}
