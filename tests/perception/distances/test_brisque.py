"""BRISQUE: its authors' values, what it makes of distortions, and what it refuses."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from metamer.evaluation.images import round_trip, to_tensor
from metamer.evaluation.ratings.resimulation.dataset import cut_references
from metamer.perception import ComparisonError, MetricError, create
from metamer.perception.judging import Judge
from metamer.train.gradient_guide import distance
from tests.conftest import SHARED

# what the authors' MATLAB code makes of two pictures: 36 features, and the score
AUTHORS = [
    (
        """2.187000 0.305119 0.731000 0.046159 0.078954 0.124348 0.735000 0.032419 0.086307
        0.118338 0.733000 -0.020298 0.112611 0.092477 0.730000 -0.022557 0.114732 0.092231
        2.103000 0.360946 0.731000 -0.055774 0.183185 0.116578 0.734000 -0.046589 0.179101
        0.123198 0.730000 -0.037948 0.168773 0.123828 0.725000 -0.033253 0.165621 0.126170""",
        52.521,
    ),
    (
        """0.4610000 0.1652788 0.3410000 -0.1192659 0.2319912 0.0417499 0.3370000 -0.1010206
        0.2127568 0.0502738 0.3410000 -0.1070136 0.1971343 0.0380880 0.3390000 -0.0978340
        0.1865236 0.0413579 0.4860000 0.1888571 0.3480000 -0.0518405 0.1354198 0.0621431
        0.3500000 -0.0487347 0.1329318 0.0642503 0.3420000 -0.0046308 0.0917469 0.0853537
        0.3410000 -0.0035089 0.0918414 0.0869626""",
        123.74,
    ),
]
# what it makes of two of TID2013's references with other saturation, so nearly of their luma
SATURATED = {"I04": -0.1076, "I06": 0.9929}


@pytest.fixture(scope="module")
def brisque():
    return create("brisque")


@pytest.fixture(scope="module")
def score(brisque):
    def of(picture: Image.Image) -> float:
        return brisque(to_tensor(picture), to_tensor(picture)).item()

    return of


@pytest.mark.parametrize(("features", "wanted"), AUTHORS)
def test_authors_features_give_the_authors_scores(brisque, features, wanted):
    values = torch.tensor([[float(text) for text in features.split()]], dtype=torch.float64)
    assert brisque.regression(values).item() == pytest.approx(wanted, abs=0.005)


@pytest.mark.skipif(not (SHARED / "kodak").is_dir(), reason="Kodak's photographs are not here")
def test_pictures_have_the_authors_scores(score):
    references = cut_references(SHARED / "kodak")
    for name, wanted in SATURATED.items():
        assert score(Image.fromarray(references[name][0])) == pytest.approx(wanted, abs=0.5)


def test_worse_pictures_score_worse(score, otters):
    original = score(otters)
    assert original == pytest.approx(2.90, abs=0.05)
    scores = [
        score(round_trip(otters, "JPEG", quality=quality))
        for quality in (90, 75, 50, 35, 20, 10, 5, 2)
    ]
    assert original < scores[0] and scores == sorted(scores) and scores[-1] > 80
    pixels = np.asarray(otters, float)
    noise = np.random.default_rng(0).normal(0, 1, pixels.shape)
    for worse, worst in (
        [otters.filter(ImageFilter.GaussianBlur(radius)) for radius in (1, 2)],
        [
            Image.fromarray((pixels + deviation * noise).clip(0, 255).astype(np.uint8))
            for deviation in (8, 30)
        ],
    ):
        assert original + 5 < score(worse) < score(worst)


def test_it_reads_the_second_image_alone_and_says_the_same_again(brisque, otters):
    first, second = (
        to_tensor(otters.crop((100 + 300 * at, 60, 292 + 300 * at, 252))) for at in (0, 1)
    )
    value = brisque(first, second)
    assert torch.equal(value, brisque(second, second)) and not torch.equal(
        value, brisque(second, first)
    )
    both = brisque(torch.cat([first, first]), torch.cat([first, second]))
    assert torch.equal(both[1:], value) and value.dtype == torch.float32
    eight_bit = (second * 255).round().byte()
    assert brisque(eight_bit, eight_bit).item() == pytest.approx(value.item(), abs=1e-3)


def test_a_picture_without_colour_is_judged_by_its_luma(score, otters):
    crop = otters.crop((100, 60, 420, 380))
    assert score(crop.convert("L").convert("RGB")) == pytest.approx(score(crop), abs=0.5)


@pytest.mark.parametrize("kind", ["black", "grey", "white", "halves", "stripes"])
def test_pictures_without_texture_are_refused_in_one_line(brisque, kind):
    image = torch.full((1, 3, 160, 160), {"grey": 0.5, "white": 1.0}.get(kind, 0.0))
    if kind == "halves":
        image[..., 80:] = 1
    if kind == "stripes":
        image[..., ::2] = 1
    for images in (image, torch.cat([torch.rand(1, 3, 160, 160), image])):
        with pytest.raises(
            ComparisonError, match=r"^brisque: the image has no texture, .*quality$"
        ):
            brisque(images, images)


def test_small_pictures_are_refused_in_one_line(brisque):
    with pytest.raises(
        ComparisonError, match=r"^brisque needs 128 pixels a side, the image has 200x9$"
    ):
        brisque(*torch.rand(2, 1, 3, 9, 200))


def test_nothing_is_trained_on_it_or_encoded_towards_it(brisque):
    image = torch.rand(1, 3, 160, 160)
    with pytest.raises(MetricError, match="brisque knows no original"):
        brisque.loss(image, image)
    with pytest.raises(MetricError, match="brisque knows no original"):
        Judge("brisque")
    with pytest.raises(MetricError, match="brisque can only judge"):
        distance("brisque")
