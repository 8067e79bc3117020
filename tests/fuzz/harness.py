"""What every target of the fuzzer shares: time, memory, and where something failed."""

import mmap
import resource
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

# by the clock, for what is not pictures, and for each pixel declared
SECONDS, SECONDS_A_PIXEL = 2.0, 8e-6
# bytes of addresses that all inputs together may add to the process; above it allocations fail
MEMORY = 2 << 30
LONGEST = 1 << 16  # bytes of an input


class SilentError(AssertionError):
    """Something wrong was taken for right."""


@dataclass
class Harness:
    """share: of the inputs that have a picture, how many go through the networks, where a target
    has such.

    reached: how many inputs came to each stage; failures: input and traceback by where it was
    raised; longest: seconds by the clock, as processor time takes as long to ask for as an input
    does, and the input; what seems too long is run again, by processor time. `keep` names a file
    that holds the input at work, whatever becomes of the process.
    """

    share: float = 1 / 256
    reached: Counter = field(default_factory=Counter)
    failures: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    longest: tuple[float, bytes] = (0.0, b"")
    longest_without: float = 0.0  # networks
    started: float = field(default_factory=time.perf_counter)
    _kept: mmap.mmap | None = None

    def __post_init__(self) -> None:
        warnings.simplefilter("error")  # a command would print them

    def __call__(self, data: bytes, parent: bytes | None = None) -> None:
        """parent: the good file that ``data`` is damaged from."""
        if self._kept is not None and len(data) <= LONGEST:
            self._kept[: 4 + len(data)] = len(data).to_bytes(4, "little") + data
        start, deep = time.perf_counter(), self.reached["networks"]
        self.reached["inputs"] += 1
        self.reached["damaged, checksums as they were"] += parent is not None and data != parent
        try:
            pixels = self.check(data, parent)
            seconds, limit = time.perf_counter() - start, SECONDS + SECONDS_A_PIXEL * pixels
            if seconds > limit:  # others may have had the core meanwhile
                cpu_start = time.process_time()
                self.check(data, parent)
                seconds = time.process_time() - cpu_start
            self._note(seconds, data, self.reached["networks"] > deep)
            if seconds > limit:
                raise TimeoutError(f"{seconds:.1f} s for {pixels} pixels")
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as problem:  # some packages raise what is no Exception
            last = traceback.extract_tb(problem.__traceback__)[-1]
            place = f"{type(problem).__name__} at {last.filename.rsplit('/', 2)[-1]}:{last.lineno} {last.name}"
            self.reached["failures"] += 1
            self.failures.setdefault(place, (data, traceback.format_exc()))

    def _note(self, seconds: float, data: bytes, deep: bool) -> None:
        self.longest = max(self.longest, (seconds, data))
        if not deep:
            self.longest_without = max(self.longest_without, seconds)

    def check(self, data: bytes, parent: bytes | None) -> int:
        """Puts an input to what reads it; returns how many pixels it declares. Raises what is found
        wrong.
        """
        raise NotImplementedError

    def keep(self, path: Path) -> None:
        """Keeps the input at work in a file: its length (4 bytes, little-endian), and itself."""
        path.write_bytes(bytes(4 + LONGEST))
        with path.open("r+b") as file:
            self._kept = mmap.mmap(file.fileno(), 0)

    def report(self) -> dict:
        """Figures as plain numbers."""
        seconds = time.perf_counter() - self.started
        return {
            **self.reached,
            "seconds": round(seconds, 1),
            "inputs a second": round(self.reached["inputs"] / seconds, 1),
            "longest input, seconds": round(self.longest[0], 3),
            "longest without networks, seconds": round(self.longest_without, 3),
            "peak memory, MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
            "distinct failures": len(self.failures),
        }


def warm(target: Harness, files: list[bytes]) -> int:
    """Loads all that is loaded once, and then limits memory to `MEMORY` more. Returns what the
    process holds, in kB.
    """
    share, target.share = target.share, 1e9
    for data in files:
        target(data)
    target.share = share
    target.reached.clear()
    target.longest, target.longest_without, target.started = (0.0, b""), 0.0, time.perf_counter()
    with open("/proc/self/statm") as status:
        used = int(status.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(
        resource.RLIMIT_AS, (used + MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1])
    )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
