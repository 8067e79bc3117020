"""Training: networks, losses, data, runs. `Run` is the way in; the command line's way is
`train.command`.

>>> import metamer.train
>>> metamer.train.Run.__name__
'Run'
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metamer.train.run.training import Run

__all__ = ["Run"]


def __getattr__(name: str) -> Any:
    """`Run`, imported when first used: those who import a module of here need not wait for it."""
    if name != "Run":
        raise AttributeError(f"module 'metamer.train' has no attribute '{name}'")
    from metamer.train.run.training import Run

    return globals().setdefault("Run", Run)
