"""Returns unused memory to the system where there is little of it.

Arrow's allocator and the C library keep what was freed. After some large requests that is more than a container of
512 MB has left.
"""

import asyncio
import ctypes

_SMALL = 2 << 30  # bytes
_INTERVAL_SECONDS = 2.0
_ARENA_MAX = -8  # M_ARENA_MAX of mallopt(3)
_ARENAS = 2


def limit_arenas(memory: int) -> None:
    """Have the threads of a process with little memory share two pools of the C library. Call before they start."""
    library = _glibc()
    if memory < _SMALL and library is not None:
        library.mallopt(_ARENA_MAX, _ARENAS)


async def return_unused(memory: int) -> None:
    """Return unused memory every few seconds, until cancelled; ends at once where there is enough."""
    library = _glibc()
    while memory < _SMALL:
        await asyncio.sleep(_INTERVAL_SECONDS)
        await asyncio.to_thread(_return_once, library)


def _return_once(library: ctypes.CDLL | None) -> None:
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """Return the C library if it is glibc, else None."""
    try:
        library = ctypes.CDLL(None)
    except OSError:
        return None
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
