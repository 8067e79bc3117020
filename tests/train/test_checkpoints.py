"""Checkpoints that do not hold what a run would have left."""

import pytest
import torch

from metamer.codec.errors import RecipeError
from metamer.train import checkpoints, command
from metamer.train.export import card
from metamer.train.perceptual_spaces import loop
from metamer.train.run import setup


@pytest.mark.parametrize(
    "use",
    [
        command.begun_with,
        command.kind,
        loop.weights_of,
        lambda run: setup.restore_average(run / checkpoints.CHECKPOINT),
        lambda run: checkpoints.earlier(run, resume=True),
        lambda run: card.decoded_model({"start": str(run / checkpoints.CHECKPOINT)}),
    ],
)
def test_weights_alone_are_no_run(use, tmp_path):
    """As checkpoints that were made for others to begin from."""
    state = {"step": 10, "average": {"weight": torch.zeros(1)}}
    checkpoints.save(tmp_path / checkpoints.CHECKPOINT, state)
    with pytest.raises(RecipeError, match=r"checkpoint\.pt: holds no recipe, only weights"):
        use(tmp_path)
