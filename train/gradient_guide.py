"""How latents should move for a better file, from gradients: the guide of `codec.encoder.effort`
for any distance, with PyTorch.

Rate and distance of a decoded picture are differentiated by every latent at once, through the
synthesis and through the context networks, which predict the later passes from the earlier ones.
What is rounded to its prediction moves as the prediction does; what is not stays where it is, and
costs more or less.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from metamer.codec.encoder.effort.slope import Slope
from metamer.codec.encoder.effort.view import Coding, View
from metamer.codec.network.model import Model
from metamer.codec.network.passes import FRACTION
from metamer.perception.distance import Distance
from metamer.perception.errors import MetricError
from metamer.perception.registry import from_spec
from metamer.train import colour_axes, start
from metamer.train.networks.codec import Codec
from metamer.train.networks.entropy_model.checkerboard import checkerboard
from metamer.train.networks.entropy_model.logistic import logistic_bits


@lru_cache(maxsize=2)
def network(model: Model) -> Codec:
    """The model's networks as PyTorch has them, entropy networks rounded, none of them to be
    trained.
    """
    if model.threads:
        torch.set_num_threads(model.threads)  # several jobs share the cores
    codec = start.from_model(model).eval().requires_grad_(False)
    codec.entropy.set_quantised()
    return codec


class Gradients:
    """A `codec.encoder.effort.guide.Guide`. specs: distances, `perception.registry.from_spec`."""

    share, decay, momentum = 0.3, 1.0, 0.2  # a share of 0.5 overshoots (research/notes/LEVERS.md)

    @property
    def smallest(self) -> int:
        return max(distance.min_side for distance in self._distances)

    def __init__(self, view: View, specs: tuple[str, ...]):
        self._view, self._codec, self._distances = (
            view,
            network(view.model),
            [distance(spec) for spec in specs],
        )
        self._affine = torch.from_numpy(view.affine)[None]
        self._original = pictures(view.original)
        self._hyper = torch.from_numpy(view.hyper.astype(np.float32))[None]
        array, index = view.model.arrays, view.index
        self._level = torch.from_numpy(array["level_weights"][index : index + 1])
        self._step = torch.from_numpy(array["step"][index])[None, :, None, None]

    def _losses(self, image: Tensor) -> Tensor:
        """(D,) of an image (1, 3, H, W)."""
        return torch.cat([distance.loss(self._original, image) for distance in self._distances])

    @torch.no_grad()
    def distances(self, pixels: np.ndarray) -> np.ndarray:
        return self._losses(pictures(pixels)).double().numpy()

    def rdoq_lambda(self, usual: np.ndarray, curvature: np.ndarray) -> np.ndarray:
        return curvature  # what later passes gain from a latent is in the gradient

    def wanted(
        self, coding: Coding, planes: np.ndarray, slope: Slope, curvature: np.ndarray
    ) -> np.ndarray:
        view, entropy, decoded = self._view, self._codec.entropy, coding.decoded
        held = lattice(decoded) / FRACTION
        shift = torch.zeros_like(held, requires_grad=True)
        bits = torch.zeros(())

        board = checkerboard(*held.shape[-2:], held.device)

        def kept(centre: Tensor, log_scale: Tensor, span: slice, colour: int) -> Tensor:
            nonlocal bits
            here, moved = (board.column(latent[:, span], colour) for latent in (held, shift))
            moves = centre - centre.detach()
            residual = (here - centre.detach()).round()
            follows = residual == 0
            bits = (
                bits
                + logistic_bits(torch.where(follows, residual, residual - moves), log_scale).sum()
            )
            return here + torch.where(follows, moves, 0.0) + moved

        latent = entropy.passes(self._hyper, self._step, self._level, held.shape[-2:], kept)
        field = lattice(view.exact).clone()
        rows, columns = view.inside
        field[:, :, rows, columns] = latent
        image = colour_axes.restore(
            self._codec.synthesis(field * self._step, self._level), self._affine
        )
        image = image[:, :, view.visible[0], view.visible[1]].clamp(0, 1)
        if view.model.grey:
            image = image.mean(1, keepdim=True).expand(-1, 3, -1, -1)
        (bits + (self._losses(image) * torch.from_numpy(slope.weights).float()).sum()).backward()
        pull = shift.grad[0].permute(1, 2, 0).numpy()
        return decoded / np.float32(FRACTION) - pull / (2 * curvature)


@lru_cache(maxsize=8)
def distance(spec: str) -> Distance:
    """Raises MetricError for what can only judge."""
    made = from_spec(spec)
    if not made.metric.trainable:
        raise MetricError(f"{spec} can only judge, it has no useful gradient")
    return made


def lattice(field: np.ndarray) -> Tensor:
    """(1, M, h, w) float32 of position-major (h, w, M)."""
    return torch.from_numpy(field.astype(np.float32)).permute(2, 0, 1)[None].contiguous()


def pictures(pixels: np.ndarray) -> Tensor:
    """(1, 3, H, W) in [0, 1] of (H, W, 3) or (H, W) uint8."""
    colours = pixels if pixels.ndim == 3 else np.broadcast_to(pixels[..., None], (*pixels.shape, 3))
    return torch.from_numpy(np.array(colours.transpose(2, 0, 1)))[None].float() / 255
