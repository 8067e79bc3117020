"""Which form each tile of a picture takes: the networks', one without loss, or both; whichever
trades bits for error best.

What an error is worth is the slope of the photographs' own curve at the quality asked for
(`fidelity.error_price`), so a form is a better trade than another where it is smaller by more than
its error costs. A form without loss that is no larger than the networks' always is. From quality 60
up, a tile must not end far below photographs at that quality (`fidelity.allowed_error`).

To look costs a few milliseconds a photograph (`codec.encoder.mode_decision.screening`); forms are
compared, which takes decoding, where that gives cause to.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from metamer.codec import transforms
from metamer.codec.encoder.mode_decision import fidelity
from metamer.codec.encoder.tiled_picture import Tile, TiledPicture
from metamer.codec.grid import Box, latent_area
from metamer.codec.network.colour_axes import BYTES as TURN_BYTES
from metamer.codec.network.decoders import own_synthesis
from metamer.codec.picture import vp8l
from metamer.codec.stream import overlays
from metamer.codec.stream.coded_picture import CodedPicture
from metamer.codec.stream.overlays import Form, Overlay

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
    """What is coded of a tile: the networks' words, an overlay, or both.

    Attributes:
        words: The range coder's; None where no network runs.
        overlay: What is coded without the networks, if anything.
        bits: What it takes.
        error: Mean squared, of 8-bit levels; None where nobody looked.
    """

    words: bytes | None
    overlay: Overlay | None
    bits: float
    error: float | None = None

    def cost(self, price: float) -> float:
        """What it costs.

        Args:
            price: Bits that a unit of mean squared error is worth.

        Returns:
            Bits.
        """
        assert self.error is not None
        return self.bits + price * self.error


def networks_form(picture: TiledPicture, number: int, code: Coder) -> Choice:
    """The networks' form of a tile, whatever becomes of it."""
    return _networks(picture, number, code)[0]


def choose_form(picture: TiledPicture, number: int, index: int, code: Coder) -> Choice:
    """Chooses the form of a tile.

    Args:
        picture: The picture.
        number: The tile's number.
        index: The quality, 0 … 255.
        code: Codes a tile with the networks.

    Returns:
        The best trade.
    """
    tile, box = picture.tiles[number], picture.boxes[number]
    limit = fidelity.allowed_error(picture.model.name, index)
    networks, latents = _networks(picture, number, code)
    if not _is_doubtful(picture, tile, index, networks.bits, limit):
        return networks
    networks, decoded = _decoded(picture, tile, index, networks, latents)
    price = fidelity.error_price(picture.model.name, index) * tile.width * tile.height
    candidates = [networks, _exact(picture, tile)]
    if tile.screening.drawn.any() and not tile.screening.drawn.all():
        candidates.append(_blocks(picture, tile, box, index, code))
    fitting = [choice for choice in candidates if limit is None or (choice.error or 0) <= limit]
    if limit is not None and networks not in fitting:
        fitting.append(_residual(tile, networks, decoded, limit))
    best = min(fitting, key=lambda choice: choice.cost(price))
    return best if best.overlay is None else replace(best, overlay=tile.finished(best.overlay))


def _is_doubtful(
    picture: TiledPicture, tile: Tile, index: int, bits: float, limit: float | None
) -> bool:
    """Whether another form may be better than the networks', which takes so many bits; of
    photographs it hardly ever is.
    """
    screening, pixels = tile.screening, tile.width * tile.height
    fine = FINE if index <= INDEX_90 else FINE_ABOVE_90
    return (
        bits > DEAR * fidelity.typical_rate(picture.model.name, index) * pixels
        or screening.lossless_bits < max(bits / SURE, PLAIN * pixels)
        or bool(screening.drawn.any())
        or (limit is not None and (screening.finest > fine or screening.patchy > PATCHY))
    )


def _networks(picture: TiledPicture, number: int, code: Coder) -> tuple[Choice, np.ndarray]:
    """And the decoded latents."""
    words, latents = code(picture.image, picture.boxes[number])
    return Choice(words, None, 8 * (len(words) + _turn_bytes(picture))), latents


def _turn_bytes(picture: TiledPicture) -> int:
    return TURN_BYTES * (picture.turn is not None)


def _decoded(
    picture: TiledPicture, tile: Tile, index: int, choice: Choice, latents: np.ndarray
) -> tuple[Choice, np.ndarray]:
    """The choice with its error, and the decoded levels: of the tile by itself, so near its edges
    not quite what a decoder gives.
    """
    header = replace(
        picture.header, quality=index, width=tile.width, height=tile.height, tiled=False
    )
    positions = latent_area(tile.width, tile.height)
    coded = CodedPicture(header, (positions,), (b"",), picture.turn, (None,))
    area, synthesis = Box(0, 0, tile.height, tile.width), own_synthesis(picture.model, index)
    levels = np.asarray(
        transforms.synthesise(lambda _: latents, coded, area, picture.model, synthesis)
    )
    if choice.overlay is not None and choice.overlay.blocks is not None:
        mask = overlays.block_mask(choice.overlay.blocks, tile.width, tile.height)
        inside = np.asarray(mask) > 0
        levels = np.where(inside if levels.ndim == 2 else inside[..., None], tile.pixels, levels)
    return replace(choice, error=tile.error(levels)), levels


def _exact(picture: TiledPicture, tile: Tile) -> Choice:
    """Without loss, opacity with the colours where that takes fewer bytes."""
    overlay = tile.exact
    size = len(overlay.data) + SECTION
    if picture.opacity is not None and len(picture.boxes) == 1:
        together = Overlay(
            Form.WITH_OPACITY, vp8l.encode_vp8l(tile.with_opacities, vp8l.EFFORTS[0])
        )
        if len(together.data) - picture.alpha_bytes < len(overlay.data):
            overlay, size = together, len(together.data) - picture.alpha_bytes
    return Choice(None, overlay, 8 * size, 0.0)


def _blocks(picture: TiledPicture, tile: Tile, box: Box, index: int, code: Coder) -> Choice:
    """What is drawn without loss, the rest by the networks."""
    words, latents = code(picture.filled, box)
    size = len(words) + _turn_bytes(picture) + len(tile.drawn_blocks.pack()) + SECTION
    choice = Choice(words, tile.drawn_blocks, 8 * size)
    return _decoded(picture, tile, index, choice, latents)[0]


def _residual(tile: Tile, networks: Choice, decoded: np.ndarray, limit: float) -> Choice:
    """The networks, and what they lack."""
    overlay = tile.residual(decoded, limit)
    levels = vp8l.decode_vp8l(overlay.data, tile.width, tile.height)
    levels = levels[..., 1] if decoded.ndim == 2 else levels
    error = tile.error(overlays.add_residual(decoded, levels, overlay.step))
    bits = networks.bits + 8 * (len(overlay.data) + SECTION)
    return replace(networks, overlay=overlay, bits=bits, error=error)
