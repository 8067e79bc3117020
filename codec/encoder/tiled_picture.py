"""Tiles of a picture before they are coded, and what of them does not depend on quality."""

from dataclasses import replace
from functools import cached_property

import numpy as np
from PIL import Image

from metamer.codec.encoder.mode_decision.screening import Screening
from metamer.codec.format.container import Header
from metamer.codec.grid import Box
from metamer.codec.network.colour_axes import Turn, choose_turn
from metamer.codec.network.model import Model
from metamer.codec.picture import alpha, vp8l
from metamer.codec.stream import overlays
from metamer.codec.stream.coded_picture import tile_boxes
from metamer.codec.stream.overlays import Form, Overlay


class Tile:
    """One tile of a picture before it is coded."""

    def __init__(self, image: Image.Image, opacity: Image.Image | None, area: Box):
        """Looks at nothing yet.

        Args:
            image: The picture, mode L or RGB.
            opacity: Mode L, of the same size, if it has some.
            area: The tile's pixels.
        """
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
        """The same overlay in the fewest bytes; kept, as a search for a size asks for it again and
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
        """All of it and its opacity without loss, in the fewest bytes."""
        return self.finished(Overlay(Form.WITH_OPACITY, b""))

    def residual(self, decoded: np.ndarray, limit: float) -> Overlay:
        """What a decoded tile lacks, in the largest steps that suffice.

        Args:
            decoded: 8-bit levels, of the tile's shape.
            limit: The largest mean squared error that may be left, of 8-bit levels.
        """
        step = min(overlays.MAX_STEP, max(overlays.MIN_STEP, int(2 * np.sqrt(12 * limit))))
        while True:
            levels = overlays.residual_levels(self.pixels, decoded, step)
            if (
                step == overlays.MIN_STEP
                or self.error(overlays.add_residual(decoded, levels, step)) <= limit
            ):
                return Overlay(
                    Form.RESIDUAL, vp8l.encode_vp8l(overlays.as_rgb(levels), vp8l.EFFORTS[0]), step
                )
            step = max(overlays.MIN_STEP, step * 15 // 16)

    def error(self, decoded: np.ndarray) -> float:
        """The mean squared error of decoded 8-bit levels."""
        return float(np.square(self.pixels.astype(np.float32) - decoded).mean(dtype=np.float64))


class TiledPicture:
    """A picture on its way to a file.

    Attributes:
        image: Mode L or RGB.
        opacity: Mode L, of the same size; None where it is opaque.
        alpha_bytes: Of the section that holds the opacity, unless overlays do.
        model: Its model.
        header: The file's, but for what depends on the forms of tiles.
        boxes: Where tiles lie, in latent positions.
        tiles: The tiles.
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
        """Splits a picture.

        Args:
            image: Mode L or RGB.
            opacity: Mode L, of the same size; None where it is opaque.
            alpha_bytes: Of the section that holds the opacity.
            model: Its model.
            tiled: Whether tiles are coded apart; else there is one.
            choosing: Whether forms of tiles are chosen at all.
        """
        self.image, self.opacity, self.alpha_bytes, self.model = image, opacity, alpha_bytes, model
        self.header = Header(model.id, 0, *image.size, grey=model.grey, tiled=tiled)
        self.boxes = tile_boxes(self.header)
        self.tiles = [
            Tile(image, opacity, overlays.pixel_area(box, self.header)) for box in self.boxes
        ]
        self._choosing = choosing

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

    def lossless_bits(self) -> float:
        """About how many bits the picture takes without loss."""
        return sum(tile.screening.lossless_bits for tile in self.tiles)
