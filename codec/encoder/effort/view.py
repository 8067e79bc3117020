"""One tile of a picture as effort sees it: analysed, coded, and decoded again."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from metamer.codec import transforms
from metamer.codec.grid import STRIDE, Box, latent_area
from metamer.codec.network import colour_axes, latents
from metamer.codec.network.model import Model
from metamer.codec.network.passes import FRACTION
from metamer.codec.picture import pixels
from metamer.entropy.coder import Recorder


@dataclass(frozen=True)
class Coding:
    """What coding latents gives. decoded: (h, w, M) int32 sixteenths of a step; recorder: all that
    was written, with its bits.
    """

    decoded: np.ndarray
    recorder: Recorder

    @property
    def bits(self) -> float:
        return self.recorder.bits


class View:
    """One tile of a picture, or the whole of it: what the analysis makes of it, and what decoded
    latents look like there.

    exact: (h, w, M) float32 latents in quantiser steps, of the positions ``around`` the tile that
    the synthesis sees too; beyond the tile they stand for what its neighbours will decode to.
    hyper: (Z, h', w') of the tile. original: its pixels.
    """

    def __init__(
        self,
        picture: Image.Image,
        box: Box,
        index: int,
        model: Model,
        turn: colour_axes.Turn | None,
    ):
        self.index, self.model = index, model
        self.affine = turn.affine() if turn else np.eye(3, 4, dtype=np.float32)
        margin = model.receptive_field
        self.around = box.grown(margin, margin, latent_area(*picture.size))
        latent, self.hyper = transforms.analyse_box(picture, box, index, model, turn, margin)
        self.gain = model.arrays["encoder_gain"][index]
        self.exact = latent * self.gain
        self.inside = box.within(self.around)
        visible = box.scaled(STRIDE).grown(0, 0, Box(0, 0, picture.height, picture.width))
        # rows and columns of what `planes` gives
        self.visible = visible.within(self.around.scaled(STRIDE))
        self.original = np.asarray(
            picture.crop((visible.left, visible.top, visible.right, visible.bottom))
        )

    def code(self, targets: np.ndarray, rdoq_lambda: np.ndarray) -> Coding:
        """What coding ``targets`` gives: (h, w, M) in steps, of the tile."""
        recorder = Recorder(self.model.tables)
        decoded = latents.write_latents(
            self.model, self.index, targets / self.gain, self.hyper, recorder, rdoq_lambda
        )
        return Coding(decoded, recorder)

    def field(self, decoded: np.ndarray) -> np.ndarray:
        """(h, w, M) float32 sixteenths of a step around the tile, from decoded latents of
        the tile.
        """
        field = self.exact * np.float32(FRACTION)
        field[self.inside] = decoded
        return field

    def planes(self, decoded: np.ndarray) -> np.ndarray:
        """(1, 3, H, W) what the synthesis makes of it, colours turned, for all that is around the
        tile.
        """
        weights = self.model.arrays["level_weights"][self.index : self.index + 1]
        latent = latents.dequantise(self.model, self.index, self.field(decoded))
        return self.model.run(
            self.model.synthesis_graph(self.index), latent=latent, weights=weights
        )[0]

    def pixels(self, planes: np.ndarray) -> np.ndarray:
        """The tile's pixels as a file shows them, (H, W, 3) or (H, W) uint8, from `planes`."""
        rows, columns = self.visible
        image = colour_axes.restore_colours(planes[:, :, rows, columns], self.affine)
        return np.asarray(
            pixels.from_planes(image, image.shape[3], image.shape[2], self.model.grey)
        )

    def reanalyse(self, planes: np.ndarray) -> np.ndarray:
        """(h, w, M) latents of the tile, in steps, that the analysis makes of `planes`."""
        latent, _ = transforms.analyse(planes, self.index, self.model)
        return latent[self.inside] * self.gain
