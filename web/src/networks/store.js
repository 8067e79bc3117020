// Models: looked up in an index, fetched when first needed, kept by id in the browser's cache and, loaded, in memory.

import { ModelError } from "../errors.js";
import { NO_MODEL } from "../format/container.js";
import { Engine } from "./engine.js";
import { EntropyModel } from "./entropy.js";
import { load } from "./load.js";
import { Synthesis, mixed } from "./synthesis.js";
import { parse } from "./tensors.js";

const CACHE = "metamer-models-1";
const LARGEST = 1 << 29; // bytes of memory beyond which an engine is dropped after use, for it gives none back
const SYNTHESES = 3; // that are kept ready

/** Models in a folder that `metamer export --web` wrote. */
export class Store {
  #index;
  #files = new Map();
  #ready = new Map();

  constructor(folder) {
    this.folder = new URL(folder);
  }

  /** Names, ids and files of all models there; read once. */
  index() {
    this.#index ??= load(new URL("index.json", this.folder)).then(
      (bytes) => JSON.parse(new TextDecoder().decode(bytes)),
      (problem) => {
        this.#index = undefined;
        throw problem;
      },
    );
    return this.#index;
  }

  /** What the index says of the model that a stream names; null where there is none, or it needs none. */
  async entry(header) {
    if (header.modelId === NO_MODEL) return null;
    const { models, grey } = await this.index(),
      id = header.grey ? grey[header.modelId] : header.modelId;
    return id && Object.hasOwn(models, id) ? { id, ...models[id] } : null;
  }

  /** The same by a model's name. */
  async named(name) {
    const { models } = await this.index();
    const id = Object.keys(models).find((id) => models[id].name === name);
    if (!id)
      throw new ModelError(
        `no model '${name}'; there are: ${Object.values(models)
          .map((model) => model.name)
          .join(", ")}`,
      );
    return { id, ...models[id] };
  }

  #tensors(file) {
    if (!this.#files.has(file)) {
      const tensors = cached(new URL(file, this.folder)).then((bytes) => parse(bytes, file));
      tensors.catch(() => this.#files.delete(file));
      this.#files.set(file, tensors);
    }
    return this.#files.get(file);
  }

  /** The entropy model of an index entry. Its engine's memory is everyone's who uses it, one after the other. */
  async networks(entry) {
    if (!this.#ready.has(entry.id)) {
      const ready = this.#tensors(entry.model).then(async (tensors) => {
        if (tensors.header.id !== entry.id)
          throw new ModelError(`${entry.model} is model ${tensors.header.id}, not ${entry.id}`);
        const engine = await Engine.create();
        return { engine, tensors, entropy: new EntropyModel(engine, tensors), syntheses: new Map() };
      });
      ready.catch(() => this.#ready.delete(entry.id));
      this.#ready.set(entry.id, ready);
    }
    return this.#ready.get(entry.id);
  }

  /** The synthesis that `decoder` and `realism` ask for at a quality, and the latent positions that it sees around each. */
  async synthesis(entry, quality, decoder, realism) {
    const networks = await this.networks(entry),
      { engine, tensors } = networks;
    let name = decoder,
      amount = 0,
      file = null;
    if (name !== undefined || realism) {
      name ??= "realism";
      const found = Object.hasOwn(entry.decoders, name) ? entry.decoders[name] : null;
      if (!found)
        throw new ModelError(
          `no decoder '${name}'; for model '${entry.name}': ${Object.keys(entry.decoders).join(", ") || "none"}`,
        );
      if (realism !== undefined && !found.realism)
        throw new ModelError(`decoder '${name}' was trained for one realism only; leave realism out`);
      amount = realism ?? 1;
      if (amount) file = ofBand(found.files, tensors, quality);
    }
    const ownFile = entry.syntheses.length ? ofBand(entry.syntheses, tensors, quality) : entry.model,
      own = amount === 1 ? null : await this.#tensors(ownFile),
      theirs = file && (await this.#tensors(file));
    const key = `${ownFile} ${file}@${amount}`;
    if (!networks.syntheses.has(key)) {
      if (networks.syntheses.size >= SYNTHESES) return this.#anew(entry, quality, decoder, realism);
      const made = new Synthesis(engine, theirs ?? own, mixed(own, theirs, amount), tensors);
      networks.syntheses.set(key, { network: made, receptiveField: (theirs ?? own).header.receptive_field });
    }
    return { ...networks, synthesis: networks.syntheses.get(key) };
  }

  async #anew(entry, quality, decoder, realism) {
    this.#ready.delete(entry.id);
    return this.synthesis(entry, quality, decoder, realism);
  }

  async encoder(entry) {
    return this.#tensors(entry.encoder);
  }

  /** Forgets an engine that a large picture has blown up. */
  trim() {
    for (const [id, ready] of this.#ready)
      ready.then(
        ({ engine }) => engine.size > LARGEST && this.#ready.delete(id),
        () => {},
      );
  }
}

/** Of files, one for each equal share of the quality levels, the one that a quality takes. tensors: of the model. */
function ofBand(files, tensors, quality) {
  const weights = tensors.array("level_weights"),
    levels = weights.length / 256;
  let level = 0;
  for (let i = 0; i < levels; i++) level += i * weights[quality * levels + i];
  return files[Math.min(Math.floor((level * files.length) / (levels - 1)), files.length - 1)];
}

/** The bytes at a URL, from the browser's cache where they are. Their names change with what they hold. */
async function cached(url) {
  if (url.protocol === "file:" || typeof caches === "undefined") return load(url);
  const cache = await caches.open(CACHE).catch(() => null); // private windows may have none
  const kept = await cache?.match(url);
  if (kept) return new Uint8Array(await kept.arrayBuffer());
  const bytes = await load(url);
  await cache?.put(url, new Response(bytes)).catch(() => {}); // full
  return bytes;
}
