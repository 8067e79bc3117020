"""Cards of model and decoder files of before: keys that are called otherwise now."""

from typing import Any

CARD = {
    "halo": "receptive_field",
    "tradeoff": "rdoq_lambda",
    "worth": "rdoq_group_weights",
}


def translated(card: dict[str, Any]) -> dict[str, Any]:
    """A card with the keys of today. Where it has a value by both names, that of today counts."""
    old = {CARD[key]: value for key, value in card.items() if key in CARD}
    return old | {key: value for key, value in card.items() if key not in CARD}
