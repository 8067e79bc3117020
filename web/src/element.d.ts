/** `<metamer-picture src alt decoder realism>`. Events: `preview`, `load`, `error` (whose `error` says why). */
export class MetamerPicture extends HTMLElement {
  src: string | null;
}

declare global {
  interface HTMLElementTagNameMap {
    "metamer-picture": MetamerPicture;
  }
}
