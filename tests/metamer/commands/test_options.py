"""What several commands take."""

from pathlib import Path

import pytest

from metamer.codec.errors import FileError
from metamer.commands.options import make_folder


def test_folders_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="file: file exists"):
        make_folder(tmp_path / "file")

    def refused(*_, **__) -> None:
        raise OSError("Of a file system without numbers")

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(FileError, match="new: of a file system without numbers"):
        make_folder(tmp_path / "new")
