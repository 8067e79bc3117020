"""The detector whatever its weights: distances, probabilities, gradients, sizes."""

import functools
import math

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metamer.evaluation.images import jpeg_round_trip, to_tensor
from metamer.perception import ComparisonError, MetricError, WeightsError, create
from metamer.perception.distances.visibility import (
    CURVE,
    JND_PER_JOD,
    Detector,
    Pathway,
    Selu,
    build_detector,
    probability,
    viewing_conditions,
)
from metamer.perception.vision.display import OFFICE, STANDARD_4K, STANDARD_PIXELS_PER_DEGREE


@functools.cache
def detector() -> Detector:
    torch.manual_seed(0)
    return Detector().requires_grad_(False)


@pytest.fixture(scope="module")
def visibility(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    path.write_bytes(safetensors.torch.save(detector().state_dict()))
    return create("visibility", weights=str(path))


def image(height: int, width: int, seed: int = 0, batch: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 3, 4, 4, generator=generator)
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)


def test_one_jnd_is_three_quarters_of_choices_in_two():
    one_jnd = 1 / JND_PER_JOD
    assert probability(torch.tensor([0.0, one_jnd])).tolist() == pytest.approx([0.0, 0.5], abs=1e-4)
    correct = 0.5 + 0.5 * probability(torch.tensor(2 * one_jnd)).item()
    assert correct == pytest.approx(0.5 * (1 + math.erf(2 / 1.4826 / math.sqrt(2))))


def test_the_quick_curve_is_near_the_displays():
    code = torch.linspace(0, 1, 101)
    quick = sum(weight * code**power for power, weight in enumerate(CURVE, 1))
    assert (quick - code**STANDARD_4K.gamma).abs().max() < 0.01


@settings(max_examples=10)
@given(st.integers(16, 70), st.integers(16, 70), st.integers(0, 99))
def test_any_size_has_values_in_range_and_finite_gradients(height, width, seed):
    net, reference = detector(), image(height, width, seed)
    for changed in (
        reference,
        (reference + 0.1).clamp(0, 1),
        torch.zeros_like(reference),
        torch.ones_like(reference),
    ):
        changed = changed.clone().requires_grad_()
        distance = net.distance(net(reference), net(changed))
        distance.sum().backward()
        assert 0 <= distance.item() < math.inf and torch.isfinite(changed.grad).all()
    assert net.distance(net(reference), net(reference)).item() == 0


def test_values_are_probabilities_and_the_loss_does_not_saturate(visibility):
    reference = image(64, 80)
    inverted = 1 - reference
    value, loss = visibility(reference, inverted), visibility.loss(reference, inverted)
    assert 0 <= value.item() <= 1 and torch.allclose(value, probability(loss))
    assert (
        visibility(reference, reference).item() == 0
        and visibility.loss(reference, reference).item() == 0
    )
    assert torch.equal(visibility(reference, inverted), visibility(inverted, reference))


def test_just_noticeable_differences_go_on_where_the_probability_ends(visibility, tmp_path):
    (tmp_path / "same.safetensors").write_bytes(safetensors.torch.save(detector().state_dict()))
    jnd = create("visibility-jnd", weights=str(tmp_path / "same.safetensors"))
    reference = image(64, 80)
    for compared in (image(64, 80, 1), 1 - reference):
        assert torch.allclose(
            jnd(reference, compared), JND_PER_JOD * visibility.loss(reference, compared)
        )


def test_a_map_is_of_every_pixel_and_shows_the_place(visibility):
    """Sides that fill no cells; a difference in one corner is seen there."""
    reference = image(61, 83, batch=2)
    changed = reference.clone()
    changed[1, :, 40:, 60:] = 1 - changed[1, :, 40:, 60:]
    visibility_map = visibility.map(reference, changed)
    assert (
        visibility_map.shape == (2, 61, 83)
        and visibility_map.min() >= 0
        and visibility_map.max() <= 1
    )
    assert visibility_map[0].max() == 0
    assert visibility_map[1, 44:, 64:].mean() > 10 * visibility_map[1, :24, :40].mean()


def test_a_map_of_uniform_features_equals_the_pooled_distance():
    net = detector()
    reference = torch.full((1, 3, 320, 320), 0.4)
    features, other_features = net(reference), net(reference + 0.3)
    distance = net.distance(features, other_features)
    inside = net.distance_map(features, other_features)[
        :, 32:48, 32:48
    ]  # edges are padded with zeros
    assert torch.allclose(inside.mean(), distance.squeeze(), rtol=0.1)


@pytest.fixture(scope="module")
def screens(tmp_path_factory):
    """Of weights that know other screens: the folder's file."""
    net = Detector()
    net.load_state_dict(detector().state_dict())
    torch.manual_seed(1)
    net.screen.data.normal_(0, 0.3)
    path = tmp_path_factory.mktemp("weights") / "screens.safetensors"
    path.write_bytes(safetensors.torch.save(net.state_dict()))
    return str(path)


def test_the_standard_screen_is_the_default_and_others_are_others(screens, visibility):
    reference, changed = image(64, 80), image(64, 80, 1)
    value = create("visibility-jnd", weights=screens)(reference, changed)
    assert torch.allclose(value, JND_PER_JOD * visibility.loss(reference, changed))
    for option in ({"peak": 100.0}, {"ambient": 1000}, {"pixels_per_degree": 40.0}):
        other_screen = create("visibility-jnd", weights=screens, **option)
        assert other_screen(reference, changed) != value
        pooled_distance = create("visibility", weights=screens, **option)
        assert not torch.equal(
            pooled_distance.map(reference, changed), visibility.map(reference, changed)
        )
        assert pooled_distance.loss(reference, changed) != visibility.loss(reference, changed)


