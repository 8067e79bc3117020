"""Relative links of every tracked document lead somewhere."""

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.conftest import ROOT

CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
LINK = re.compile(r"""\]\(([^)\s]+)\)|(?:src|href)="([^"]+)\"""")


def documents() -> list[Path]:
    """Markdown files that git tracks; in an unpacked archive, all there are but what tools
    leave.
    """
    completed = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True
    )
    if completed.returncode == 0:
        return [path for name in completed.stdout.splitlines() if (path := ROOT / name).is_file()]
    return [
        path
        for path in ROOT.rglob("*.md")
        if not {".venv", "build", "runs", "node_modules"} & set(path.parts)
    ]


def broken(document: Path) -> list[str]:
    """Relative targets in a document that are no file or folder. Templates are read where their
    page lies.
    """
    folder = ROOT / "research" if document.parent.name == "templates" else document.parent
    text = CODE.sub("", document.read_text())
    targets = [inline or referenced for inline, referenced in LINK.findall(text)]
    relative = [target for target in targets if not re.match(r"[a-z]+:|#|\{\{", target)]
    return [
        target for target in relative if not (folder / unquote(target.partition("#")[0])).exists()
    ]


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_exist(document):
    assert broken(document) == []


def test_a_broken_link_is_noticed(tmp_path):
    text = "[there](page.md#part) [gone](gone.md) [far](https://example.org/x) ![gone](a.png) `[code](b.md)`"
    (tmp_path / "page.md").write_text(text)
    assert broken(tmp_path / "page.md") == ["gone.md", "a.png"]
