"""A synthesis of other sizes, which starts from a trained one."""

import torch
from torch import Tensor

from metamer.train.networks.transforms.synthesis import DecoderOptions, Synthesis


def is_larger(options: DecoderOptions, other: DecoderOptions) -> bool:
    """Whether a synthesis of ``options`` can compute whatever one of ``other`` can."""
    return (
        options.stride == other.stride
        and options.width >= other.width
        and options.blocks >= other.blocks
        and other.noise in (0, options.noise)
    )


@torch.no_grad()
def grown(trained: Synthesis, options: DecoderOptions) -> Synthesis:
    """A synthesis of ``options`` that gives what ``trained`` gives, or, where it is too small for
    that or works at another stride, what its linear transform gives, and next to nothing besides.
    Noise that ``trained`` is not given it sees a little of.

    Widening preserves the function (Chen, Goodfellow & Shlens, "Net2Net", ICLR 2016) by zeros: old
    channels keep their weights and take nothing from new ones, hidden units that are new do not
    write to old channels, and new blocks add nothing. New weights that read are as in an untrained
    network, so that all of them learn from the first steps on.
    """
    made = Synthesis(trained.companding.log_scale.shape[1], options, len(trained.modulation.table))
    made.companding.load_state_dict(trained.companding.state_dict())
    made.linear.load_state_dict(trained.linear.state_dict())
    if not is_larger(options, trained.options):
        return made
    width = trained.options.width
    _put(made.stem.weight, trained.stem.weight)
    _put(made.stem.bias, trained.stem.bias)
    halves = made.modulation.table.chunk(2, 1), trained.modulation.table.chunk(2, 1)
    for new, old in zip(*halves, strict=True):
        _put(new, old)
    for new, old in zip(made.blocks, trained.blocks, strict=False):
        _put(new.depthwise.weight, old.depthwise.weight)
        _put(new.depthwise.bias, old.depthwise.bias)
        for layer in ("expand", "project"):
            weight, before = getattr(new, layer).weight, getattr(old, layer).weight
            weight[: len(before), before.shape[1] :] = 0
            _put(weight, before)
            _put(getattr(new, layer).bias, getattr(old, layer).bias)
    for block in made.blocks[len(trained.blocks) :]:
        block.project.weight.zero_()
        block.project.bias.zero_()
    if trained.options.noise:
        _put(made.noise.weight, trained.noise.weight)
    made.head.weight[:, width:] = 0
    _put(made.head.weight, trained.head.weight)
    made.head.bias.copy_(trained.head.bias)
    return made


def _put(new: Tensor, old: Tensor) -> None:
    """Writes ``old`` into the first places along every axis of ``new``."""
    new[tuple(slice(side) for side in old.shape)] = old
