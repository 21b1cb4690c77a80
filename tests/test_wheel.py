"""The wheel: what is in it, and what its command says where no extra is installed."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from spanlake.launcher import missing_extra

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this tree, built without downloading anything."""
    folder = tmp_path_factory.mktemp("dist")
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        folder,
        ROOT,
    ]
    subprocess.run(command, check=True, capture_output=True)
    (found,) = folder.glob("spanlake-*.whl")
    return found


def test_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"spanlake"}
    sources = {str(path.relative_to(ROOT / "layers")) for path in (ROOT / "layers" / "spanlake").rglob("*.py")}
    assert sources <= names
    assert "spanlake/py.typed" in names
    static = (ROOT / "layers" / "spanlake" / "api" / "static").rglob("*.*")
    assert {str(path.relative_to(ROOT / "layers")) for path in static} <= names  # the web page, without Node.js


@pytest.mark.parametrize(("arguments", "extra"), [(["serve"], "serve"), (["edge"], "edge"), ([], "serve")])
def test_bare_wheel_names_the_extra_that_a_command_needs(
    wheel: Path, tmp_path: Path, arguments: list[str], extra: str
) -> None:
    venv.create(tmp_path, symlinks=True)
    target = next(tmp_path.glob("lib/python*/site-packages"))
    install: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        target,
        wheel,
    ]
    subprocess.run(install, check=True, capture_output=True)
    command: list[str | Path] = [
        tmp_path / "bin" / "python",
        "-c",
        "from spanlake.launcher import main; main()",
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert f"pip install 'spanlake[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_extra_names_aws_for_its_packages() -> None:
    assert "'spanlake[serve,aws]'" in missing_extra("botocore", ["serve", "--objects", "s3://a"])
