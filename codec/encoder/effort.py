"""Effort: latents refined against what they decode to. Decoders and the format know nothing of it.

An encoder that rounds what its analysis says never looks at the decoded picture. With effort it
does: it decodes, finds how each latent would have to move for the picture to come nearer (a Newton
step), goes a part of the way, rounds again with an eye on the rate, and so on. That is proximal
gradient descent (Daubechies, Defrise & De Mol, Comm. Pure Appl. Math. 2004) with rate-distortion
optimised rounding for a proximal step. Latents are whole at every step, so tens of steps do what
annealing (Yang, Bamler & Mandt, "Improving inference for neural image compression", NeurIPS 2020)
takes thousands for.

Which step is kept is decided by real tables and the decoded 8-bit picture, by bits + λ·distortion,
so no file is a worse trade than it was without effort (of a tile that is seen with its neighbours
as analysed, not as decoded). λ is the slope of the picture's own curve at the quality that is asked
for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Protocol

import numpy as np
from PIL import Image

from metamer.codec import windows
from metamer.codec.errors import ModelError
from metamer.codec.grid import Box
from metamer.codec.network import colour_axes, latents
from metamer.codec.network.model import Model
from metamer.codec.options import MAX_EFFORT, QUALITIES, Progress
from metamer.codec.picture import pixels
from metamer.codec.stream.tiles import latent_area
from metamer.entropy.coder import Meter

REANALYSED = {1: 1, 2: 3, 3: 6}  # effort → steps
DESCENDED = {4: 2, 5: 4, 6: 8, 7: 16, 8: 32, 9: 64}  # with gradients; they need PyTorch
PLAIN = {"mse": 1.0}
# a step that ends at so many times the least cost is taken back, and those that follow are half as
# long
FAR = 1.05
# qualities to either side, of the 256, between which the picture's curve is measured
NEIGHBOUR = 12

GUIDES = "metamer.effort_guides"  # group of entry points in which what needs PyTorch offers itself


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
        self.around = box.grown(model.halo, model.halo, latent_area(*picture.size))
        latent, self.hyper = windows.analyse_box(picture, box, index, model, turn, model.halo)
        self.gain = model.arrays["encoder_gain"][index]
        self.exact = latent * self.gain
        self.inside = box.within(self.around)
        visible = box.scaled(latents.STRIDE).grown(0, 0, Box(0, 0, picture.height, picture.width))
        # rows and columns of what `planes` gives
        self.visible = visible.within(self.around.scaled(latents.STRIDE))
        self.original = np.asarray(
            picture.crop((visible.left, visible.top, visible.right, visible.bottom))
        )

    def field(self, decoded: np.ndarray) -> np.ndarray:
        """(h, w, M) float32 sixteenths of a step around the tile, from decoded latents of
        the tile.
        """
        field = self.exact * np.float32(latents.FRACTION)
        field[self.inside] = decoded
        return field

    def planes(self, decoded: np.ndarray) -> np.ndarray:
        """(1, 3, H, W) what the synthesis makes of it, colours turned, for all that is around the
        tile.
        """
        weights = self.model.arrays["level_weights"][self.index : self.index + 1]
        latent = latents.dequantise(self.model, self.index, self.field(decoded))
        return self.model.run("synthesis", latent=latent, weights=weights)[0]

    def shown(self, decoded: np.ndarray) -> np.ndarray:
        """The tile's pixels as a file shows them, (H, W, 3) or (H, W) uint8."""
        rows, columns = self.visible
        shown = colour_axes.restore_colours(self.planes(decoded)[:, :, rows, columns], self.affine)
        return np.asarray(
            pixels.from_planes(shown, shown.shape[3], shown.shape[2], self.model.grey)
        )

    def code(self, targets: np.ndarray, tradeoff: np.ndarray) -> tuple[np.ndarray, float]:
        """Decoded latents (h, w, M), sixteenths of a step, and the bits that ``targets`` (h, w, M),
        in steps, take.
        """
        meter = Meter(self.model.tables)
        decoded = latents.write_latents(
            self.model, self.index, targets / self.gain, self.hyper, meter, tradeoff
        )
        return decoded, meter.bits


