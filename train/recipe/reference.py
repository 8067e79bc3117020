"""Every key of a recipe, from the dataclasses: Markdown for the site, JSON schema for editors.

metamer train --schema > train/recipes/recipe.schema.json writes the shipped schema anew.
"""

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from metamer.train.loss.critic import CriticOptions
from metamer.train.networks import registry
from metamer.train.networks.transforms.synthesis import DecoderOptions
from metamer.train.perceptual_spaces.recipe import SpaceRecipe
from metamer.train.recipe.files import EXTENDS
from metamer.train.recipe.options import CacheOptions, EncoderOptions, Recipe, Stage

SCHEMA = Path(__file__).parents[1] / "recipes" / "recipe.schema.json"
EXTENDS_MEANING = (
    "Another recipe file, by its path from this one, whose values hold where this one says "
    "nothing; mappings are merged key by key, lists such as stages are replaced whole."
)


def network_options(names: Iterable[str] = tuple(registry.BUILT_IN)) -> dict[str, type]:
    """Architecture → the dataclass of its options; by default of those that come with Metamer."""
    return {name: registry.network_class(name).Options for name in names}


def schema(networks: Iterable[str] = tuple(registry.BUILT_IN)) -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a recipe file, with these networks.

    Raises:
        RecipeError: An installed package's network does not load.
    """
    options = network_options(networks)
    kinds = {"recipe": Recipe, "space": SpaceRecipe, **options}
    places, made = TypeAdapter.json_schemas(
        [(name, "validation", TypeAdapter(kind)) for name, kind in kinds.items()]
    )
    places = {name: place for (name, _), place in places.items()}
    definitions = made["$defs"]
    for kind in (Recipe, SpaceRecipe):
        definition = definitions[kind.__name__]
        definition["properties"][EXTENDS] = {"type": "string", "description": EXTENDS_MEANING}
        del definition["required"]  # what is extended may say it
    network = definitions[Recipe.__name__]["properties"]["network"]
    network["anyOf"] = [places[name] for name in options]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "if": {"required": ["space"]},
        "then": places["space"],
        "else": places["recipe"],
        **made,
    }


def markdown() -> str:
    """The reference: a heading and a table for each mapping that a recipe holds."""
    kinds: dict[str, type] = {"Recipe": Recipe, "stages": Stage, "critic": CriticOptions}
    kinds |= {f"network: {name}": kind for name, kind in network_options().items()}
    kinds["network: metamer: decoder"] = DecoderOptions
    kinds |= {"cached_latents": CacheOptions, "encoder": EncoderOptions}
    kinds["Recipe of a perceptual space"] = SpaceRecipe
    parts = [part for title, kind in kinds.items() for part in section(title, kind)]
    return "\n\n".join(parts)


def section(title: str, kind: type) -> Iterator[str]:
    """Heading, meaning and keys of one dataclass."""
    made = TypeAdapter(kind).json_schema()
    yield f"## {title}"
    yield " ".join(made["description"].split())
    defaults = {field.name: field for field in dataclasses.fields(kind)}
    rows = [
        (f"`{name}`", words(value), default(defaults[name]), " ".join(description(value).split()))
        for name, value in made["properties"].items()
    ]
    if kind is Recipe:
        rows.insert(0, (f"`{EXTENDS}`", "text", "", EXTENDS_MEANING))
    lines = [("key", "value", "default", "what"), ("---",) * 4, *rows]
    yield "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines
    )


def description(value: dict[str, Any]) -> str:
    return value.get("description", "")


def default(field: dataclasses.Field) -> str:
    """As YAML has it, or that it must be given."""
    if field.default_factory is not dataclasses.MISSING:
        made = field.default_factory()
        return "as below" if dataclasses.is_dataclass(made) else f"`{json.dumps(made)}`"
    if field.default is dataclasses.MISSING:
        return "required"
    return f"`{json.dumps(field.default)}`"


def words(value: dict[str, Any]) -> str:
    """The type of a property of a JSON schema, in words."""
    if "anyOf" in value:
        return " or ".join(words(part) for part in value["anyOf"])
    if "$ref" in value:
        return "mapping"
    if "enum" in value:
        return ", ".join(f"`{choice}`" for choice in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    kind = value.get("type")
    if kind == "array":
        return f"list: {words(value['items'])}" if "items" in value else "list"
    if kind in ("integer", "number"):
        return ("whole number " if kind == "integer" else "number ") + ", ".join(bounds(value))
    plain = {"boolean": "true or false", "string": "text", "null": "null"}
    return plain.get(kind, "mapping")


def bounds(value: dict[str, Any]) -> Iterator[str]:
    """The range of a number, as signs."""
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    yield from (f"{sign} {value[key]:g}" for key, sign in signs.items() if key in value)
    if "multipleOf" in value:
        yield f"in steps of {value['multipleOf']}"
