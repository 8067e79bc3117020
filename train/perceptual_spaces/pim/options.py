"""What a recipe may set of PIM's training."""

from dataclasses import dataclass, field

from metamer.train.recipe.fields import Count, NonNegative, Share, documented


@documented
@dataclass
class Options:
    """width: channels of the front ends; hidden: of the encoders' layers.

    window: positions a side of each sub-band that a step looks at, the same for the whole batch.
    held_out: beginnings of names of clips that are kept for validation; gap: frames at most between
    the two of a pair. warps: share of pairs made from photographs, by a shift of up to ``shift``
    pixels, a change of scale of up to ``scale`` and a turn of up to ``rotation`` degrees. noise:
    largest standard deviation, in [0, 1] units, of white noise that every picture gets. Each draws
    its own strength, so that not even that is common to a pair.
    """

    width: Count = 32
    hidden: Count = 32
    window: Count = 8
    held_out: list[str] = field(default_factory=list)
    gap: Count = 1
    warps: Share = 0.0
    shift: NonNegative = 2.0
    scale: NonNegative = 0.03
    rotation: NonNegative = 1.5
    noise: NonNegative = 0.0
