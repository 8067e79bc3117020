"""Metamer in Pillow, and so in everything that opens and saves pictures through it. Importing this
module registers it.

>>> import io
>>> import metamer.codec.plugin
>>> from PIL import Image
>>> file = io.BytesIO()
>>> Image.new("RGB", (64, 48), (200, 120, 40)).save(file, "MTM", quality=40)
>>> picture = Image.open(file)  # reads the header; pixels are decoded when first used
>>> picture.format, picture.size, picture.mode
('MTM', (64, 48), 'RGB')

`save` takes the options of `metamer.encode` (quality, lossless, bpp, max_bytes, model, threads …).
Pixels are those of `metamer.decode` with the model's own decoder. Errors are Pillow's:
UnidentifiedImageError for what is not a Metamer file, OSError for one that is damaged or whose
model is not installed, and for a picture that cannot be encoded.
"""

from dataclasses import fields
from typing import IO, TYPE_CHECKING

from PIL import Image, ImageFile

from metamer.codec.errors import ImageError, MetamerError, StreamError
from metamer.codec.format import container
from metamer.codec.options import EncodeOptions

if TYPE_CHECKING:
    from PIL._imaging import PixelAccess

FORMAT, MIME = "MTM", "image/x-metamer"


class MetamerImageFile(ImageFile.ImageFile):
    """What Image.open gives for `.mtm` files."""

    format = FORMAT
    format_description = "Metamer"

    def _open(self) -> None:
        assert self.fp is not None
        try:
            head = self.fp.read(container.HEADER_BYTES)
            header = container.read_header(head)
            alpha = container.version(head) > 1 and self._has_alpha()
        except StreamError as problem:
            raise SyntaxError(str(problem)) from None  # how Pillow asks the next plugin
        self._size = header.width, header.height
        self._mode = ("LA" if alpha else "L") if header.grey else ("RGBA" if alpha else "RGB")

    def _read(self) -> bytes:
        if self.fp is None:
            raise ValueError("the file is closed")
        self.fp.seek(0)
        return self.fp.read()

    def _has_alpha(self) -> bool:
        header, sections = container.unpack(self._read())
        return any(
            section.kind == container.Kind.ALPHA for section in sections
        ) or container.has_opacity(header, sections)

    def load(self) -> "PixelAccess | None":
        """Decodes the pixels, once. Raises OSError."""
        if self._im is None:
            from metamer.codec.decode import (
                decode,  # brings the runtime, which opening does without
            )

            try:
                picture = decode(self._read())
            except MetamerError as problem:
                raise OSError(str(problem)) from problem
            self.im, self._mode = picture.im, picture.mode
            self.info.update(picture.info)
            self._release()
        return super().load()

    def verify(self) -> None:
        """Compares the checksums and counts the tiles. Raises OSError."""
        from metamer.codec.stream.coded_picture import parse_tiles

        try:
            parse_tiles(*container.unpack(self._read()))
        except MetamerError as problem:
            raise OSError(str(problem)) from problem
        finally:
            self._release()

    def _release(self) -> None:
        if self._exclusive_fp and self.fp is not None:
            self.fp.close()
        self.fp = None


def _save(image: Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    from metamer.codec.encode import encode

    # what other formats know is passed over, as Pillow's own do
    names = {option.name for option in fields(EncodeOptions)}
    options = {name: value for name, value in image.encoderinfo.items() if name in names}
    try:
        data = encode(image, **options)
    except MetamerError as problem:
        subject = "the picture " if isinstance(problem, ImageError) else ""
        raise OSError(f"cannot write as Metamer: {subject}{problem}") from problem
    file.write(data)


def _accept(prefix: bytes) -> bool:
    return (
        prefix.startswith(container.MAGIC)
        and len(prefix) > 3
        and 1 <= prefix[3] <= container.VERSION
    )


Image.register_open(FORMAT, MetamerImageFile, _accept)
Image.register_save(FORMAT, _save)
Image.register_extension(FORMAT, container.SUFFIX)
Image.register_mime(FORMAT, MIME)
