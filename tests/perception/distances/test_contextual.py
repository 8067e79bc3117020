"""The contextual loss against its equations, and what sets it apart."""

import pytest
import torch

from metamer.perception import MetricError, create
from metamer.perception.backbones.efficacy import efficacy
from metamer.perception.distances.contextual import RELATIVE

pytestmark = pytest.mark.usefixtures("all_weights")


def by_the_equations(reference, image, bandwidth):
    """Equations 1 to 5 for features (C, P), one pair at a time."""
    centre = reference.mean(1, keepdim=True)
    x, y = image - centre, reference - centre
    d = torch.stack(
        [
            torch.stack(
                [1 - torch.cosine_similarity(x[:, i], y[:, j], 0) for j in range(y.shape[1])]
            )
            for i in range(x.shape[1])
        ]
    )
    d = d / (d.min(1, keepdim=True).values + RELATIVE)
    w = ((1 - d) / bandwidth).exp()
    cx = w / w.sum(1, keepdim=True)
    return cx.max(0).values.mean()


@pytest.mark.parametrize("channels", ["all", "H-25", "efficacy"])
def test_it_is_the_papers(channels):
    torch.manual_seed(0)
    reference, image = torch.rand(2, 2, 3, 48, 48)
    distance = create("contextual", layer="fire2", channels=channels, positions=49, bandwidth=0.5)
    places = distance.places(reference, image)
    assert places[0].shape[2] <= 49
    reference_places, image_places = places
    expected = [
        -(by_the_equations(a, b, 0.5) / by_the_equations(a, a, 0.5)).log()
        for a, b in zip(reference_places, image_places, strict=True)
    ]
    assert torch.allclose(distance(reference, image), torch.stack(expected), rtol=1e-3)


def test_weights_are_those_of_products():
    distance = create("contextual", layer="fire3", channels="efficacy")
    weights = efficacy(distance.network, "fire3")
    positive = weights[weights > 0]
    assert torch.allclose(distance.scale[:, 0].square(), positive / positive.sum())


def test_places_do_not_matter_and_features_do(otters):
    from metamer.evaluation.images import to_tensor

    picture = to_tensor(otters.crop((100, 60, 196, 156)))
    contextual, features = create("contextual"), create("features")
    # the network's own stride of 4: its features move along
    moved, noisy = picture.roll(8, 3), (picture + 0.05 * torch.randn_like(picture)).clamp(0, 1)
    by_context, by_place = (
        (distance(picture, moved) / distance(picture, noisy)).item()
        for distance in (contextual, features)
    )
    assert by_context < 0.5 * by_place


def test_bfloat16_does_not_reach_the_comparison():
    picture = torch.rand(1, 3, 64, 64)
    distance = create("contextual")
    with torch.autocast("cpu", torch.bfloat16):
        place = distance.space(picture)
        assert distance.between(place, place).item() == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    "options", [{"positions": 0}, {"bandwidth": 0.0}, {"bandwidth": float("nan")}]
)
def test_impossible_options_are_refused(options):
    with pytest.raises(MetricError, match="positions are 1 or more"):
        create("contextual", **options)
