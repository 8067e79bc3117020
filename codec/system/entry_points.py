"""What the runtime uses where an extra is installed, found by its entry point."""

from importlib.metadata import entry_points
from typing import Any


def load_entry_point(group: str, name: str, user: str, extra: str) -> Any:
    """What an installed package offers.

    Args:
        group: Of entry points.
        name: In the group.
        user: What needs it, for the error.
        extra: What brings it.

    Raises:
        ImportError: Nothing offers it, or a package that it needs is missing.
    """
    points = entry_points(group=group, name=name)
    if not points:
        raise ImportError(f"{user} needs the extra `{extra}`")
    return next(iter(points)).load()
