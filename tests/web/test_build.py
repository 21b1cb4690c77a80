"""The files of the web page in the package are the build of its sources, whose types are right."""

from pathlib import Path

from tests.toolchain import installed

SCRIPT = Path(__file__).parents[2] / "scripts" / "web.sh"


def test_package_holds_the_build_of_the_sources() -> None:
    (*_, told) = installed(SCRIPT, "Node.js for the web page", "check")
    assert "bytes compressed" in told