class Guide(Protocol):
    """What pulls the latents of one view."""

    smallest: int  # pixels that either side must have
    share: float  # of the way to what is wanted that is gone at a step, at first
    # whether what later passes gain from a latent is counted; else the tradeoff has to stand for it
    foresees: bool

    def distances(self, shown: np.ndarray) -> np.ndarray:
        """(D,) of pixels as `View.shown` gives them to the original."""

    def wanted(self, decoded: np.ndarray, worth: "Slope", curvature: np.ndarray) -> np.ndarray:
        """(h, w, M) latents, in steps, at which bits + Σ ``worth.weights`` · distances would be
        least but for rounding.

        decoded: (h, w, M), sixteenths of a step. curvature: (M,) or (h, w, M) bits that a squared
        step of error costs.
        """


class Reanalysis:
    """The decoded picture is analysed as the original was, and what differs is what is missing.

    The transforms are nearly orthogonal, so that is nearly the gradient of the mean squared error.
    It takes no more than what decodes.
    """

    smallest, share, foresees = 1, 0.5, False  # of six steps, 0.4 gained 0.1 % less

    def __init__(self, view: View):
        self._view = view

    def distances(self, shown: np.ndarray) -> np.ndarray:
        return np.array(
            [
                np.square(shown.astype(np.float32) - self._view.original).mean(dtype=np.float64)
                / 255**2
            ]
        )

    def wanted(self, decoded: np.ndarray, worth: "Slope", curvature: np.ndarray) -> np.ndarray:
        view = self._view
        again, _ = windows.analyse(view.planes(decoded), view.index, view.model)
        return (
            decoded / np.float32(latents.FRACTION) + (view.exact - again * view.gain)[view.inside]
        )


@dataclass(frozen=True)
class Slope:
    """What a picture's own curve says distances are worth: weights (D,), bits for each; error: bits
    for the mean squared error.

    Each weight alone would be worth as much as the mean squared error is, times its share in the
    mix.
    """

    weights: np.ndarray
    error: float


def measure_slope(
    views: Callable[[int], tuple[View, Guide, Any]], index: int, shares: np.ndarray
) -> Slope | None:
    """The slope at quality ``index``; None where the picture has none, as one of a single colour.

    views: view, guide and tradeoff at a quality. shares: (D,) of the distances in the mix; their
    sum is 1.
    """
    rows = []
    for at in (max(0, index - NEIGHBOUR), index, min(QUALITIES - 1, index + NEIGHBOUR)):
        view, guide, tradeoff = views(at)
        decoded, bits = view.code(view.exact[view.inside], tradeoff)
        shown = view.shown(decoded)
        rows.append([bits, *Reanalysis(view).distances(shown), *guide.distances(shown)])
    low, here, high = np.array(rows)
    if min(low.min(), here.min(), high.min()) <= 0:
        return None
    # over one stretch of quality; the logarithms are nearly straight lines
    rises = here * np.log(high / low)
    bits, falls = rises[0], -rises[1:]
    if bits <= 0 or falls.min() <= 0:
        return None
    return Slope(shares * bits / falls[1:], float(bits / falls[0]))


