"""What holds for every distance: identity, symmetry, gradients, clear refusals; and known
values.
"""

import functools
import json
from pathlib import Path

import pytest
import pytorch_msssim
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metamer.evaluation.images import jpeg_round_trip, to_tensor
from metamer.perception import ComparisonError, MetricError, create, find, optional_imports
from metamer.perception.catalogue import CATALOGUE
from tests.perception.distances.pairs import pairs

VALUES = json.loads((Path(__file__).parent / "reference_values.json").read_text())
SPECS = [
    *(metric.name for metric in CATALOGUE),
    "features:channels=efficacy",
    "wasserstein:network=squeezenet,sigma=3",
]
# brisque, of one picture, has a file of its own: test_brisque.py
PAIRS = [spec for spec in SPECS if not find(spec.partition(":")[0]).no_reference]
pytestmark = pytest.mark.usefixtures("all_weights")


@functools.cache
def cached_distance(spec: str):
    from metamer.perception import from_spec

    return from_spec(spec)


def image(
    height: int, width: int, seed: int, batch: int = 1, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """Smooth colours under a little noise: no flat areas, nothing at the ends of the range."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 3, 4, 4, generator=generator)
    smooth = torch.nn.functional.interpolate(
        coarse, (height, width), mode="bicubic", align_corners=True
    )
    noise = torch.randn(batch, 3, height, width, generator=generator)
    return (0.1 + 0.8 * smooth.clamp(0, 1) + 0.05 * noise).clamp(0, 1).to(dtype)


@pytest.mark.parametrize("spec", PAIRS)
@given(data=st.data())
@settings(max_examples=4)
def test_identical_images_are_best_and_gradients_finite(spec, data):
    distance = cached_distance(spec)
    min_side = distance.min_side
    height, width = (data.draw(st.integers(min_side, min_side + 60)) for _ in range(2))
    dtype = data.draw(
        st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16])
    )
    kind = data.draw(st.sampled_from(["photograph", "grey", "black", "white"]))
    flat = {"grey": 0.5, "black": 0.0, "white": 1.0}
    picture = image(height, width, data.draw(st.integers(0, 99)), 2, dtype)
    picture = picture if kind == "photograph" else torch.full_like(picture, flat[kind])
    reference, copy = picture.clone(), picture.clone().requires_grad_(distance.metric.trainable)
    value = distance(reference, copy)
    assert value.shape == (2,) and value.dtype == torch.float32
    assert torch.allclose(value, torch.full((2,), distance.metric.best), atol=2e-5)
    if distance.metric.trainable:
        distance.loss(reference, copy).sum().backward()
        assert torch.isfinite(copy.grad).all()


@pytest.mark.parametrize("spec", PAIRS)
def test_more_noise_is_worse_pairs_are_apart_and_batches_agree(spec):
    distance = cached_distance(spec)
    side = max(64, distance.min_side)
    reference = image(side, side + 9, 1, 3)
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(reference.shape, generator=generator)
    slightly_noisy, very_noisy = (
        (reference + strength * noise).clamp(0, 1) for strength in (0.02, 0.2)
    )
    loss = distance.loss(reference, very_noisy)
    assert (loss > distance.loss(reference, slightly_noisy)).all() and (
        distance.loss(reference, slightly_noisy) > 0
    ).all()
    assert (
        distance.metric.low <= distance(reference, very_noisy).min()
        and distance(reference, very_noisy).max() <= distance.metric.high
    )
    one_by_one = torch.cat(
        [distance.loss(reference[i : i + 1], very_noisy[i : i + 1]) for i in range(3)]
    )
    assert torch.allclose(one_by_one, loss, rtol=1e-3, atol=1e-5)
    if distance.metric.true_distance:
        assert torch.allclose(
            distance(very_noisy, reference), distance(reference, very_noisy), rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("spec", [spec for spec in SPECS if find(spec.partition(":")[0]).trainable])
def test_a_step_downhill_is_an_improvement(spec):
    distance = cached_distance(spec)
    side = max(64, distance.min_side)
    reference = image(side, side, 3)
    image_moved = image(side, side, 4).requires_grad_()
    before = distance.loss(reference, image_moved)
    before.sum().backward()
    assert torch.isfinite(image_moved.grad).all() and image_moved.grad.abs().max() > 0
    length = 1e-3 / image_moved.grad.abs().max()
    assert distance.loss(reference, image_moved.detach() - length * image_moved.grad) < before


@pytest.mark.parametrize("spec", SPECS)
def test_images_that_cannot_be_compared_are_reported(spec):
    distance = cached_distance(spec)
    side = max(64, distance.min_side)
    good = image(side, side, 5)
    bad = good.clone()
    bad[0, 0, 0, 0] = float("nan")
    small = torch.zeros(1, 3, distance.min_side - 1, side)
    for reference, other, message in (
        (good, good[..., :-1], "differ in shape"),
        (good, bad, "NaN"),
        (bad, good, "NaN"),
        (small, small, "pixels a side"),
        (good[0], good[0], r"\(N, 3, H, W\)"),
        (good[:, :1], good[:, :1], r"\(N, 3, H, W\)"),
        (good[:0], good[:0], r"\(N, 3, H, W\)"),
        (good.int(), good.int(), "int32"),
    ):
        with pytest.raises(ComparisonError, match=message):
            distance(reference, other)


@pytest.mark.parametrize("spec", ["ms-ssim", "haarpsi", "lpips-squeeze"])
def test_values_outside_the_range_can_come_back(spec):
    reference = image(176, 176, 10)
    # many over 1, where a plain clamp would give no gradient
    outside = (reference + 0.6).requires_grad_()
    cached_distance(spec).loss(reference, outside).sum().backward()
    assert (outside.grad[outside > 1] != 0).float().mean() > 0.9


def test_bytes_need_no_conversion():
    picture = (image(64, 64, 6) * 255).byte()
    assert torch.equal(
        cached_distance("mse")(picture, picture // 2),
        cached_distance("mse")(picture / 255, (picture // 2) / 255),
    )


@pytest.mark.parametrize("pair", VALUES)
@pytest.mark.parametrize("metric", ["lpips-alex", "lpips-vgg", "lpips-squeeze", "dists"])
def test_lpips_and_dists_equal_their_authors_packages(pair, metric):
    reference, image = pairs()[pair]
    options = {"resize": False} if metric == "dists" else {}
    assert create(metric, **options)(reference, image).item() == pytest.approx(
        VALUES[pair][metric], abs=1e-5
    )


def test_lpips_squeeze_on_torchmetrics_documented_example():
    generator = torch.Generator().manual_seed(42)
    image_a, image_b = (torch.rand(2, 3, 100, 100, generator=generator) for _ in range(2))
    assert cached_distance("lpips-squeeze")(image_a, image_b).tolist() == pytest.approx(
        [0.1024, 0.0938], abs=5e-5
    )


@pytest.mark.parametrize("pair", VALUES)
def test_libraries_values_are_passed_on(pair):
    # 320 rows: MS-SSIM needs 161
    reference, image = (part.repeat(1, 1, 2, 1) for part in pairs()[pair])
    assert cached_distance("ms-ssim")(reference, image).item() == pytest.approx(
        pytorch_msssim.ms_ssim(image, reference, data_range=1).item(), abs=1e-6
    )
    piq = optional_imports.import_package("piq")
    for name in ("haarpsi", "fsim", "vsi", "gmsd", "mdsi"):
        assert cached_distance(name)(reference, image).item() == pytest.approx(
            getattr(piq, name)(image, reference).item(), abs=1e-5
        )
    assert cached_distance("vif")(reference, image).item() == pytest.approx(
        piq.vif_p(image, reference).item(), abs=1e-5
    )


def test_dists_rescales_large_images():
    reference, image = (part.repeat(1, 1, 4, 4) for part in pairs()["noisy"])
    small = [
        torch.nn.functional.interpolate(part, (256, 307), mode="bilinear", antialias=True)
        for part in (reference, image)
    ]
    assert cached_distance("dists")(reference, image).item() == pytest.approx(
        create("dists", resize=False)(*small).item(), abs=1e-6
    )


def test_psnr_is_minus_ten_log_mse():
    image_a, image_b = image(32, 40, 8), image(32, 40, 9)
    assert cached_distance("psnr")(image_a, image_b).item() == pytest.approx(
        -10 * cached_distance("mse")(image_a, image_b).log10().item(), rel=1e-5
    )


@pytest.mark.parametrize("spec", SPECS)
def test_weights_stay_frozen(spec):
    assert not any(parameter.requires_grad for parameter in cached_distance(spec).parameters())
    assert not cached_distance(spec).train().training


def test_colorvideovdp_takes_screens_of_ones_own(otters):
    reference = to_tensor(otters.crop((100, 60, 228, 188)))
    image = jpeg_round_trip(reference, 10)
    standard = create("cvvdp")(reference, image)
    assert create("cvvdp", pixels_per_degree=75.41)(reference, image).item() == pytest.approx(
        standard.item(), abs=1e-3
    )
    at_30 = create("cvvdp", pixels_per_degree=30.0)(reference, image)
    pale = create("cvvdp", ambient=20_000.0)(reference, image)
    assert at_30 < standard < pale
    with pytest.raises(MetricError, match="has its own peak"):
        create("cvvdp", display="iphone_14_pro", peak=500.0)
    with pytest.raises(MetricError, match="above 0"):
        create("cvvdp", peak=0.0)
