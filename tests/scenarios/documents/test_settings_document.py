"""docs/settings.md is what the declarations make of it, and documents name no other settings."""

import re
from pathlib import Path
from typing import Any

import pytest

from spanlake.settings.model import ClientSettings, EdgeConfig, FunctionSettings
from spanlake.settings.setting import settings_of
from spanlake_docs.settings import page
from tests.documents import document

_ROOT = Path(__file__).parents[3]
_AREAS: tuple[type[Any], ...] = (EdgeConfig, FunctionSettings, ClientSettings)
_OF_EXAMPLES = {"SPANLAKE_TOKEN", "SPANLAKE_DASHBOARDS", "SPANLAKE_NAME"}
"""Variables of the documents' own commands, and of Grafana's provisioning."""
_DOCUMENTS = sorted(path.relative_to(_ROOT) for path in [_ROOT / "README.md", *(_ROOT / "docs").glob("*.md")])


def test_settings_document_is_up_to_date() -> None:
    assert document("docs/settings.md") == page(), "run make docs-settings"


@pytest.mark.parametrize("path", _DOCUMENTS, ids=str)
def test_document_names_variables_of_settings_only(path: Path) -> None:
    declared = {each.variable for area in _AREAS for each in settings_of(area)}
    assert set(re.findall(r"SPANLAKE_[A-Z_]+[A-Z]", document(str(path)))) <= declared | _OF_EXAMPLES
