"""Records what the packages `lpips` and `DISTS_pytorch` say of the test pairs.

    python -m tests.perception.distances.record_reference

Needs both packages and all weights (`metamer weights fetch`). The networks' weights are ours, which
come from the same files: nothing is downloaded, and what is compared is the arithmetic.
"""

import json
import sys
from pathlib import Path
from unittest.mock import patch

import torch

from metamer.perception import optional_imports, weights
from tests.perception.distances.pairs import pairs

RECORD = Path(__file__).parent / "reference_values.json"
NETWORKS = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}


def with_weights(function, name: str):
    """``function`` of a torchvision model that, once built, has our convolutional weights."""

    def build(*_, **__):
        model = function(weights=None)
        model.load_state_dict(weights.load(name), strict=False)
        return model

    return build


def record() -> dict[str, dict[str, float]]:
    optional_imports.accept_foreign_torchvision()
    from torchvision import models

    values = {}
    with (
        patch.object(models, "alexnet", with_weights(models.alexnet, "alexnet")),
        patch.object(models, "vgg16", with_weights(models.vgg16, "vgg16")),
        patch.object(models, "squeezenet1_1", with_weights(models.squeezenet1_1, "squeezenet1_1")),
    ):
        lpips, dists = (
            optional_imports.import_package("lpips"),
            optional_imports.import_package("DISTS_pytorch"),
        )
        metrics = {f"lpips-{net}": lpips.LPIPS(net=net, verbose=False) for net in NETWORKS}
        with patch.object(sys, "prefix", str(Path(dists.__file__).parent)):
            structure = dists.DISTS()
    with torch.no_grad():
        for name, (reference, image) in pairs().items():
            values[name] = {
                key: metric(2 * reference - 1, 2 * image - 1).item()
                for key, metric in metrics.items()
            }
            values[name]["dists"] = structure(reference, image).item()
    return values


if __name__ == "__main__":
    RECORD.write_text(json.dumps(record(), indent=1) + "\n")