def refine(
    view: View,
    guide: Guide,
    worth: Slope,
    tradeoff: np.ndarray,
    importance: np.ndarray,
    steps: int,
    progress: Progress | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The best trade found, as `latents.write_latents` takes it: latents (h, w, M) in image units,
    and a tradeoff.

    tradeoff: (h, w, M) without effort; importance: (h, w, 1) how much more than elsewhere an error
    counts there.
    """
    height, width = view.original.shape[:2]
    # bits that a squared step costs where transforms are orthogonal: of three planes, each with one
    # error a pixel
    curvature = worth.error * view.model.arrays["step"][view.index] ** 2 / (3 * height * width)
    curvature = (curvature * importance).astype(np.float32)
    later = curvature if guide.foresees else tradeoff
    kept = pull = targets = view.exact[view.inside]
    best, least, share = (targets, tradeoff), np.inf, guide.share
    for step in range(steps + 1):
        decoded, bits = view.code(targets, tradeoff)
        cost = bits + float(worth.weights @ guide.distances(view.shown(decoded)))
        if cost < least:
            best, least = (targets, tradeoff), cost
        if step == steps:
            break
        if cost > FAR * least:
            share /= 2
        else:
            kept, pull = targets, guide.wanted(decoded, worth, curvature)
        targets, tradeoff = kept + share * (pull - kept), later
        if progress:
            progress()
    return best[0] / view.gain, best[1]


def _distortion(model: Model) -> Mapping[str, float]:
    """What the model was trained on, as its card has it. Raises ModelError."""
    recipe = model.card.get("recipe", {})
    mix = recipe.get("distortion", PLAIN) if isinstance(recipe, dict) else None
    if not (
        isinstance(mix, Mapping)
        and mix
        and all(type(weight) in (int, float) and weight > 0 for weight in mix.values())
    ):
        raise ModelError(f"{model.path}: does not say what it was trained on; name a distortion")
    return mix


def gradient_guide() -> Callable[[View, tuple[str, ...]], Guide]:
    """What makes a guide from gradients: the workshop's, which the runtime knows by its entry point
    alone.
    """
    (point,) = entry_points(group=GUIDES, name="gradients")
    guide: Callable[[View, tuple[str, ...]], Guide] = point.load()
    return guide


@dataclass(frozen=True)
class Effort:
    """How hard to try. level: 1 … `MAX_EFFORT`; specs, shares: distances of `perception`, and their
    shares in the mix.
    """

    level: int
    specs: tuple[str, ...]
    shares: tuple[float, ...]
    progress: Progress | None = None

    @classmethod
    def of(
        cls,
        level: int,
        mix: Mapping[str, float] | None,
        model: Model,
        progress: Progress | None = None,
    ) -> "Effort | None":
        """What `codec.encode` asks for; None for level 0. Raises ModelError, ValueError."""
        if not level:
            return None
        mix = mix or _distortion(model)
        if level in REANALYSED and set(mix) != set(PLAIN):
            raise ModelError(
                f"effort 1 to {max(REANALYSED)} knows squared error alone, not {', '.join(mix)}; "
                f"take {min(DESCENDED)} to {MAX_EFFORT}"
            )
        total = sum(mix.values())
        return cls(level, tuple(mix), tuple(weight / total for weight in mix.values()), progress)

    def guide(self, view: View) -> Guide:
        if self.level in REANALYSED:
            return Reanalysis(view)
        return gradient_guide()(view, self.specs)

    def refined(
        self,
        picture: Image.Image,
        box: Box,
        index: int,
        model: Model,
        turn: colour_axes.Turn | None,
        importance: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Latents, hyper-latents and tradeoff of ``box`` for `latents.write_latents`; importance:
        (h, w, 1) of an error.
        """

        @cache
        def views(at: int) -> tuple[View, Guide, np.ndarray]:
            view = View(picture, box, at, model, turn)
            return view, self.guide(view), model.tradeoff[at] * importance

        view, guide, tradeoff = views(index)
        large = min(view.original.shape[:2]) >= guide.smallest
        worth = measure_slope(views, index, np.array(self.shares)) if large else None
        if worth is None:
            return view.exact[view.inside] / view.gain, view.hyper, tradeoff
        steps = (REANALYSED | DESCENDED)[self.level]
        latent, tradeoff = refine(view, guide, worth, tradeoff, importance, steps, self.progress)
        return latent, view.hyper, tradeoff
