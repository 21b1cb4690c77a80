"""Hooks of MkDocs: pages from the repository's root, and links that leave docs/."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).parents[2]
_PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "reporting.md",
}
_LINK = re.compile(r"\[([^\]]+)\]\((?![a-z]+:|#)([^)#\s]*)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that stand at the root of the repository."""
    for source, page in _PAGES.items():
        files.append(File.generated(config, page, content=_moved((_ROOT / source).read_text(), Path())))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Rewrites the links of a page of docs/."""
    return markdown if page.file.src_uri in _PAGES.values() else _moved(markdown, Path("docs"))


def _moved(markdown: str, folder: Path) -> str:
    """Returns a page of a folder of the repository with its links as the site has them."""
    return _LINK.sub(lambda link: _link(link, folder), markdown)


def _link(link: re.Match[str], folder: Path) -> str:
    text, path, anchor = link[1], link[2], link[3] or ""
    found = (_ROOT / folder / path).resolve().relative_to(_ROOT)
    if str(found) in _PAGES:
        return f"[{text}]({_PAGES[str(found)]}{anchor})"
    if found.parts[:1] == ("docs",):
        return f"[{text}]({found.relative_to('docs')}{anchor})"
    return text if str(found) == text.strip("`") else f"{text} (`{found}`)"  # a file that the site does not have
