/** What the input is at fault for; the names are those of the Python package. */
export class MetamerError extends Error {}

/** A file that is not a Metamer stream, is damaged, or declares more than is decoded. */
export class StreamError extends MetamerError {
  name = "StreamError";
}

/** A model that is not here, or cannot be loaded. */
export class ModelError extends MetamerError {
  name = "ModelError";
}

/** A picture, or a part of one, that cannot be coded. */
export class ImageError extends MetamerError {
  name = "ImageError";
}

/** An error by the name that it had before it was sent from a worker. */
export function revive(name, message) {
  const kind = { StreamError, ModelError, ImageError }[name] ?? Error;
  return new kind(message);
}
