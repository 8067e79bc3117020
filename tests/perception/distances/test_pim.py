"""PIM and realism in its space, with untrained weights: what holds whatever was learned."""

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from metamer.evaluation.images import to_tensor
from metamer.evaluation.realism.frechet import (
    Moments,
    frechet_distance,
    frechet_distance_of_features,
    mean_frechet_distance,
    pim_moments,
    pooled_moments,
)
from metamer.perception import MetricError, WeightsError, create
from metamer.perception.distances.pim import Mixture, PimSpace, sampled, variational
from metamer.train.perceptual_spaces.pim.model import standardise

NAMES = ("pim-1", "pim")


@pytest.fixture(scope="module")
def image(otters) -> Tensor:
    return to_tensor(otters.crop((200, 100, 272, 156)))


@pytest.fixture(scope="module")
def weights(tmp_path_factory, otters) -> str:
    """A narrow space whose encodings vary, but were not learned."""
    torch.manual_seed(1)
    space = PimSpace(4, 8)
    standardise(
        space,
        torch.cat(
            [to_tensor(otters.crop((left, 60, left + 64, 124))) for left in range(0, 640, 80)]
        ),
    )
    path = tmp_path_factory.mktemp("pim") / "pim.safetensors"
    save_file(space.state_dict(), path)
    return str(path)


def noisy(image: Tensor, deviation: float) -> Tensor:
    return image + deviation * torch.randn(image.shape, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("name", NAMES)
def test_identical_images_are_at_zero_and_others_are_not(name, weights, image):
    distance = create(name, weights=weights)
    values = [distance(image, noisy(image, deviation)).item() for deviation in (0, 0.02, 0.1)]
    assert values[0] == 0 < values[1] < values[2]
    assert distance(image, noisy(image, 0.1)) == pytest.approx(
        distance(noisy(image, 0.1), image).item(), rel=1e-6
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(16, 16), (17, 23)])
def test_batches_and_odd_sizes(name, size, weights):
    distance = create(name, weights=weights)
    images, references = torch.rand(2, 3, 3, *size).unbind()
    batched = distance(images, references)
    assert batched.shape == (3,) and batched.dtype == torch.float32
    for index in range(3):
        torch.testing.assert_close(
            distance(images[index : index + 1], references[index : index + 1]),
            batched[index : index + 1],
        )


@pytest.mark.parametrize(
    "options", [{"name": "pim-1"}, {"name": "pim"}, {"name": "pim", "samples": 1}]
)
def test_gradients_are_finite_and_vanish_at_the_same_image(options, weights, image):
    distance = create(**options, weights=weights)
    for start, still in ((image, True), (noisy(image, 0.05), False)):
        moving = start.clone().requires_grad_()
        distance(image, moving).sum().backward()
        assert torch.isfinite(moving.grad).all()
        assert (moving.grad.abs().max() < 1e-6) == still


def test_the_one_gaussian_divergence_is_the_squared_distance_of_means(weights, image):
    distance = create("pim-1", weights=weights)
    space_a, space_b = distance.space(image), distance.space(noisy(image, 0.1))
    expected = (
        sum((a - b).square().sum(1).mean() for a, b in zip(space_a, space_b, strict=True)) / 8
    )
    assert distance.between(space_a, space_b).item() == pytest.approx(expected.item(), rel=1e-5)
    gaussians = [
        torch.distributions.MultivariateNormal(places[2][0, :, 5, 7], torch.eye(10))
        for places in (space_a, space_b)
    ]
    symmetric = torch.distributions.kl_divergence(*gaussians) + torch.distributions.kl_divergence(
        *gaussians[::-1]
    )
    assert (space_a[2] - space_b[2])[0, :, 5, 7].square().sum().item() == pytest.approx(
        symmetric.item(), rel=1e-5
    )


def test_the_variational_divergence_and_few_samples_agree_with_many(weights, image):
    approximate, few_samples = (
        create("pim", weights=weights),
        create("pim", weights=weights, samples=4),
    )
    noise = torch.Generator().manual_seed(0)
    image = image[..., :40, :48]
    for other_image in (noisy(image, 0.1), image.flip(3)):
        space_a, space_b = approximate.space(image), approximate.space(other_image)
        many = []
        # the coarser bands: fewer positions to sample
        for ours_band, theirs_band in zip(space_a[3:], space_b[3:], strict=True):
            shifts = torch.randn(200, *ours_band.means.shape[2:], generator=noise)
            many.append(sampled(ours_band, theirs_band, shifts).mean().item())
            assert variational(ours_band, theirs_band).mean().item() == pytest.approx(
                many[-1], rel=0.3
            )
        for distance, tolerance in ((approximate, 0.25), (few_samples, 0.05)):
            assert distance.between(space_a[3:], space_b[3:]).item() == pytest.approx(
                sum(many) / len(many), rel=tolerance
            )


