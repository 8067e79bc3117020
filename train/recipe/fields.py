"""Values from YAML files, checked against the types of dataclasses by pydantic.

A field's type says what may stand there (`Count`, `Share`, a `Literal` …), the string below it what
it means: both the errors and the reference (`train.recipe.reference`) are made of these.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, get_args, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from pydantic_core import ErrorDetails

from metamer.codec.errors import RecipeError
from metamer.perception.registry import suggestion

Count = Annotated[int, Field(strict=True, gt=0)]
Natural = Annotated[int, Field(strict=True, ge=0)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Decay = Annotated[float, Field(strict=True, ge=0, lt=1)]
Flag = Annotated[bool, Field(strict=True)]

documented = with_config(ConfigDict(extra="forbid", use_attribute_docstrings=True))
"""Decorates a dataclass: no other keys than its fields; the strings below fields describe them."""


def build(
    kind: type,
    values: Any,
    where: str = "",
    renamed: Mapping[str, Mapping[str, str]] | None = None,
) -> Any:
    """An instance of a dataclass from a mapping.

    Args:
        kind: The dataclass, with nested ones in its types.
        values: What a YAML file or a checkpoint holds.
        where: The place of ``values``, for errors, such as ``network``.
        renamed: Name of a dataclass → its keys that were called otherwise → their names today.

    Raises:
        RecipeError: A key or a value is wrong; one line that names the place.
    """
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as problem:
        errors = problem.errors(include_url=False)
        raise RecipeError(_complaint(kind, errors, where, renamed or {})) from None


def _complaint(
    kind: type, errors: list[ErrorDetails], where: str, renamed: Mapping[str, Mapping[str, str]]
) -> str:
    """What to say of the first error; a key that nobody knows goes before what is missing."""
    errors.sort(key=lambda error: error["type"] != "unexpected_keyword_argument")
    first = errors[0]
    place = _place(first["loc"])
    if first["type"] == "unexpected_keyword_argument":
        *parents, key = place
        owner = dataclass_at(kind, parents)
        parent = _dotted(where, parents) or "recipe"
        names = renamed.get(owner.__name__, {}) if owner else {}
        if key in names:
            return f"{parent}: '{key}' is called '{names[key]}' now"
        fields = [field.name for field in dataclasses.fields(owner)] if owner else []
        return f"{parent}: unknown key '{key}'{suggestion(str(key), fields)}"
    if first["type"] in ("missing", "missing_argument"):
        *parents, key = place
        return f"{_dotted(where, parents) or 'recipe'}: '{key}' is missing"
    # of a union, the branch that came furthest; of several, all of them
    alike = [error for error in errors if _place(error["loc"])[: len(place)] == place]
    depth = max(len(_place(error["loc"])) for error in alike)
    alike = [error for error in alike if len(_place(error["loc"])) == depth]
    place = _place(alike[0]["loc"])
    messages = dict.fromkeys(_message(error) for error in alike)
    message = "must be " + " or ".join(one.removeprefix("must be ") for one in messages)
    if len(messages) == 1:
        message = next(iter(messages))
    hint = "".join(_choice(error) for error in alike[:1])
    given = "" if first["type"] in ("value_error", "too_short") else f", not {alike[0]['input']!r}"
    return f"{_dotted(where, place) or 'recipe'}: {message}{given}{hint}"


PLAIN = {  # what pydantic says → what a recipe's author reads
    "dataclass_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "list_type": "must be a list",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "too_short": "must not be empty",
}


def _message(error: ErrorDetails) -> str:
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    return PLAIN.get(error["type"]) or re.sub(r"^Input should be", "must be", error["msg"])


def _choice(error: ErrorDetails) -> str:
    """A suggestion where one of a few words was to be given."""
    if error["type"] != "literal_error" or not isinstance(error["input"], str):
        return ""
    return suggestion(error["input"], re.findall("'([^']*)'", error["ctx"]["expected"]))


def _place(loc: tuple[int | str, ...]) -> list[int | str]:
    """Without the names that pydantic gives to a union's branches and to keys."""
    return [part for part in loc if not (isinstance(part, str) and "[" in part)]


def _dotted(where: str, place: Iterable[int | str]) -> str:
    return ".".join(map(str, [*([where] if where else []), *place]))


def dataclass_at(kind: Any, place: Iterable[int | str]) -> type | None:
    """The dataclass that the value at ``place`` inside an instance of ``kind`` is one of."""
    for part in place:
        if isinstance(part, str):
            kind = get_type_hints(kind).get(part) if dataclasses.is_dataclass(kind) else None
        kind = _inner(kind)
    return _inner(kind)


def _inner(kind: Any) -> type | None:
    """The first dataclass in a type such as list[Stage] or Critic | None."""
    if dataclasses.is_dataclass(kind):
        return kind
    return next((inner for part in get_args(kind) if (inner := _inner(part))), None)
