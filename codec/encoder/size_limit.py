"""The best quality within a size."""

from collections.abc import Callable
from functools import cache

from metamer.codec.errors import ImageError
from metamer.codec.options import QUALITIES

TRIES = 3  # qualities that effort is spent on


def _highest(fits: Callable[[int], bool]) -> int:
    """The highest quality that fits, −1 if none does. Bisection: size grows with quality, save for
    a few bytes.
    """
    low, high = 0, QUALITIES - 1
    while low <= high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if fits(middle) else (low, middle - 1)
    return high


def largest_within(
    plain: Callable[[int], bytes], refined: Callable[[int], bytes] | None, limit: int, model: str
) -> bytes:
    """The best file within a size.

    Effort takes long and changes sizes by some percent, alike at neighbouring qualities: what it
    did at one says where to try next.

    Args:
        plain: The file at a quality, 0 … 255, without effort.
        refined: The same with effort, if any is made.
        limit: Bytes.
        model: Its name, for the error.

    Returns:
        The file of the highest quality that takes at most ``limit`` bytes.

    Raises:
        ImageError: None does.
    """
    plain, ratio = cache(plain), 1.0

    def fits(index: int) -> bool:
        return len(plain(index)) * ratio <= limit

    index = _highest(fits)
    fitting = [plain(index)] if index >= 0 else []
    tried: dict[int, bytes] = {}
    while refined and max(index, 0) not in tried and len(tried) < TRIES:
        index = max(index, 0)
        tried[index] = refined(index)
        ratio = len(tried[index]) / len(plain(index))
        index = _highest(fits)
    fitting += [tried[index] for index in sorted(tried) if len(tried[index]) <= limit]
    if not fitting:
        raise ImageError(
            f"needs at least {len(plain(0))} bytes with model '{model}'; {limit} were allowed"
        )
    return fitting[-1]
