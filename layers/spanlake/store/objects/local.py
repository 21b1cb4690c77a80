"""Objects as files under a local directory."""

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from spanlake.store.disk import make_directories, reported, sync
from spanlake.store.errors import ObjectNotFound, StorageUnavailable
from spanlake.store.objects.base import ObjectInfo, is_segment, validate_path

FULL = {errno.ENOSPC, errno.EDQUOT}
_LEFT_FREE = 256 << 10
"""Bytes of a disk that no object takes: without room for its index entry it would be stored in vain."""
_TEMPORARY = ".tmp"  # not a segment that validate_path lets through
_SETTLED_LIMIT = 10_000
_LINKED_LEVELS = 2  # of folders that may be links: ``spans``, and those of tenants in it
_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)  # a directory is no object


class LocalObjects:
    """Objects in a directory tree; several processes may share it.

    A put writes a file apart, makes it durable and renames it into place, so that no crash leaves half an object
    under an object's name. What a crash does leave is swept away when the directory is opened the next time.
    Raises StorageUnavailable when the directory cannot be used.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._temporary = self._root / _TEMPORARY
        self._settled: set[Path] = set()  # directories this process has made durable
        with reported(f"cannot use the directory {self._root}"):
            make_directories(self._root)
            with _full_disk_tolerated():  # what is stored can be read all the same
                make_directories(self._temporary)
                _sweep(self._temporary)
        for link in _links(self._root):
            if not link.exists():
                raise StorageUnavailable(f"{link} is a link that leads nowhere: {link.readlink()}")

    def put(self, path: str, data: bytes | pa.Buffer) -> None:
        """Store an object, whole and durable when this returns."""
        target = self._file(path)
        with reported(f"cannot store {path}"), _locked_file(self._beside(path)) as (descriptor, temporary):
            _require_room(descriptor, memoryview(data).nbytes)
            _write(descriptor, memoryview(data))
            self._rename(temporary, target)

    def get(self, path: str) -> bytes:
        """Read a whole object; raises ObjectNotFound."""
        with reported(f"cannot read {path}"), _found(path):
            return self._file(path).read_bytes()

    def open(self, path: str) -> pa.NativeFile:
        """Open an object for reading in parts; raises ObjectNotFound."""
        file = self._file(path)
        with reported(f"cannot read {path}"), _found(path):
            if file.is_dir():  # of which Arrow's error does not tell
                raise IsADirectoryError
            return pa.OSFile(str(file), mode="r")

    def delete(self, path: str) -> None:
        """Remove an object if it is there; its directory stays, since somebody may be about to put into it."""
        with reported(f"cannot delete {path}"), suppress(*_ABSENT):
            self._file(path).unlink()

    def delete_all(self, paths: Sequence[str]) -> None:
        """Remove the objects that are there."""
        for path in paths:
            self.delete(path)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Name the objects whose path begins with this text, in the order of their paths."""
        with reported(f"cannot list {prefix!r}"):
            yield from _walk(self._root, "", prefix)

    def service_time(self) -> int | None:
        """None: files are dated by this machine."""
        return None

    @property
    def name(self) -> str:
        """The path of the directory."""
        return str(self._root)

    def uri(self, path: str) -> str:
        """Return the file's absolute path."""
        return str(self._file(path))

    def _file(self, path: str) -> Path:
        return self._root / validate_path(path)

    def _beside(self, path: str) -> Path:
        """Where the file of an object is written before it is renamed: on the same disk, also behind links."""
        first, _, rest = path.partition("/")
        tenant = self._root / first / rest.partition("/")[0]
        behind = next((folder for folder in (tenant, self._root / first) if folder.is_symlink()), self._root)
        return behind / _TEMPORARY

    def _rename(self, temporary: Path, target: Path) -> None:
        self._settle(target.parent)
        try:
            temporary.rename(target)
        except FileNotFoundError:  # somebody removed the directory since it was settled
            self._settled.discard(target.parent)
            self._settle(target.parent)
            temporary.rename(target)
        sync(target.parent)

    def _settle(self, directory: Path) -> None:
        if directory in self._settled:
            return
        directory.mkdir(parents=True, exist_ok=True)
        for parent in directory.parents:  # also those found in place: their maker may not have come to it yet
            sync(parent)
            if parent == self._root:
                break
        if len(self._settled) >= _SETTLED_LIMIT:
            self._settled.clear()
        self._settled.add(directory)


def linked_directories(root: Path) -> list[Path]:
    """Where links lead that stand in the place of folders of blocks or of a tenant."""
    return [link.resolve() for link in _links(root)]


def _links(root: Path) -> list[Path]:
    """Links in a directory and in its folders, such as ``spans`` on a larger disk; deeper ones are not followed."""
    folders = [path for path in _children(root) if path.is_symlink() or path.is_dir()]
    return [path for folder in folders for path in (folder, *_children(folder)) if path.is_symlink()]


def _children(directory: Path) -> list[Path]:
    with suppress(OSError):
        return [path for path in directory.iterdir() if is_segment(path.name)]
    return []


@contextmanager
def _full_disk_tolerated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise


@contextmanager
def _found(path: str) -> Iterator[None]:
    try:
        yield
    except _ABSENT as error:
        raise ObjectNotFound(f"there is no object {path}") from error


@contextmanager
def _locked_file(directory: Path) -> Iterator[tuple[int, Path]]:
    """A new file that no sweep takes while its writer lives; it is removed unless it was renamed."""
    descriptor, path = _created(directory)
    try:
        yield descriptor, path
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def _created(directory: Path) -> tuple[int, Path]:
    """Return a new file, locked, which no sweep took in the moment before."""
    while True:
        path = directory / secrets.token_hex(16)
        descriptor = _new_file(path)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor, path
        os.close(descriptor)


def _new_file(path: Path) -> int:
    """Return the descriptor of a new file, whose directory is made if it is not there, or not there any more."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(path, flags, 0o644)
    except FileNotFoundError:
        make_directories(path.parent)
        return os.open(path, flags, 0o644)


def _require_room(descriptor: int, size: int) -> None:
    """Raise OSError where the disk is as good as full."""
    disk = os.fstatvfs(descriptor)
    if disk.f_blocks and disk.f_bavail * disk.f_frsize < size + _LEFT_FREE:  # some disks do not tell their size
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _write(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)


def _sweep(directory: Path) -> None:
    for path in directory.iterdir():
        with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _walk(directory: Path, path: str, prefix: str) -> Iterator[ObjectInfo]:
    for name, entry in _entries(directory, follow_links=path.count("/") < _LINKED_LEVELS):
        below = path + name
        if not (below.startswith(prefix) or prefix.startswith(below)):
            continue
        if name.endswith("/"):
            yield from _walk(Path(entry.path), below, prefix)
        elif below.startswith(prefix):
            with suppress(FileNotFoundError):  # deleted since the directory was read
                status = entry.stat(follow_symlinks=False)
                yield ObjectInfo(below, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def _entries(directory: Path, *, follow_links: bool) -> list[tuple[str, os.DirEntry[str]]]:
    """Lists a directory, directories with a trailing slash, so that they sort as the paths below them do."""
    with os.scandir(directory) as entries:
        named = [(entry.name + "/" * entry.is_dir(follow_symlinks=follow_links), entry) for entry in entries]
    return sorted((item for item in named if is_segment(item[1].name)), key=lambda item: item[0])
