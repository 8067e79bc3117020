"""A file whole or not at all, whatever happens meanwhile, and nothing left beside it.

Data go to a file without a name where the system has such (O_TMPFILE, open(2)): the kernel frees it
when its process dies. They are brought to the disk, and only then get the name. One that is taken
cannot be given at once, so the file is first called `.NAME.….part` and then moved; systems without
nameless files write under that name from the start. Who writes holds a lock on the file, and locks
die with their process: what a killed one left, the next to write the same file removes.
"""

import contextlib
import errno
import os
import stat
import sys
import zlib
from pathlib import Path

if sys.platform != "win32":
    import fcntl


def part_path(path: Path) -> Path:
    """What a new ``path`` is called until it is complete; short enough wherever the name of
    ``path`` is.
    """
    return path.with_name(f".{path.name[:48]}.{zlib.crc32(os.fsencode(path.name)):08x}.part")


def write_atomically(path: Path, data: bytes, replace: bool = True) -> None:
    """Makes ``path`` a regular file that holds ``data``, with the permissions of the one that it
    replaces.

    Raises OSError; FileExistsError where there is such a file, however late it came, and
    ``replace`` does not allow it.
    """
    beside, handle = part_path(path), None
    waiting = False  # under the name `beside`, which is ours to remove then
    try:
        if sys.platform == "win32":  # which locks what is open, and moves nothing that is
            waiting = True
            beside.write_bytes(data)
            if not replace:
                os.rename(beside, path)  # which fails there if the name is taken
                waiting = False
                return
        else:
            handle = _nameless(path.parent)
            if handle is None:
                handle, waiting = _named(beside), True
            if replace:
                with contextlib.suppress(FileNotFoundError):
                    os.fchmod(handle, stat.S_IMODE(path.stat().st_mode))
            with open(handle, "wb", closefd=False) as file:
                file.write(data)
            os.fsync(handle)
            if not waiting:
                if _link(handle, path):
                    _discard(beside)
                    return
                if not replace:
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
                _lock(handle)
                while not _link(handle, beside):
                    _discard(beside)
                waiting = True
            if not replace:
                _place(beside, path)
                return  # what still waits is removed below
        os.replace(beside, path)
        waiting = False
    finally:
        if waiting:
            beside.unlink(missing_ok=True)
        if handle is not None:
            os.close(handle)


def _nameless(folder: Path) -> int | None:
    """A new file in ``folder`` without a name, or None where there are none, or none could be
    named.
    """
    if sys.platform != "linux" or not os.path.exists("/proc/self/fd"):
        return None
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666)
    except OSError:  # what else is wrong with the folder, a named file will tell
        return None


def _link(handle: int, name: Path) -> bool:
    """Gives a file without a name one; False if it is taken."""
    # Python follows the link in /proc only when given a folder: linkat(2)
    folder = os.open(name.parent, os.O_RDONLY)
    try:
        os.link(f"/proc/self/fd/{handle}", name.name, dst_dir_fd=folder, follow_symlinks=True)
    except FileExistsError:
        return False
    finally:
        os.close(folder)
    return True


def _named(beside: Path) -> int:
    """A new file of that name, locked."""
    while True:
        try:
            handle = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        except FileExistsError:
            _discard(beside)
            continue
        _lock(handle)
        if os.fstat(handle).st_nlink:  # else discarded by another between creation and lock
            return handle
        os.close(handle)


def _place(beside: Path, path: Path) -> None:
    """Gives a file that waits its name. Raises FileExistsError if that is taken."""
    try:
        os.link(beside, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: the name is taken first, empty for a moment
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.replace(beside, path)


def _discard(beside: Path) -> None:
    """Removes what a killed process left; waits for one that lives."""
    try:
        handle = os.open(beside, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        _lock(handle)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), beside.lstat()):
                beside.unlink()
    finally:
        os.close(handle)


def _lock(handle: int) -> None:
    with contextlib.suppress(OSError):  # file systems without locks
        fcntl.flock(handle, fcntl.LOCK_EX)
