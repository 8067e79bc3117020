"""A file whole or not at all, whatever happens meanwhile, and no other file left behind.

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
    """What a new file is called until it is complete; short enough wherever the name of ``path``
    is.
    """
    return path.with_name(f".{path.name[:48]}.{zlib.crc32(os.fsencode(path.name)):08x}.part")


def write_atomically(path: Path, data: bytes, replace: bool = True) -> None:
    """Makes a file that holds data, with the permissions of the one that it replaces.

    Args:
        path: The file; a regular one, if it is there.
        data: What it shall hold.
        replace: Whether one that is there by then may be replaced.

    Raises:
        FileExistsError: There is one that may not, however late it came.
        OSError: It cannot be written.
    """
    temporary, handle = part_path(path), None
    waiting = False  # under the name `temporary`, which is ours to remove then
    try:
        if sys.platform == "win32":  # which locks what is open, and moves nothing that is
            waiting = True
            temporary.write_bytes(data)
            if not replace:
                os.rename(temporary, path)  # which fails there if the name is taken
                waiting = False
                return
        else:
            handle = _nameless(path.parent)
            if handle is None:
                handle, waiting = _named(temporary), True
            if replace:
                with contextlib.suppress(FileNotFoundError):
                    os.fchmod(handle, stat.S_IMODE(path.stat().st_mode))
            with open(handle, "wb", closefd=False) as file:
                file.write(data)
            os.fsync(handle)
            if not waiting:
                if _link(handle, path):
                    _discard(temporary)
                    return
                if not replace:
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
                _lock(handle)
                while not _link(handle, temporary):
                    _discard(temporary)
                waiting = True
            if not replace:
                _place(temporary, path)
                return  # what still waits is removed below
        os.replace(temporary, path)
        waiting = False
    finally:
        if waiting:
            temporary.unlink(missing_ok=True)
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


def _named(temporary: Path) -> int:
    """A new file of that name, locked."""
    while True:
        try:
            handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        except FileExistsError:
            _discard(temporary)
            continue
        _lock(handle)
        if os.fstat(handle).st_nlink:  # else discarded by another between creation and lock
            return handle
        os.close(handle)


def _place(temporary: Path, path: Path) -> None:
    """Gives a file that waits its name. Raises FileExistsError if that is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: the name is taken first, empty for a moment
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.replace(temporary, path)


def _discard(temporary: Path) -> None:
    """Removes what a killed process left; waits for one that lives."""
    try:
        handle = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        _lock(handle)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), temporary.lstat()):
                temporary.unlink()
    finally:
        os.close(handle)


def _lock(handle: int) -> None:
    with contextlib.suppress(OSError):  # file systems without locks
        fcntl.flock(handle, fcntl.LOCK_EX)
