"""What a step costs and leaves by band of quality: a mean over all qualities tells more of which
were drawn than of what was learnt.
"""

import torch
from torch import Tensor

BANDS = "bands"  # of quality
NAMES = ("low", "middle", "high")  # thirds of the levels


def by_band(level: Tensor, levels: int, values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Means over each band's samples, as `bands.low.loss`, NaN where it has none.

    Args:
        level: (N,) from 0 to ``levels`` − 1.
        values: (N,) each.
    """
    band = (level * len(NAMES) / (levels - 1)).long().clamp(max=len(NAMES) - 1)
    inside = torch.nn.functional.one_hot(band, len(NAMES)).float()
    stacked = torch.stack([value.detach().float() for value in values.values()])
    means = (stacked @ inside) / inside.sum(0)
    return {
        f"{BANDS}.{name}.{key}": means[row, column]
        for row, key in enumerate(values)
        for column, name in enumerate(NAMES)
    }
