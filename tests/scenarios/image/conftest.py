"""Installs the content of the image, once for all tests of it."""

from pathlib import Path

import pytest

from tests.scenarios.image.container import Installed


@pytest.fixture(scope="package")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The image's contents in a folder."""
    return Installed.into(Path(tmp_path_factory.mktemp("image")) / "spanlake")
