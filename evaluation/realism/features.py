"""What realism is measured on: features of patches and pictures of one set of photographs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from metamer.codec.errors import ImageError
from metamer.evaluation.images import to_tensor
from metamer.evaluation.realism.frechet import Moments, pim_moments
from metamer.evaluation.realism.measures import SIDE
from metamer.evaluation.realism.post_hoc_critic import Cells
from metamer.perception import create
from metamer.perception.backbones.imagenet import Network
from metamer.perception.backbones.inception import Inception

BATCH = 16  # patches through a network at once
# its 256 channels are as many as 60 photographs have patches; Inception has 2048
LAYER = "squeezenet:fire5"


@dataclass(frozen=True)
class SetFeatures:
    """A set of pictures as realism sees it, by picture.

    features: by space, of Inception "fid", (patches, D); moments: of PIM's z, by sub-band; cells:
    what the critic sees, (N, D).
    """

    features: dict[str, list[Tensor]]
    moments: list[list[Moments]] = field(default_factory=list)
    cells: list[Tensor] = field(default_factory=list)

    def of(self, chosen: Sequence[int]) -> "SetFeatures":
        """Those of some of the pictures, by their places in the set."""
        return SetFeatures(
            {name: [values[at] for at in chosen] for name, values in self.features.items()},
            [self.moments[at] for at in chosen if self.moments],
            [self.cells[at] for at in chosen if self.cells],
        )


class PooledLayer(nn.Module):
    """(N, 3, H, W) of uint8 → (N, C): a layer of a network, averaged over positions. ``name`` is
    NETWORK:LAYER.
    """

    def __init__(self, name: str):
        super().__init__()
        network, _, layer = name.partition(":")
        # twice as fast on CPUs
        self.network = Network(network).to(memory_format=torch.channels_last)
        self.layer = self.network.check(layer)
        self.name = f"{self.network.name}:{layer}"

    def forward(self, image: Tensor) -> Tensor:
        image = (image.float() / 255).contiguous(memory_format=torch.channels_last)
        return self.network(image, (self.layer,))[self.layer].mean((2, 3))


def patches(image: Tensor) -> Tensor:
    """(3, H, W) → (N, 3, 256, 256): a grid of patches that do not overlap, then a second one 128
    pixels right and down.

    >>> patches(torch.zeros(3, 512, 768, dtype=torch.uint8)).shape  # 6 and 2
    torch.Size([8, 3, 256, 256])
    """
    grids = []
    for start in (0, SIDE // 2):
        grid = image[:, start:, start:]
        if min(grid.shape[1:]) >= SIDE:
            cut = grid.unfold(1, SIDE, SIDE).unfold(2, SIDE, SIDE)  # (3, rows, columns, 256, 256)
            grids.append(cut.permute(1, 2, 0, 3, 4).reshape(-1, 3, SIDE, SIDE))
    return torch.cat(grids) if grids else image.new_zeros(0, 3, SIDE, SIDE)


class FeatureSampler:
    """Makes `SetFeatures`s; networks are loaded once.

    layer: NETWORK:LAYER of the deep-feature space; pim: PIM's weights, None to leave it out;
    critic: the network that the post-hoc critic sees through, None to leave it out. Raises
    PerceptionError.
    """

    def __init__(self, layer: str = LAYER, pim: str | None = None, critic: str | None = None):
        deep = PooledLayer(layer)
        self.pim = create("pim-1", weights=pim) if pim else None
        self.networks = {"fid": Inception(), deep.name: deep}
        self.cells = Cells(critic) if critic else None

    @torch.no_grad()
    def __call__(self, pictures: Iterable[Image.Image | np.ndarray]) -> SetFeatures:
        """Of 8-bit pictures, each asked for once; `ImageError` where no patch fits into any.

        On one core an eighth of a second a patch, and a picture half a second for the critic and
        one for PIM's z.
        """
        features = SetFeatures({name: [] for name in self.networks})
        for picture in pictures:
            cut = patches(torch.from_numpy(np.array(picture)).permute(2, 0, 1))
            for name, network in self.networks.items():
                features.features[name].append(
                    torch.cat([network(batch) for batch in cut.split(BATCH)]) if len(cut) else cut
                )
            if self.pim:
                features.moments.append(pim_moments(self.pim, to_tensor(picture)))
            if self.cells:
                features.cells.append(self.cells(to_tensor(picture)))
        if not sum(map(len, features.features["fid"])):
            raise ImageError(
                f"no picture has {SIDE} pixels a side, which the patches of realism have"
            )
        return features
