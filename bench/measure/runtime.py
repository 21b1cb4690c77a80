"""Python as Lambda has it: the layers, built for this machine, the runtime's own client, and nothing else."""

import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from spanlake_layers.bytecode import compile_all, interpreter
from spanlake_layers.contents import COMMON, Layer
from spanlake_layers.requirements import locked, packages
from spanlake_layers.target import Target
from spanlake_layers.wheels import unpack

_BUILT = Path("build/bench/runtime")
_CLIENT = Layer("client", ("awslambdaric",), above=COMMON)
_WITH_QUERIES = "query"


@dataclass(frozen=True)
class Runtime:
    """An interpreter, and where its packages are."""

    target: Target
    interpreter: str
    folder: Path

    @property
    def python(self) -> tuple[str, ...]:
        """The command that runs it, without what is installed beside it."""
        return (self.interpreter, "-S")

    def variables(self, function: str) -> dict[str, str]:
        """Of the environment of a function: where its layers are."""
        layers = ["common", "query"] if function == _WITH_QUERIES else ["common"]
        path = [self.folder / layer / "python" for layer in layers]
        return {"PYTHONPATH": ":".join(map(str, [*path, self.folder / _CLIENT.name])), "PYTHONDONTWRITEBYTECODE": "1"}


def build() -> Runtime:
    """Builds all of it, for Lambda's version of Python if that is here, and for the running one otherwise."""
    usual = Target(platform.machine())
    found = interpreter(usual.python)
    target = usual if found else Target(platform.machine(), f"{sys.version_info.major}.{sys.version_info.minor}")
    folder, python = _BUILT.absolute(), found or sys.executable
    options = ("--machine", target.machine, "--python", target.python, "--out", str(folder))
    subprocess.run([sys.executable, "layers/build.py", *options], check=True, stderr=subprocess.DEVNULL)
    client = folder / _CLIENT.name
    shutil.rmtree(client, ignore_errors=True)
    unpack(locked(packages(_CLIENT, target), Path("requirements.lock")), target, client)
    compile_all(client, python)
    return Runtime(target, python, folder)
