"""Which loop a recipe belongs to: a codec's or a perceptual space's."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from metamer.codec.errors import RecipeError
from metamer.train import checkpoints
from metamer.train.data.shards import is_sharded
from metamer.train.export import card, decoders, models
from metamer.train.networks import registry
from metamer.train.perceptual_spaces import loop as spaces_loop
from metamer.train.perceptual_spaces import recipe as spaces_recipe
from metamer.train.recipe import files as recipes
from metamer.train.recipe import reference
from metamer.train.recipe.old_names import translated
from metamer.train.run import dry_run, resuming, setup, training


def train(
    path: Path | None,
    folders: Sequence[str | Path] | None,
    out: Path,
    resume: bool = False,
    start: Path | None = None,
    assignments: Sequence[str] = (),
    minutes: float = float("inf"),
    **options: Any,
) -> None:
    """Trains what the recipe at ``path`` says, with ``assignments`` put in; the rest as
    `train.run.training.Run` has it.

    path: None, and ``folders``: None, to go on with what the run in ``out`` has. start: what to
    begin from instead of what the recipe says. minutes: stop by then, with a checkpoint; for
    codecs.
    """
    values = begun_with(out) if path is None else recipes.read(path)
    if not (isinstance(values, dict) and "space" in values):
        start_assignment = [] if start is None else [f"start={json.dumps(str(start))}"]
        training.train(
            path,
            folders,
            out,
            resume,
            minutes,
            assignments=[*assignments, *start_assignment],
            **options,
        )
    elif start is not None or minutes < float("inf"):
        raise RecipeError(
            f"{path}: a perceptual space is trained from scratch to the end; it takes no --start, "
            "no --minutes"
        )
    elif sharded := [spec for spec in folders or () if is_sharded(str(spec))]:
        raise RecipeError(
            f"--data {sharded[0]}: a perceptual space is trained on folders of pictures, "
            "not on shards"
        )
    else:
        space = (
            spaces_recipe.from_mapping(recipes.changed(values, assignments))
            if path is None
            else spaces_recipe.load(path, assignments)
        )
        spaces_loop.train(space, folders, out, resume)


def report_dry_run(
    path: Path | None,
    folders: Sequence[str | Path] | None,
    out: Path,
    resume: bool = False,
    start: Path | None = None,
    assignments: Sequence[str] = (),
    **options: Any,
) -> Iterator[str]:
    """Says line by line what `train` with these arguments would need; writes nothing."""
    values = begun_with(out) if path is None else recipes.read(path)
    if isinstance(values, dict) and "space" in values:
        raise RecipeError(f"{path}: --dry-run is for codecs, not for perceptual spaces")
    start_assignment = [] if start is None else [f"start={json.dumps(str(start))}"]
    with training.Run(
        path,
        folders,
        out,
        resume=resume,
        assignments=[*assignments, *start_assignment],
        keep=False,
        **options,
    ) as run:
        yield from dry_run.report(run)


def schema() -> str:
    """JSON schema of the recipes that can be trained here, with networks of installed packages."""
    made = reference.schema([*registry.BUILT_IN, *registry.offered()])
    return json.dumps(made, indent=1, ensure_ascii=False)


def begun_with(out: Path) -> dict:
    """The recipe of the run in ``out``."""
    kept = Path(out) / resuming.RECIPE
    if kept.exists():
        return translated(recipes.read(kept))
    return checkpoints.load_run(Path(out) / checkpoints.CHECKPOINT)["recipe"]


def kind(run: Path) -> str:
    """What a run trained: `space`, `decoder` (for the streams of an existing model), `codec`, or
    `network`, one of another architecture than Metamer's own.
    """
    recipe = checkpoints.load_run(Path(run) / checkpoints.CHECKPOINT)["recipe"]
    if "space" in recipe:
        return "space"
    if not setup.has_default_architecture(recipe):
        return "network"
    return "decoder" if card.trains_only(recipe, "decoder") else "codec"


def export(
    run: Path,
    folders: Sequence[Path],
    path: Path,
    name: str,
    crops: int,
    realism: bool = False,
    whole: bool = False,
    assignments: Sequence[str] = (),
) -> str:
    """Writes what ships of a run to ``path``; returns what to say of it.

    The rest as `export.models.export_run` and `export.decoders.export_decoder_run` have it.
    """
    trained, message = kind(run), ""
    if trained == "space":
        spaces_loop.export(run, path)
        return f"{path.stat().st_size / 1e6:.2f} MB"
    if trained == "network":
        network, state = setup.restore_average(Path(run) / checkpoints.CHECKPOINT)
        message = network.export(
            path, {"name": name, "steps": state["step"], "recipe": state["recipe"]}
        )
    elif trained == "decoder" and not whole:
        card = decoders.export_decoder_run(run, path, name, realism)
        message = f"decodes streams of model {card['decodes']}"
        message += ", realism 0 to 1" if card["realism"] else ""
    else:
        card = models.export_run(run, folders, path, name, crops, assignments)
        if "integer_cost_percent" in card:
            message = f"integers cost {card['integer_cost_percent']:+.2f} % rate"
    return f"{path.stat().st_size / 1e6:.1f} MB" + (f"; {message}" if message else "")
