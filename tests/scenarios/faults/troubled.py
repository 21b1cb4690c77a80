"""`spanlake` in a hurry and on storage in trouble: ``python -m tests.scenarios.faults.troubled serve ...``.

The variable of TROUBLE says how much trouble, and where the file is without which there is none: ``seed share file``.
"""

import os
from pathlib import Path

from spanlake.cli.main import main
from spanlake.server import run
from spanlake.server.storage import Store, open_store
from spanlake.settings.model import Config
from tests.scenarios.chaos.hurried import hurry
from tests.scenarios.faults.storage import Trouble, TroubledIndex, TroubledObjects

TROUBLE = "SPANLAKE_TESTS_TROUBLE"


def _open_store(config: Config) -> Store:
    seed, share, file = os.environ[TROUBLE].split(maxsplit=2)
    trouble = Trouble(Path(file), int(seed), float(share))
    store = open_store(config)
    return Store(TroubledObjects(store.objects, trouble), TroubledIndex(store.index, trouble))


if __name__ == "__main__":
    hurry()
    run.open_store = _open_store  # type: ignore[attr-defined]
    main()
