// <metamer-picture src="photo.mtm" alt="…">: for pages that cannot have a service worker. First a coarse preview, then the picture.
// Attributes: src, alt, decoder, realism. Events: preview, load, error (with `error`).

import { info, toPng } from "./index.js";

const PREVIEW_FROM = 1 << 18; // pixels; smaller pictures are there at once

export class MetamerPicture extends HTMLElement {
  static observedAttributes = ["src", "alt", "decoder", "realism"];
  #image = new Image();
  #current = null;

  constructor() {
    super();
    const style = document.createElement("style");
    style.textContent = ":host { display: inline-block } img { display: block; max-width: 100%; height: auto }";
    this.attachShadow({ mode: "open" }).append(style, this.#image);
    this.#image.setAttribute("part", "image");
  }

  get src() {
    return this.getAttribute("src");
  }

  set src(value) {
    this.setAttribute("src", value);
  }

  connectedCallback() {
    this.#show();
  }

  disconnectedCallback() {
    this.#current?.abort();
    URL.revokeObjectURL(this.#image.src);
  }

  attributeChangedCallback(name, before, value) {
    if (name === "alt") this.#image.alt = value ?? "";
    else if (before !== value && this.isConnected) this.#show();
  }

  async #show() {
    this.#current?.abort();
    if (!this.src) return this.#clear();
    const { signal } = (this.#current = new AbortController());
    try {
      const response = await fetch(new URL(this.src, this.baseURI), { signal });
      if (!response.ok) throw new Error(`${this.src} cannot be fetched: status ${response.status}`);
      const bytes = new Uint8Array(await response.arrayBuffer()),
        { width, height, lossless } = await info(bytes);
      signal.throwIfAborted();
      [this.#image.width, this.#image.height] = [width, height];
      const decoder = this.getAttribute("decoder") ?? undefined;
      const realism = this.hasAttribute("realism") ? Number(this.getAttribute("realism")) : undefined;
      if (width * height >= PREVIEW_FROM && !lossless) await this.#put(await toPng(bytes, { preview: true }), "preview", signal);
      await this.#put(await toPng(bytes, { decoder, realism }), "load", signal);
    } catch (error) {
      if (signal.aborted) return;
      this.#clear(); // of what `src` was before
      this.dispatchEvent(Object.assign(new Event("error"), { error }));
    }
  }

  #clear() {
    URL.revokeObjectURL(this.#image.src);
    for (const name of ["src", "width", "height"]) this.#image.removeAttribute(name);
  }

  async #put(png, event, signal) {
    signal.throwIfAborted();
    URL.revokeObjectURL(this.#image.src);
    this.#image.src = URL.createObjectURL(png);
    await this.#image.decode();
    signal.throwIfAborted();
    this.dispatchEvent(new Event(event));
  }
}

customElements.define("metamer-picture", MetamerPicture);
