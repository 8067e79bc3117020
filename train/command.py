"""Which loop a recipe belongs to: a codec's or a perceptual space's."""

import json
from collections.abc import Sequence
from pathlib import Path

from metamer.codec.errors import RecipeError
from metamer.train import export as exporting
from metamer.train import loop, recipe, running
from metamer.train.data.shards import is_sharded
from metamer.train.spaces import loop as spaces_loop
from metamer.train.spaces import recipe as spaces_recipe


def train(
    path: Path,
    folders: Sequence[Path],
    out: Path,
    resume: bool = False,
    start: Path | None = None,
    assignments: Sequence[str] = (),
    minutes: float = float("inf"),
) -> None:
    """Trains what the recipe at ``path`` says, with ``assignments`` put in; the rest as
    `train.loop.train` has it.

    start: what to begin from instead of what the recipe says. minutes: stop by then, with a
    checkpoint; for codecs.
    """
    values = recipe.read(path)
    if not (isinstance(values, dict) and "space" in values):
        own = [] if start is None else [f"start={json.dumps(str(start))}"]
        loop.train(recipe.load(path, [*assignments, *own]), folders, out, resume, minutes)
    elif start is not None or minutes < float("inf"):
        raise RecipeError(
            f"{path}: a perceptual space is trained from scratch to the end; it takes no --start, "
            "no --minutes"
        )
    elif sharded := [spec for spec in folders if is_sharded(str(spec))]:
        raise RecipeError(
            f"--data {sharded[0]}: a perceptual space is trained on folders of pictures, "
            "not on shards"
        )
    else:
        spaces_loop.train(spaces_recipe.load(path, assignments), folders, out, resume)


def kind(run: Path) -> str:
    """What a run trained: `space`, `decoder` (for the streams of an existing model) or `codec`."""
    recipe = running.load(Path(run) / running.CHECKPOINT)["recipe"]
    return (
        "space"
        if "space" in recipe
        else "decoder"
        if exporting.trains_only(recipe, "decoder")
        else "codec"
    )


def export(
    run: Path,
    folders: Sequence[Path],
    path: Path,
    name: str,
    crops: int,
    realism: bool | None = None,
    encoder: dict | None = None,
) -> str:
    """Writes what ships of a run to ``path``; returns what to say of it.

    The rest as `train.export.export_run` and `train.export.export_decoder_run` have it.
    """
    trained = kind(run)
    if trained == "space":
        spaces_loop.export(run, path)
        return f"{path.stat().st_size / 1e6:.2f} MB"
    if trained == "decoder":
        card = exporting.export_decoder_run(run, path, name, realism)
        realism = ", realism 0 to 1" if card["realism"] else ""
        said = f"; decodes streams of model {card['decodes']}{realism}"
    else:
        card = exporting.export_run(run, folders, path, name, crops, encoder)
        said = (
            f"; integers cost {card['integer_cost_percent']:+.2f} % rate"
            if "integer_cost_percent" in card
            else ""
        )
    return f"{path.stat().st_size / 1e6:.1f} MB{said}"
