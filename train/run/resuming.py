"""How a run goes on: its recipe as it was kept, and what of another recipe it takes."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from metamer.codec.errors import RecipeError
from metamer.codec.system import files
from metamer.train.recipe.checks import from_mapping
from metamer.train.recipe.files import begun, changed, load, read
from metamer.train.recipe.old_names import translated
from metamer.train.recipe.options import Recipe

DataSpec = str | Path | Sequence[str | Path]

RECIPE = "recipe.yaml"  # in a run's folder: what it does, all told
# what may be other when a run goes on
HABITS = ("save_every", "validate_every", "log_every", "message", "start", "encoder")


def differences(before: Any, now: Any, name: str = "") -> Iterator[str]:
    """What is other in ``now``, by key: `stages.0.batch was 8 and is 4`."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in {**before, **now}:
            place = f"{name}.{key}".lstrip(".")
            if key not in before or key not in now:
                yield f"{place} was {before.get(key)!r} and is {now.get(key)!r}"
            else:
                yield from differences(before[key], now[key], place)
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, pair in enumerate(zip(before, now, strict=True)):
            yield from differences(*pair, f"{name}.{index}")
    elif before != now:
        yield f"{name} was {before!r} and is {now!r}"


def refuse(changed: list[str]) -> None:
    """Raises RecipeError that names what differs, if anything does."""
    if changed:
        raise RecipeError(
            f"the run was begun with another recipe: {'; '.join(changed)}. Without a recipe, "
            "--resume goes on with the run's own"
        )


def check_resumable(recipe: Recipe, state: Mapping[str, Any]) -> None:
    """Raises RecipeError when ``recipe`` would not have led to ``state``.

    Stages not yet begun may differ, and a stage of constant learning rate may end earlier or later
    than it was to.
    """
    now, before = dataclasses.asdict(recipe), dataclasses.asdict(from_mapping(state["recipe"]))
    for key in HABITS:
        before[key] = now[key]
    ends = list(itertools.accumulate(stage["steps"] for stage in before["stages"]))
    stages_begun = 1 + sum(end < state["step"] for end in ends)
    now["stages"], before["stages"] = now["stages"][:stages_begun], before["stages"][:stages_begun]
    current = before["stages"][-1]
    if len(now["stages"]) == stages_begun and current["final_learning_rate_share"] == 1.0:
        taken = state["step"] - (ends[stages_begun - 2] if stages_begun > 1 else 0)
        if now["stages"][-1]["steps"] < taken:
            raise RecipeError(
                f"stage {current['name']} has taken {taken} steps, more than the "
                f"{now['stages'][-1]['steps']} that the recipe says"
            )
        current["steps"] = now["stages"][-1]["steps"]
    refuse(list(differences(before, now)))


def recipe_of(
    given: Recipe | Mapping[str, Any] | str | Path | None,
    assignments: Iterable[str],
    out: Path,
    state: Mapping[str, Any] | None,
) -> Recipe:
    """The recipe that a run follows, checked.

    Args:
        given: a recipe, or what it is made of, or its file; None where the run has one.
        assignments: ``key=value`` to put in (`train.recipe.files.changed`).
        out: the run's folder.
        state: the run's checkpoint, if it goes on.

    Raises:
        RecipeError: It is not there, cannot be used, or would not have led to ``state``.
    """
    if given is None and state is None:
        raise RecipeError("a run needs a recipe, unless it is one that --resume continues")
    if given is None:
        kept = out / RECIPE
        values = translated(read(kept)) if kept.exists() else state["recipe"]
        recipe = from_mapping(changed(values, assignments))
    elif isinstance(given, Recipe):
        recipe = from_mapping(changed(dataclasses.asdict(given), assignments))
    elif isinstance(given, Mapping):
        recipe = begun(changed(dict(given), assignments))
    else:
        recipe = load(Path(given), assignments)
    if state is not None:
        check_resumable(recipe, state)
        recipe.start = from_mapping(state["recipe"]).start
    return recipe


def keep_recipe(recipe: Any, out: Path, remark: str) -> None:
    """Writes the recipe, every key of it, into the run's folder. remark: its first line."""
    text = yaml.safe_dump(
        dataclasses.asdict(recipe), sort_keys=False, default_flow_style=None, width=120
    )
    files.write_file(str(out / RECIPE), f"# {remark}\n{text}".encode())


def named(data: DataSpec | None, before: Mapping[str, Any] | None) -> list[str]:
    """What a run is trained on: ``data``, or what ``before``, of its checkpoint, names. Raises
    RecipeError.
    """
    if data is None and not (before and before.get("folders")):
        raise RecipeError("the run does not say what it was trained on: give --data")
    given = before["folders"] if data is None else data
    return [str(folder) for folder in ([given] if isinstance(given, str | Path) else given)]
