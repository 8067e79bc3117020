"""Shards of WebDataset and of Hugging Face's `datasets`, as `train.data.streams` reads them."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from metamer.codec.errors import RecipeError
from metamer.codec.picture import pixels
from metamer.train.data.photographs import Packed

HUB = "hf:"
TAR = ".tar"
ENDINGS = (TAR, ".tar.gz", ".tgz")


def is_sharded(spec: str) -> bool:
    """Whether ``--data`` names shards rather than a folder of pictures."""
    return spec.startswith((HUB, "pipe:")) or "::" in spec or spec.endswith(ENDINGS)


class TarShards:
    """Tar files in WebDataset's layout: a picture a sample, named by its key and its format.

    spec: what WebDataset takes: paths and URLs with {000..012} in them, `::` between several,
    `pipe:` before a command that writes a tar file.
    """

    def __init__(self, spec: str):
        import webdataset

        try:
            self.names: Sequence[str] = webdataset.shardlists.expand_urls(spec)
        except (AssertionError, ValueError) as problem:
            raise RecipeError(f"--data {spec}: {problem}") from None
        for name in self.names:
            if not os.path.exists(name) and self.local([name]):
                raise RecipeError(f"{name}: no such file")

    @staticmethod
    def local(names: Sequence[str]) -> bool:
        """Whether all are plain files of this machine."""
        return not any(":" in name for name in names)

    @property
    def size(self) -> int | None:
        """Bytes of all, or None where they are not plain files."""
        return sum(map(os.path.getsize, self.names)) if self.local(self.names) else None

    def pictures(self, shard: int) -> Iterator[Packed]:
        import webdataset

        name = self.names[shard]
        try:
            for sample in webdataset.tariterators.tarfile_samples([{"url": name}]):
                for key, data in sample.items():
                    suffix = f".{key.rpartition('.')[2]}"
                    if suffix in pixels.PHOTOGRAPHS:
                        yield Packed(f"{name}/{sample['__key__']}{suffix}", data)
        except RecipeError:
            raise
        except Exception as problem:  # tarfile, gopen and what it starts raise what they like
            reason = " ".join(str(part) for part in problem.args[:1]) or type(problem).__name__
            raise RecipeError(f"{name} cannot be read: {reason}") from None


class HubShards:
    """A dataset by name, streamed: ``hf:NAME[:SPLIT[:COLUMN]]``, NAME also a folder of files that
    `datasets` reads. SPLIT is ``train``, COLUMN the first that holds images, unless said.
    """

    def __init__(self, spec: str):
        import datasets

        name, _, rest = spec.removeprefix(HUB).partition(":")
        split, _, column = rest.partition(":")
        try:
            dataset = datasets.load_dataset(name, split=split or "train", streaming=True)
            features = dataset.features or next(iter(dataset.take(1)), {})
            images = [
                key
                for key, value in features.items()
                if isinstance(value, datasets.Image) or hasattr(value, "getexif")
            ]
            if not column and not images:
                raise RecipeError(f"{spec}: has no column of images, but {', '.join(features)}")
            if column and column not in features:
                raise RecipeError(f"{spec}: has no column {column}, but {', '.join(features)}")
            self.column = column or images[0]
            self._data = dataset.cast_column(self.column, datasets.Image(decode=False))
        except RecipeError:
            raise
        except Exception as problem:  # of the hub, of networks, of files
            raise RecipeError(f"{spec}: {' '.join(str(problem).split())}") from None
        self.size = None
        self.names: Sequence[str] = [
            f"{spec} part {part}" for part in range(max(1, self._data.num_shards))
        ]

    def pictures(self, shard: int) -> Iterator[Packed]:
        part = self._data.shard(len(self.names), shard) if len(self.names) > 1 else self._data
        try:
            for number, row in enumerate(part):
                image = row[self.column]
                data = image["bytes"] or Path(image["path"]).read_bytes()
                yield Packed(f"{self.names[shard]} row {number}", data)
        except Exception as problem:
            raise RecipeError(
                f"{self.names[shard]} cannot be read: {' '.join(str(problem).split())}"
            ) from None


class Several:
    """The shards of several, one after the other."""

    def __init__(self, parts: Sequence[TarShards | HubShards]):
        self.names = [name for part in parts for name in part.names]
        self._of = [(part, shard) for part in parts for shard in range(len(part.names))]
        self._parts = parts

    @property
    def size(self) -> int | None:
        """Bytes of all, or None where that is not known."""
        sizes = [part.size for part in self._parts]
        return None if None in sizes else sum(sizes)

    def pictures(self, shard: int) -> Iterator[Packed]:
        part, number = self._of[shard]
        return part.pictures(number)


def open_shards(specs: Sequence[str]) -> Several:
    """The shards that ``--data`` names. Raises RecipeError."""
    return Several([HubShards(spec) if spec.startswith(HUB) else TarShards(spec) for spec in specs])
