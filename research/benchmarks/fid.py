"""FID, ours against torch-fidelity's, on the same patches of photographs and of their JPEGs and
blurred copies.

    pip install -e '.[evaluate,peers]' && python research/benchmarks/fid.py PHOTOS

torch-fidelity has its own network, resizing, statistics and formulas; only the trained weights are
ours, in its layout (it would fetch the same ones, of 2015-12-05). Prints both figures for every
copy and by how much they differ.

Measured with torch-fidelity 0.4.0 on 200 patches of held-out photographs: JPEG of quality 20,
104.734605 and 104.734546 (apart by 5.6e-7 of it); Gaussian blur of 1 pixel, 50.526237 and 50.526140
(1.9e-6).
"""

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor, nn
from torch.utils.data import Dataset

from metamer.evaluation.images import held_out_paths, read_image, round_trip
from metamer.evaluation.realism.features import BATCH, patches
from metamer.evaluation.realism.frechet import frechet_distance_of_features
from metamer.perception import optional_imports, weights
from metamer.perception.backbones.inception import Inception, inception_layers

COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG 20": partial(round_trip, kind="JPEG", quality=20),
    "blur 1": lambda picture: picture.filter(ImageFilter.GaussianBlur(1)),
}
PARTS = {
    "weight": "conv.weight",
    "beta": "bn.bias",
    "mean": "bn.running_mean",
    "var": "bn.running_var",
}


class Patches(Dataset):
    """As torch-fidelity asks for them: uint8, (3, 256, 256) each."""

    def __init__(self, values: Tensor):
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Tensor:
        return self.values[index]


def in_their_layout(path: Path) -> None:
    """Writes Inception's weights, not folded, as torch-fidelity names them: both list the
    convolutions in the same order.
    """
    package = optional_imports.import_package("torch_fidelity.feature_extractor_inceptionv3")
    with (
        patch.object(package, "load_state_dict_from_url", lambda *_, **__: {}),
        patch.object(nn.Module, "load_state_dict", lambda *_, **__: None),
    ):
        network = package.FeatureExtractorInceptionV3("plain", ["2048"])
    blocks = [
        (name, block)
        for name, block in network.named_modules()
        if isinstance(block, package.BasicConv2d)
    ]
    names = [
        name for name, module in inception_layers().named_modules() if isinstance(module, nn.Conv2d)
    ]
    shipped, state = weights.load("inception"), network.state_dict()
    for (block, _), name in zip(blocks, names, strict=True):
        for our_part, their_part in PARTS.items():
            assert state[f"{block}.{their_part}"].shape == shipped[f"{name}.{our_part}"].shape, (
                block
            )
            state[f"{block}.{their_part}"] = shipped[f"{name}.{our_part}"]
        state[f"{block}.bn.weight"] = torch.ones_like(state[f"{block}.bn.bias"])
    torch.save(state, path)


@torch.no_grad()
def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("photos", type=Path)
    options.add_argument("--patches", type=int, default=240)
    arguments = options.parse_args()
    torch.set_num_threads(1)
    pictures = list(map(read_image, held_out_paths(arguments.photos)))

    def cut(change: Callable[[Image.Image], Image.Image]) -> Tensor:
        cut_patches = [
            patches(torch.from_numpy(np.array(change(picture))).permute(2, 0, 1))
            for picture in pictures
        ]
        return torch.cat(cut_patches)[: arguments.patches].contiguous()

    network = Inception()
    sets = {"originals": cut(lambda picture: picture)} | {
        name: cut(change) for name, change in COPIES.items()
    }
    features = {
        name: torch.cat([network(batch) for batch in values.split(BATCH)]).double()
        for name, values in sets.items()
    }
    fidelity = optional_imports.import_package("torch_fidelity")
    with tempfile.TemporaryDirectory() as folder:
        in_their_layout(Path(folder) / "inception.pth")
        for name in COPIES:
            metrics = fidelity.calculate_metrics(
                input1=Patches(sets["originals"]),
                input2=Patches(sets[name]),
                fid=True,
                cuda=False,
                batch_size=BATCH,
                verbose=False,
                save_cpu_ram=True,
                # whose features are computed once
                cache_root=folder,
                input1_cache_name="originals",
                feature_extractor_weights_path=f"{folder}/inception.pth",
            )
            fid, package_fid = (
                frechet_distance_of_features(features["originals"], features[name]),
                metrics["frechet_inception_distance"],
            )
            print(
                f"{name}, {len(sets[name])} patches: ours {fid:.6f}, torch-fidelity's {package_fid:.6f}, "
                f"apart by {abs(fid / package_fid - 1):.1e} of it",
                flush=True,
            )


if __name__ == "__main__":
    main()