def test_a_screen_is_described_by_what_it_differs_in():
    assert not viewing_conditions(200, OFFICE, STANDARD_PIXELS_PER_DEGREE).any()
    brighter, paler, finer, *squares = viewing_conditions(
        2000, OFFICE, 2 * STANDARD_PIXELS_PER_DEGREE
    )
    assert brighter.item() == pytest.approx(1) and finer.item() == pytest.approx(1)
    assert paler < 0 and squares[1].item() == pytest.approx(paler.item() ** 2)
    assert viewing_conditions(200, 2000, STANDARD_PIXELS_PER_DEGREE)[1] > 0


@pytest.mark.parametrize(
    "options", [{"peak": 20.0}, {"ambient": -1.0}, {"pixels_per_degree": float("nan")}]
)
def test_screens_beyond_what_was_learned_are_refused(screens, options):
    with pytest.raises(MetricError, match=r"is not \d+ to \d+"):
        create("visibility", weights=screens, **options)


def test_weights_of_one_screen_refuse_others(tmp_path):
    tensors = {name: value for name, value in detector().state_dict().items() if name != "screen"}
    (tmp_path / "old.safetensors").write_bytes(safetensors.torch.save(tensors))
    create("visibility", weights=str(tmp_path / "old.safetensors"))
    with pytest.raises(MetricError, match="knows one screen"):
        create("visibility", weights=str(tmp_path / "old.safetensors"), peak=100.0)


def test_images_of_a_batch_do_not_mix(visibility):
    references, images = image(40, 48, batch=3), image(40, 48, seed=1, batch=3)
    one_by_one = torch.cat(
        [visibility(a[None], b[None]) for a, b in zip(references, images, strict=True)]
    )
    assert torch.allclose(visibility(references, images), one_by_one, atol=1e-5)


def test_differences_of_colour_only_are_visible(visibility):
    """Equal luma, other hue: the paper's luma would call them the same."""
    reference = torch.full((1, 3, 32, 32), 0.5)
    image = reference + torch.tensor([0.2, -0.2 * 0.2126 / 0.7152, 0.0]).view(1, 3, 1, 1)
    assert visibility.loss(reference, image).item() > 0


def test_more_noise_is_further(visibility):
    reference = image(64, 64, batch=8)
    noise = torch.randn(reference.shape, generator=torch.Generator().manual_seed(1))
    values = [
        visibility.loss(reference, reference + scale * noise).mean().item()
        for scale in (0.005, 0.02, 0.08)
    ]
    assert values == sorted(values) and values[0] < values[-1]


def test_what_ships_follows_jpeg_quality(otters):
    """Against the teacher's probabilities at these qualities; a wide berth, as one photograph is no
    test of agreement.
    """
    visibility = create("visibility")
    reference = to_tensor(otters.crop((100, 60, 356, 316)))
    images = [jpeg_round_trip(reference, quality) for quality in (3, 8, 20, 50, 90)]
    predicted = [visibility(reference, image).item() for image in images]
    teacher = create("cvvdp")
    teacher_says = [probability(teacher.loss(reference, image)).item() for image in images]
    assert predicted == sorted(predicted, reverse=True) and predicted == pytest.approx(
        teacher_says, abs=0.15
    )


def test_small_images_are_refused(visibility):
    with pytest.raises(ComparisonError, match="16 pixels"):
        visibility(torch.rand(1, 3, 15, 40), torch.rand(1, 3, 15, 40))


@pytest.mark.parametrize(
    "sizes", [{}, {"width": 8, "detail": 2, "coarser": 1, "pools": 3}, {"coarser": 3}]
)
def test_sizes_are_read_off_the_weights(sizes):
    net = Detector(**sizes)
    rebuilt = build_detector(net.state_dict(), "these")
    a, b = image(32, 40), image(32, 40, 1)
    assert torch.allclose(net.distance(net(a), net(b)), rebuilt.distance(rebuilt(a), rebuilt(b)))


def test_weights_of_something_else_are_refused(tmp_path):
    (tmp_path / "other.safetensors").write_bytes(
        safetensors.torch.save({"weight": torch.zeros(2, 2)})
    )
    with pytest.raises(
        WeightsError, match=r"other\.safetensors does not hold the weights of visibility"
    ):
        create("visibility", weights=str(tmp_path / "other.safetensors"))


def test_weights_are_frozen(visibility):
    assert not any(weight.requires_grad for weight in visibility.parameters())


def test_selu_is_torchs_but_for_scale_and_its_slope_learns():
    values = torch.linspace(-3, 3, 13)
    bend = Selu()
    assert torch.allclose(bend(values) * 1.0507, torch.nn.functional.selu(values), atol=1e-4)
    bend(values).sum().backward()
    assert bend.alpha.grad.item() != 0


def test_the_pathway_keeps_cells_where_they_are():
    scattered, absorbed, response = Pathway(16)(torch.rand(1, 12, 5, 7))
    assert (scattered.shape[1], absorbed.shape[1], response.shape[1]) == (12, 16, 12)
    assert {tuple(map_.shape[-2:]) for map_ in (scattered, absorbed, response)} == {(5, 7)}
    assert (absorbed >= 0).all()
