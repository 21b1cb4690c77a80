"""Target of a layer: machine and Python version."""

from collections.abc import Mapping
from dataclasses import dataclass

_NEWEST_GLIBC = 34  # of Amazon Linux 2023, 2.34
_OLDEST_GLIBC = 17


@dataclass(frozen=True, slots=True)
class Target:
    """A machine, as in ``uname -m``, and a version of Python, such as 3.13."""

    machine: str = "aarch64"
    python: str = "3.13"

    @property
    def markers(self) -> Mapping[str, str]:
        """Values of environment markers of requirements on the target."""
        return {
            "platform_machine": self.machine,
            "platform_system": "Linux",
            "sys_platform": "linux",
            "os_name": "posix",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "python_version": self.python,
            "python_full_version": f"{self.python}.0",
        }

    @property
    def pip_options(self) -> list[str]:
        """Options for pip to select wheels of this target."""
        glibc = range(_NEWEST_GLIBC, _OLDEST_GLIBC - 1, -1)
        platforms = [*(f"manylinux_2_{minor}_{self.machine}" for minor in glibc), f"manylinux2014_{self.machine}"]
        tags = [f"cp{self.python.replace('.', '')}", "abi3", "none"]
        return [
            *("--implementation", "cp", "--python-version", self.python, "--only-binary", ":all:"),
            *(option for tag in tags for option in ("--abi", tag)),
            *(option for platform in platforms for option in ("--platform", platform)),
        ]

    def __str__(self) -> str:
        return f"{self.machine}, Python {self.python}"