def test_mixtures_of_one_component_are_gaussians(image, weights):
    means_a, means_b = (
        places[4]
        for places in map(create("pim-1", weights=weights).space, (image, noisy(image, 0.1)))
    )
    places = [
        Mixture(means[:, None], torch.zeros_like(means[:, :1])) for means in (means_a, means_b)
    ]
    torch.testing.assert_close(variational(*places), (means_a - means_b).square().sum(1))
    exact = (
        sampled(
            *places,
            torch.randn(2000, *means_a.shape[1:], generator=torch.Generator().manual_seed(0)),
        )
        .mean()
        .item()
    )
    assert exact == pytest.approx(variational(*places).mean().item(), rel=0.02)


def test_sampling_repeats_itself(weights, image):
    values = {
        create("pim", weights=weights, samples=2)(image, noisy(image, 0.1)).item() for _ in range(2)
    }
    assert len(values) == 1
    with pytest.raises(MetricError, match="samples=-1"):
        create("pim", weights=weights, samples=-1)


def test_other_weights_are_refused(tmp_path):
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="PIM"):
        create("pim-1", weights=str(tmp_path / "other.safetensors"))


def test_moments_of_portions_are_those_of_the_whole():
    vectors = torch.randn(500, 4, dtype=torch.float64) @ torch.randn(4, 4, dtype=torch.float64) + 30
    portions = Moments(4)
    for portion in vectors.split([1, 99, 250, 150]):
        portions.add(Moments.of(portion))
    torch.testing.assert_close(portions.mean, vectors.mean(0))
    torch.testing.assert_close(portions.covariance, vectors.T.cov())


def test_frechet_distance_of_known_gaussians():
    def of(mean: list[float], deviations: list[float]) -> Moments:
        moments = Moments(2)
        moments.count, moments.mean = 2, torch.tensor(mean, dtype=torch.float64)
        moments.scatter = torch.tensor(deviations, dtype=torch.float64).square().diag()
        return moments

    assert frechet_distance(of([0, 0], [1, 2]), of([3, 4], [1, 2])) == pytest.approx(25)
    assert frechet_distance(of([0, 0], [1, 2]), of([0, 0], [4, 0])) == pytest.approx(9 + 4)


@pytest.mark.parametrize(("count", "other_count"), [(30, 25), (6, 5), (5, 40)])
def test_frechet_distance_of_vectors_is_that_of_their_moments(count, other_count):
    """With more vectors than dimensions, and with fewer."""
    vectors_a, vectors_b = (
        torch.randn(count, 8) @ torch.randn(8, 8),
        torch.randn(other_count, 8) + 0.5,
    )
    assert frechet_distance_of_features(vectors_a, vectors_b) == pytest.approx(
        frechet_distance(Moments.of(vectors_a), Moments.of(vectors_b)), rel=1e-5
    )
    assert frechet_distance_of_features(vectors_a, vectors_a.flip(0)) == pytest.approx(0, abs=1e-9)


def test_realism_is_zero_for_the_same_images_in_any_order_and_rises_with_blur(weights, otters):
    space = create("pim-1", weights=weights)
    images = [to_tensor(otters.crop((left, 120, left + 96, 216))) for left in range(0, 600, 120)]

    def moments_of(images: list[Tensor]) -> list[Moments]:
        return pooled_moments(pim_moments(space, image) for image in images)

    real = moments_of(images)
    assert mean_frechet_distance(real, moments_of(images[::-1])) == pytest.approx(0, abs=1e-6)
    blurred = [
        [
            torch.nn.functional.avg_pool2d(image, size, 1, size // 2, count_include_pad=False)
            for image in images
        ]
        for size in (3, 5, 9)
    ]
    values = [mean_frechet_distance(real, moments_of(images)) for images in blurred]
    assert 0 < values[0] < values[1] < values[2]
