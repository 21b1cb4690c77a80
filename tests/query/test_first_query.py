"""The first queries of a process, which come at once."""

import subprocess
import sys

_IMPORTS = "import sys, spanlake.query.querier; print('sqlglot.dialects.duckdb' in sys.modules)"


def test_dialect_of_sql_is_loaded_before_the_first_query() -> None:
    """sqlglot loads a dialect at its first use by name, and another thread that names it meanwhile gets half of it:
    SQL that DuckDB cannot read. Loaded as an import, it is whole before there are threads."""
    done = subprocess.run([sys.executable, "-c", _IMPORTS], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
