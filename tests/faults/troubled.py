"""`spanlake` in a hurry and on storage in trouble: ``python -m tests.faults.troubled serve ...``.

The variable of TROUBLE says how much trouble, and where the file is without which there is none: ``seed share file``.
"""

import os
from pathlib import Path

from spanlake.cli import main
from spanlake.config import Config
from spanlake.serve import process
from spanlake.serve.storage import Store, open_store
from tests.chaos.hurried import hurry
from tests.faults.storage import Trouble, TroubledIndex, TroubledObjects

TROUBLE = "SPANLAKE_TESTS_TROUBLE"


def _open_store(config: Config) -> Store:
    seed, share, file = os.environ[TROUBLE].split(maxsplit=2)
    trouble = Trouble(Path(file), int(seed), float(share))
    store = open_store(config)
    return Store(TroubledObjects(store.objects, trouble), TroubledIndex(store.index, trouble))


if __name__ == "__main__":
    hurry()
    process.open_store = _open_store  # type: ignore[attr-defined]
    main()
