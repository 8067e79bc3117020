"""What a run begins from."""

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from metamer.train.run import setup


class OnDevice:
    """A source whose photographs are kept on a GPU: fake tensors know sizes and devices alone."""

    def crops(self, crop: int, seed: int, count: int):
        return (torch.zeros(3, crop, crop, dtype=torch.uint8, device="cuda") for _ in range(count))


def test_statistics_of_photographs_on_a_gpu_are_taken_on_the_cpu():
    """There the network is, before training."""
    with FakeTensorMode():
        crops = setup.first_crops(OnDevice(), 8, 0, 2)
    assert crops.device.type == "cpu"
    assert crops.shape == (2, 3, 8, 8)
