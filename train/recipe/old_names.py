"""Recipes of earlier releases, as runs and checkpoints hold them: keys that are called otherwise
now, or gone.
"""

from typing import Any

RECIPE = {
    "average": "weight_average_decay",
    "clip": "gradient_clip",
    "expect": "message",
    "final": "final_learning_rate_share",  # of perceptual spaces, as is the next
    "warmup": "warmup_steps",
    "linear_rate": "linear_learning_rate_share",
    "rate": "rate_control",
    "rate_balance": "level_balance_exponent",
    "rate_speed": "rate_control_speed",
}
STAGE = {
    "final": "final_learning_rate_share",
    "level_power": "level_exponent",
    "quantised": "integer_networks",
    "temperature": "proxy_temperature",
    "tradeoff": "rdoq_lambda",
    "warmup": "warmup_steps",
    "worth": "rdoq_group_weights",
}
GONE = ("texture", "texture_noise")  # of stages
CRITIC = {"alone": "pretraining_steps", "sees": "input"}
NEW_NAMES = {"Recipe": RECIPE, "SpaceRecipe": RECIPE, "Stage": STAGE, "CriticOptions": CRITIC}


def renamed(values: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """``values`` in their order, keys that ``names`` lists called by their new names."""
    return {names.get(key, key): value for key, value in values.items()}


def translated(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe of a checkpoint, of a codec or a perceptual space, with the names of today."""
    recipe = renamed(recipe, RECIPE)
    if "stages" in recipe:
        recipe["stages"] = [
            {key: value for key, value in renamed(stage, STAGE).items() if key not in GONE}
            for stage in recipe["stages"]
        ]
    if recipe.get("critic"):
        recipe["critic"] = renamed(recipe["critic"], CRITIC)
    return recipe
