"""Recipe files: read, extended, changed by --set, checked."""

import copy
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from metamer.codec.errors import ModelError, RecipeError
from metamer.codec.system import files
from metamer.train import start
from metamer.train.networks.registry import DEFAULT
from metamer.train.recipe.checks import from_mapping
from metamer.train.recipe.options import Recipe, Stage

EXTENDS = "extends"


class _Loader(yaml.SafeLoader):
    """YAML 1.1, but for numbers such as 2e-4, which it takes for text for want of a point."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read(path: Path) -> Any:
    """What a recipe file says, together with what it extends; not yet checked.

    Raises:
        RecipeError: A file cannot be read, is no YAML, or extends itself.
    """
    return _read(Path(path), ())


def _read(path: Path, extending: tuple[Path, ...]) -> Any:
    try:
        values = yaml.load(path.read_text(), _Loader)
    except OSError as problem:
        raise RecipeError(f"{path}: {files.reason(problem)}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise RecipeError(f"{path}: {' '.join(str(problem).split())}") from None
    if not isinstance(values, dict) or EXTENDS not in values:
        return values
    base = values.pop(EXTENDS)
    if not isinstance(base, str):
        raise RecipeError(f"{path}: extends: must be the name of a file, not {base!r}")
    base_path = path.parent / base
    chain = (*extending, path.resolve())
    if base_path.resolve() in chain:
        raise RecipeError(f"{path}: extends: {base} extends this recipe")
    return merged(_read(base_path, chain), values)


def merged(base: Any, values: Any) -> Any:
    """``values`` on top of ``base``: mappings are merged key by key, all else is replaced.

    >>> merged({"a": {"b": 1, "c": 2}, "stages": [1, 2]}, {"a": {"b": 3}, "stages": [4]})
    {'a': {'b': 3, 'c': 2}, 'stages': [4]}
    """
    if not isinstance(base, dict) or not isinstance(values, dict):
        return values
    return {**base, **{key: merged(base.get(key), value) for key, value in values.items()}}


def changed(values: Any, assignments: Iterable[str]) -> Any:
    """``values`` with ``key=value`` put in.

    Args:
        assignments: The value as YAML; the key with dots into mappings and lists, `*` for every
            item: `stages.0.steps=10`, `stages.*.learning_rate=1e-4`.

    Raises:
        RecipeError: There is no such place, or the value is no YAML.
    """
    values = copy.deepcopy(values)
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        path = [int(part) if part.isdigit() else part for part in key.strip().split(".")]
        try:
            if not equals:
                raise RecipeError(f"--set {assignment}: write key=value")
            _put(values, path, yaml.load(text, _Loader))
        except (KeyError, IndexError, TypeError, AttributeError):
            raise RecipeError(f"--set {assignment}: the recipe has no place {key}") from None
        except yaml.YAMLError as problem:
            raise RecipeError(f"--set {assignment}: {' '.join(str(problem).split())}") from None
        if path[0] in Stage.__annotations__ and path[0] not in Recipe.__annotations__:
            raise RecipeError(
                f"--set {assignment}: {key} is a stage's; stages.*.{key} sets it in all, "
                f"stages.0.{key} in the first"
            )
    return values


def _put(place: Any, path: list, value: Any) -> None:
    first, *rest = path
    if first == "*":
        for index in range(len(place)):
            _put(place, [index, *rest], value)
    elif rest:
        _put(place.setdefault(first, {}) if isinstance(place, dict) else place[first], rest, value)
    else:
        place[first] = value


def begun(values: Any) -> Recipe:
    """The checked recipe of a run that begins: where it starts from a model, what ``values`` leave
    unsaid of the network and the encoder is the model's. (What a checkpoint leaves unsaid had a
    default instead.)
    """
    if not isinstance(values, dict):
        return from_mapping(values)
    source, network = values.get("start"), values.get("network") or {}
    encoder = values.get("encoder") or {}
    is_default = isinstance(network, dict) and network.get("architecture", DEFAULT) == DEFAULT
    if is_default and isinstance(source, str) and start.is_model(source):
        # what is wrong with the model is said once the run begins
        with suppress(ModelError):
            values = {
                **values,
                "network": {**start.network_of(source), **network},
                "encoder": {**start.encoder_of(source), **encoder}
                if isinstance(encoder, dict)
                else encoder,
            }
    return from_mapping(values)


def load(path: Path, assignments: Iterable[str] = ()) -> Recipe:
    """Reads and checks a codec's recipe file, with ``assignments`` (`changed`) put in."""
    try:
        return begun(changed(read(path), assignments))
    except RecipeError as problem:
        raise RecipeError(f"{path}: {str(problem).removeprefix(f'{path}: ')}") from None
