"""Levels of effort, and the latents of a tile at one of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from metamer.codec.encoder.effort import slope
from metamer.codec.encoder.effort.descent import refine
from metamer.codec.encoder.effort.guide import Guide, Reanalysis, gradient_guide
from metamer.codec.encoder.effort.view import Coding, View
from metamer.codec.errors import ModelError
from metamer.codec.grid import Box
from metamer.codec.network.colour_axes import Turn
from metamer.codec.network.model import Model
from metamer.codec.options import MAX_EFFORT, QUALITIES, Progress

REANALYSED = {1: 1, 2: 2, 3: 3}  # effort → steps
DESCENDED = {4: 2, 5: 4, 6: 8, 7: 16, 8: 32, 9: 64}  # with gradients; they need PyTorch
PLAIN = {"mse": 1.0}
# qualities to either side, of the 256, between which a picture's own curve is measured
NEIGHBOUR = 12


def _distortion(model: Model) -> Mapping[str, float]:
    """What the model was trained on, as its card has it: where its transforms were trained further
    for streams that stayed, what these were trained on. Raises ModelError.
    """
    recipe = model.card.get("streams_recipe", model.card.get("recipe", {}))
    mix = recipe.get("distortion", PLAIN) if isinstance(recipe, dict) else None
    if not (
        isinstance(mix, Mapping)
        and mix
        and all(type(weight) in (int, float) and weight > 0 for weight in mix.values())
    ):
        raise ModelError(f"{model.path}: does not say what it was trained on; name a distortion")
    return mix


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
        """What `codec.encode` asks for; None for level 0. Raises ModelError."""
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

    def code(
        self,
        picture: Image.Image,
        box: Box,
        index: int,
        model: Model,
        turn: Turn | None,
        importance: np.ndarray,
    ) -> Coding:
        """The latents of ``box``, coded; importance: (h, w, 1) how much more than elsewhere an
        error counts.
        """

        def view_at(at: int) -> View:
            return View(picture, box, at, model, turn)

        view = view_at(index)
        guide, rdoq_lambda = self._guide(view), model.rdoq_lambda[index] * importance
        height, width = view.original.shape[:2]
        price: slope.Slope | None = None
        if min(height, width) >= guide.smallest:
            if self.specs == tuple(PLAIN):
                price = slope.nominal(model, index, height * width)
            else:
                price = self._measured(view_at, index, importance)
        if price is None:
            return view.code(view.exact[view.inside], rdoq_lambda)
        steps = (REANALYSED | DESCENDED)[self.level]
        return refine(view, guide, price, rdoq_lambda, importance, steps, self.progress)

    def _guide(self, view: View) -> Guide:
        if self.level in REANALYSED:
            return Reanalysis(view)
        return gradient_guide()(view, self.specs)

    def _measured(
        self, view_at: Callable[[int], View], index: int, importance: np.ndarray
    ) -> slope.Slope | None:
        """A tile's own slope, between qualities around ``index``."""
        rows = []
        for at in (max(0, index - NEIGHBOUR), index, min(QUALITIES - 1, index + NEIGHBOUR)):
            view = view_at(at)
            coding = view.code(view.exact[view.inside], view.model.rdoq_lambda[at] * importance)
            pixels = view.pixels(view.planes(coding.decoded))
            distances = self._guide(view).distances(pixels)
            rows.append([coding.bits, *Reanalysis(view).distances(pixels), *distances])
        return slope.measured(rows, np.array(self.shares))
