"""Inception gives the features that the program of its authors' port gives."""

import json

import pytest
import torch

from metamer.perception import ComparisonError
from metamer.perception.backbones.inception import (
    SIDE,
    Inception,
    fold_normalisation,
    inception_layers,
    resize_matrix,
)
from tests.perception.backbones.record_inception import KEPT, RECORD, resized
from tests.perception.distances.pairs import patches


@pytest.fixture(scope="module")
def network(inception_weights) -> Inception:
    return Inception()


def test_features_are_those_recorded(network):
    record = json.loads(RECORD.read_text())
    for name, patch in patches().items():
        features = network(patch)
        assert features.shape == (1, 2048)
        torch.testing.assert_close(
            features[0, KEPT], torch.tensor(record[name]), atol=2e-4, rtol=1e-4
        )


def test_a_batch_is_its_images(network):
    patch = patches()["patch"]
    batch_features = network(torch.cat([patch, 255 - patch]))
    torch.testing.assert_close(batch_features[:1], network(patch), atol=1e-4, rtol=1e-4)
    assert not batch_features.requires_grad and (batch_features >= 0).all()


def test_resizing_is_that_of_the_sampler():
    image = patches()["negative"].float()
    rows, columns = (resize_matrix(side) for side in image.shape[-2:])
    torch.testing.assert_close(rows @ image @ columns.T, resized(image), atol=5e-3, rtol=0)
    assert torch.equal(resize_matrix(SIDE), torch.eye(SIDE))


def test_normalisation_is_folded_into_the_convolution():
    kernel, (beta, mean, var) = torch.randn(4, 3, 1, 1), torch.rand(3, 4)
    state = fold_normalisation(
        {"conv.weight": kernel, "conv.beta": beta, "conv.mean": mean, "conv.var": var}
    )
    image = torch.randn(2, 3, 5, 5)
    plain = torch.nn.functional.batch_norm(
        torch.conv2d(image, kernel), mean, var, None, beta, eps=1e-3
    )
    torch.testing.assert_close(torch.conv2d(image, state["conv.weight"], state["conv.bias"]), plain)


def test_the_network_has_its_published_size():
    network = inception_layers()
    assert sum(isinstance(module, torch.nn.Conv2d) for module in network.modules()) == 94
    assert (
        sum(parameter.numel() for parameter in network.parameters() if parameter.ndim == 4)
        == 21_751_136
    )
    assert network(torch.zeros(1, 3, SIDE, SIDE)).shape == (1, 2048, 1, 1)


def test_pixels_of_other_kinds_are_refused(network):
    with pytest.raises(ComparisonError, match="uint8"):
        network(torch.rand(1, 3, 64, 64))
    with pytest.raises(ComparisonError, match="uint8"):
        network(torch.zeros(3, 64, 64, dtype=torch.uint8))
