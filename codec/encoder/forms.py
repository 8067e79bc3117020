"""Which form each tile of a picture takes: the networks', one without loss, or both; whichever
trades bits for error best.

What an error is worth is the slope of the photographs' own curve at the quality asked for
(`fidelity.error_price`), so a form is a better trade than another where it is smaller by more than
its error costs. A form without loss that is no larger than the networks' always is. From quality 60
up, a tile must not end far below photographs at that quality (`fidelity.allowed_error`).

To look costs a few milliseconds a photograph (`codec.encoder.screening`); forms are compared, which
takes decoding, where that gives cause to.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from PIL import Image

from metamer.codec import windows
from metamer.codec.container import NO_MODEL, Header, Kind, Section
from metamer.codec.encoder import fidelity
from metamer.codec.encoder.screening import Screening
from metamer.codec.grid import Box, latent_area
from metamer.codec.network.colour_axes import Turn, choose_turn
from metamer.codec.network.decoders import own_synthesis
from metamer.codec.network.model import Model
from metamer.codec.picture import alpha, vp8l
from metamer.codec.stream import overlays
from metamer.codec.stream.overlays import Form, Overlay
from metamer.codec.stream.tiles import CodedPicture, pack_overlay, pack_tile, tile_boxes

SURE = 0.6  # lossless data may take this much of what a look says that it will,
# bits a pixel, or, where that is less than these, next to nothing; photographs take at least twice
# as many
PLAIN = 2.0
DEAR = 4.0  # times as many bits as photographs take: none of 60 does
# `Screening.finest` from which the networks' error is looked at; the grainiest of 60 photographs
# has 92
FINE = 100.0
FINE_ABOVE_90 = 50.0  # at qualities above 90, where three of them are looked at
# `Screening.patchy` from which it is looked at; the most colourful of 60 photographs has 205
PATCHY = 300.0
INDEX_90 = 230  # quality 90, as it is stored
SECTION = 7  # bytes or so that a section takes besides its body

# a picture and the tile of it to code → the range coder's words, and decoded latents
Coder = Callable[[Image.Image, Box], tuple[bytes, np.ndarray]]


@dataclass(frozen=True)
class Choice:
    """What is coded of a tile: the networks' words, an overlay, or both. error: mean squared, None
    where nobody looked.
    """

    words: bytes | None
    overlay: Overlay | None
    bits: float
    error: float | None = None

    def cost(self, price: float) -> float:
        """In bits; price: bits for a unit of mean squared error."""
        assert self.error is not None
        return self.bits + price * self.error


class Tile:
    """One tile of a picture before it is coded, and what of it does not depend on quality.

    area: in pixels of ``image``, mode L or RGB, and of ``opacity``, mode L, if it has some.
    """

    def __init__(self, image: Image.Image, opacity: Image.Image | None, area: Box):
        self._image, self._opacity = image, opacity
        self._corners = area.left, area.top, area.right, area.bottom
        self.height, self.width = area.height, area.width
        self.screening = Screening(lambda: self.pixels)
        self._finished: dict[Form, Overlay] = {}

    @property
    def pixels(self) -> np.ndarray:
        """(H, W) or (H, W, 3) uint8; not kept, as large pictures have many tiles."""
        whole = self._image.size == (self.width, self.height)
        return np.asarray(self._image if whole else self._image.crop(self._corners))

    @property
    def with_opacities(self) -> np.ndarray:
        """(H, W, 4) uint8."""
        assert self._opacity is not None
        return np.dstack(
            [overlays.as_rgb(self.pixels), np.asarray(self._opacity.crop(self._corners))]
        )

    @cached_property
    def exact(self) -> Overlay:
        """All of it without loss, at the effort that suffices to choose."""
        return Overlay(Form.WHOLE, vp8l.encode_vp8l(overlays.as_rgb(self.pixels), vp8l.EFFORTS[0]))

    @cached_property
    def drawn_blocks(self) -> Overlay:
        """What is drawn of it without loss, at that effort."""
        return Overlay(
            Form.BLOCKS,
            vp8l.encode_vp8l(self._drawn(), vp8l.EFFORTS[0]),
            blocks=self.screening.drawn,
        )

    def _drawn(self) -> np.ndarray:
        """What is not drawn in the commonest colour of what is: it costs nearly nothing."""
        inside = np.asarray(overlays.block_mask(self.screening.drawn, self.width, self.height)) > 0
        levels = overlays.as_rgb(self.pixels).copy()
        colours, counts = np.unique(levels[inside], axis=0, return_counts=True)
        levels[~inside] = colours[counts.argmax()]
        return levels

    def finished(self, overlay: Overlay) -> Overlay:
        """The same in the fewest bytes; kept, as a search for a size asks for it again and
        again.
        """
        if overlay.form == Form.RESIDUAL:
            return overlay
        if overlay.form not in self._finished:
            levels = {
                Form.WHOLE: lambda: overlays.as_rgb(self.pixels),
                Form.WITH_OPACITY: lambda: self.with_opacities,
                Form.BLOCKS: self._drawn,
            }[overlay.form]()
            self._finished[overlay.form] = replace(overlay, data=vp8l.encode_smallest(levels))
        return self._finished[overlay.form]

    def whole(self) -> Overlay:
        """All of it without loss, in the fewest bytes."""
        return self.finished(Overlay(Form.WHOLE, b""))

    def with_opacity(self) -> Overlay:
        """And its opacity."""
        return self.finished(Overlay(Form.WITH_OPACITY, b""))

    def residual(self, shown: np.ndarray, limit: float) -> Overlay:
        """What ``shown`` lacks, in the largest steps with which the mean squared error stays within
        ``limit``.
        """
        step = min(overlays.MAX_STEP, max(overlays.MIN_STEP, int(2 * np.sqrt(12 * limit))))
        while True:
            levels = overlays.residual_levels(self.pixels, shown, step)
            if (
                step == overlays.MIN_STEP
                or self.error(overlays.add_residual(shown, levels, step)) <= limit
            ):
                return Overlay(
                    Form.RESIDUAL, vp8l.encode_vp8l(overlays.as_rgb(levels), vp8l.EFFORTS[0]), step
                )
            step = max(overlays.MIN_STEP, step * 15 // 16)

    def error(self, shown: np.ndarray) -> float:
        """Mean squared, of 8-bit levels."""
        return float(np.square(self.pixels.astype(np.float32) - shown).mean(dtype=np.float64))


class Forms:
    """A picture that is to be coded, whose tiles' forms are chosen for a quality.

    image: L or RGB; opacity: mode L, or None; alpha_bytes: of the section that holds it otherwise;
    choosing: whether forms are chosen at all.
    """

    def __init__(
        self,
        image: Image.Image,
        opacity: Image.Image | None,
        alpha_bytes: int,
        model: Model,
        tiled: bool,
        choosing: bool = True,
    ):
        self.image, self.model, self._alpha_bytes = image, model, alpha_bytes
        self.header = Header(model.id, 0, *image.size, grey=model.grey, tiled=tiled)
        self.boxes = tile_boxes(self.header)
        self.tiles = [
            Tile(image, opacity, overlays.pixel_area(box, self.header)) for box in self.boxes
        ]
        self._opacity, self._choosing = opacity, choosing

    @cached_property
    def filled(self) -> Image.Image:
        """The picture with what is drawn filled in smoothly, so that the networks spend little on
        it.
        """
        whole = Image.new("L", self.image.size, 255)
        for box, tile in zip(self.boxes, self.tiles, strict=True):
            area = overlays.pixel_area(box, self.header)
            if tile.screening.drawn.any():
                whole.paste(
                    0,
                    (area.left, area.top),
                    overlays.block_mask(tile.screening.drawn, tile.width, tile.height),
                )
        return (
            self.image
            if whole.getextrema() == (255, 255)
            else alpha.fill_transparent(self.image, whole)
        )

    @cached_property
    def turn(self) -> Turn | None:
        """How colours are turned, by those of what is not drawn."""
        return choose_turn(self.filled if self._choosing else self.image)

    def choose(self, number: int, index: int, code: Coder) -> Choice:
        """The form of a tile at quality ``index``."""
        tile, box, limit = (
            self.tiles[number],
            self.boxes[number],
            fidelity.allowed_error(self.model.name, index),
        )
        plain = self._plain(number, code)
        if not self._doubtful(tile, index, plain[0].bits, limit):
            return plain[0]
        first, shown = self._looked_at(tile, box, index, *plain)
        price = fidelity.error_price(self.model.name, index) * tile.width * tile.height
        candidates = [first, self._exact(tile)]
        if tile.screening.drawn.any() and not tile.screening.drawn.all():
            candidates.append(self._blocks(tile, box, index, code))
        fitting = [choice for choice in candidates if limit is None or (choice.error or 0) <= limit]
        if limit is not None and first not in fitting:
            fitting.append(self._residual(tile, first, shown, limit))
        best = min(fitting, key=lambda choice: choice.cost(price))
        return best if best.overlay is None else replace(best, overlay=tile.finished(best.overlay))

    def networks(self, number: int, index: int, code: Coder) -> Choice:
        """The networks' form of a tile, whatever becomes of it."""
        return self._plain(number, code)[0]

    def lossless_bits(self) -> float:
        """About how many bits the picture takes without loss."""
        return sum(tile.screening.lossless_bits for tile in self.tiles)

    def _doubtful(self, tile: Tile, index: int, bits: float, limit: float | None) -> bool:
        """Whether another form may be better than the networks', which takes so many bits; of
        photographs it hardly ever is.
        """
        look, pixels, fine = (
            tile.screening,
            tile.width * tile.height,
            FINE if index <= INDEX_90 else FINE_ABOVE_90,
        )
        return (
            bits > DEAR * fidelity.typical_rate(self.model.name, index) * pixels
            or look.lossless_bits < max(bits / SURE, PLAIN * pixels)
            or bool(look.drawn.any())
            or (limit is not None and (look.finest > fine or look.patchy > PATCHY))
        )

    def _plain(self, number: int, code: Coder) -> tuple[Choice, np.ndarray]:
        words, decoded = code(self.image, self.boxes[number])
        return Choice(words, None, 8 * (len(words) + 6 * (self.turn is not None))), decoded

    def _looked_at(
        self, tile: Tile, box: Box, index: int, choice: Choice, decoded: np.ndarray
    ) -> tuple[Choice, np.ndarray]:
        """With its error, and what it shows: of the tile by itself, so near its edges not quite
        what a decoder gives.
        """
        header = replace(
            self.header, quality=index, width=tile.width, height=tile.height, tiled=False
        )
        alone = CodedPicture(
            header, (latent_area(tile.width, tile.height),), (b"",), self.turn, (None,)
        )
        synthesis = own_synthesis(self.model)
        area = Box(0, 0, tile.height, tile.width)
        shown = np.asarray(
            windows.synthesise(lambda _: decoded, alone, area, self.model, synthesis)
        )
        if choice.overlay is not None and choice.overlay.blocks is not None:
            inside = (
                np.asarray(overlays.block_mask(choice.overlay.blocks, tile.width, tile.height)) > 0
            )
            shown = np.where(inside if shown.ndim == 2 else inside[..., None], tile.pixels, shown)
        return replace(choice, error=tile.error(shown)), shown

    def _exact(self, tile: Tile) -> Choice:
        overlay = tile.exact
        size = len(overlay.data) + SECTION
        if self._opacity is not None and len(self.boxes) == 1:
            together = Overlay(
                Form.WITH_OPACITY, vp8l.encode_vp8l(tile.with_opacities, vp8l.EFFORTS[0])
            )
            if len(together.data) - self._alpha_bytes < len(overlay.data):
                overlay, size = together, len(together.data) - self._alpha_bytes
        return Choice(None, overlay, 8 * size, 0.0)

    def _blocks(self, tile: Tile, box: Box, index: int, code: Coder) -> Choice:
        words, decoded = code(self.filled, box)
        size = len(words) + 6 * (self.turn is not None) + len(tile.drawn_blocks.pack()) + SECTION
        return self._looked_at(
            tile, box, index, Choice(words, tile.drawn_blocks, 8 * size), decoded
        )[0]

    def _residual(self, tile: Tile, first: Choice, shown: np.ndarray, limit: float) -> Choice:
        overlay = tile.residual(shown, limit)
        levels = vp8l.decode_vp8l(overlay.data, tile.width, tile.height)
        error = tile.error(
            overlays.add_residual(
                shown, levels[..., 1] if shown.ndim == 2 else levels, overlay.step
            )
        )
        return replace(
            first, overlay=overlay, bits=first.bits + 8 * (len(overlay.data) + SECTION), error=error
        )

    def assemble(
        self, choices: list[Choice], index: int, others: list[Section]
    ) -> tuple[Header, list[Section]]:
        """Header and sections of the file; others: the sections besides the picture's."""
        header = replace(
            self.header, quality=index, overlaid=any(choice.overlay for choice in choices)
        )
        coded = [choice.words for choice in choices]
        held = [choice.overlay for choice in choices]
        if all(words is None for words in coded):
            return self._without_networks(
                [overlay for overlay in held if overlay is not None], header, others
            )
        header = replace(header, turned=self.turn is not None)
        pictures = [
            Section(Kind.PICTURE, pack_tile(header, number, self.turn, words))
            for number, words in enumerate(coded)
            if words is not None
        ]
        return header, [*pictures, *others, *_sections(header, held)]

    def lossless(self, index: int, others: list[Section]) -> tuple[Header, list[Section]]:
        """`assemble` of all tiles without loss."""
        header = replace(self.header, quality=index, overlaid=True)
        return self._without_networks([tile.whole() for tile in self.tiles], header, others)

    def _without_networks(
        self, held: list[Overlay], header: Header, others: list[Section]
    ) -> tuple[Header, list[Section]]:
        """Opacity is held with the colours where that takes fewer bytes."""
        header = replace(header, model_id=NO_MODEL)
        opaque = [section for section in others if section.kind != Kind.ALPHA]
        if self._opacity is None:
            return header, [*opaque, *_sections(header, held)]
        apart = [
            overlay if overlay.form == Form.WHOLE else tile.whole()
            for tile, overlay in zip(self.tiles, held, strict=True)
        ]
        together = [
            overlay if overlay.form == Form.WITH_OPACITY else tile.with_opacity()
            for tile, overlay in zip(self.tiles, held, strict=True)
        ]
        if (
            sum(len(overlay.data) for overlay in together)
            < sum(len(overlay.data) for overlay in apart) + self._alpha_bytes
        ):
            return header, [*opaque, *_sections(header, together)]
        return header, [*others, *_sections(header, apart)]


def _sections(header: Header, held: list[Overlay | None] | list[Overlay]) -> list[Section]:
    return [
        Section(Kind.OVERLAY, pack_overlay(header, number, overlay))
        for number, overlay in enumerate(held)
        if overlay is not None
    ]
