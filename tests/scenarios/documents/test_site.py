"""The documents as a site: pages made from the code are up to date, and every page is in the navigation."""

import re
from pathlib import Path

from spanlake_docs.api import page
from tests.documents import document

_DOCS = Path(__file__).parents[3] / "docs"
_FROM_THE_ROOT = {"index.md", "contributing.md", "changelog.md", "reporting.md"}


def test_api_reference_is_up_to_date() -> None:
    assert document("docs/api.md") == page(), "run make docs-api"


def test_every_document_is_in_the_navigation() -> None:
    listed = set(re.findall(r"[a-z-]+\.md", document("mkdocs.yml").partition("nav:")[2]))
    assert listed == {path.name for path in _DOCS.glob("*.md")} | _FROM_THE_ROOT
