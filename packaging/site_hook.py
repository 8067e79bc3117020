"""What mkdocs does for the site beyond rendering: its pages are documents of the repository.

Every page goes by its path in the repository, wherever it lies, so a relative link means the same
in the site as where the code is hosted. Published are the documents that `mkdocs.yml` names and
all that they link to: other documents, pictures, and files of code, which become a page each.
"""

import posixpath
import re
from pathlib import Path
from urllib.parse import unquote

import site_reference
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(#[^)\s]*)?(?=\))")
LANGUAGES = {".py": "python", ".yaml": "yaml", ".toml": "toml", ".sh": "sh", ".js": "js"}
PICTURES = {".png", ".jpg", ".svg"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """In place of the documents of docs/ what the navigation leads to."""
    published = Files([file for file in files if not file.src_uri.endswith(".md")])
    waiting = page_names(config.nav)
    while waiting:
        name = waiting.pop()
        if name in published.src_uris:
            continue
        published.append(published_file(name, config))
        if name.endswith(".md") and (ROOT / name).is_file():
            waiting += [target for target in linked(name) if target not in waiting]
    return published


def on_page_markdown(markdown: str, page, **_) -> str:
    """Links to folders and code lead to their pages; references are filled in."""
    here = posixpath.dirname(page.file.src_uri)

    def to_page(match: re.Match) -> str:
        if (target := resolved(match[1], here)) is None:
            return match[0]
        return posixpath.relpath(page_name(target), here or ".") + (match[2] or "")

    parts = re.split(f"({CODE.pattern})", markdown, flags=CODE.flags)
    prose = [part if place % 2 else LINK.sub(to_page, part) for place, part in enumerate(parts)]
    return site_reference.filled("".join(prose))


def page_names(nav) -> list[str]:
    """Every path in a navigation."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [name for part in parts for name in page_names(part)]


def linked(name: str) -> list[str]:
    """The names that the files which a document links to are published under."""
    prose = CODE.sub("", (ROOT / name).read_text())
    targets = [resolved(match[1], posixpath.dirname(name)) for match in LINK.finditer(prose)]
    return [page_name(target) for target in targets if target is not None]


def resolved(link: str, folder: str) -> str | None:
    """The file in the repository that a relative link from a folder leads to, if there is any; of
    a folder its README.
    """
    target = posixpath.normpath(posixpath.join(folder, unquote(link)))
    if (ROOT / target).is_dir():
        target = posixpath.join(target, "README.md")
    return target if (ROOT / target).is_file() else None


def page_name(target: str) -> str:
    """What a file is published as: code as a page."""
    return target if Path(target).suffix in {".md", *PICTURES} else f"{target}.md"


def published_file(name: str, config: MkDocsConfig) -> File:
    """A file of the site, at its path in the repository; pages of docs/ at the site's top."""
    if (ROOT / name).is_file():
        file = File.generated(config, name, abs_src_path=str(ROOT / name))
    else:
        file = File.generated(config, name, content=code_page(name.removesuffix(".md")))
    file.dest_uri = file.dest_uri.removeprefix("docs/")
    return file


def code_page(name: str) -> str:
    """A file of code as a page, left out of the search."""
    path = ROOT / name
    language = LANGUAGES.get(path.suffix, "text")
    return (
        f"---\nsearch: {{exclude: true}}\n---\n\n# {name}\n\n"
        f"````{language}\n{path.read_text().rstrip()}\n````\n"
    )
