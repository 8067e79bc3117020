"""Latents that a run is trained on, computed before its first step."""

import dataclasses
from pathlib import Path

from lightning_fabric import Fabric

from metamer.codec.errors import RecipeError
from metamer.train.data import Data
from metamer.train.data.opening import Collection
from metamer.train.export.card import decoded_model
from metamer.train.latents.batches import CachedBatches
from metamer.train.latents.cache import fill
from metamer.train.recipe.options import Recipe

LATENTS = "latents"  # folder in a run's


def cached(recipe: Recipe, data: Data, out: Path, fabric: Fabric) -> CachedBatches | None:
    """Batches of cached latents, which are computed first where they are not there yet; None for a
    recipe that caches none. Raises RecipeError.
    """
    options = recipe.cached_latents
    if options is None:
        return None
    if not isinstance(data.training, Collection):
        raise RecipeError("cached_latents: large shards are streams; give folders or small shards")
    folder = Path(options.folder) if options.folder else out / LATENTS
    if fabric.is_global_zero:
        model = decoded_model(dataclasses.asdict(recipe))
        fill(folder, data.training.photographs, model, options)
    fabric.barrier()
    return CachedBatches(folder, recipe)
