"""Toy sources, their coders and optima against closed forms; the command from end to end."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from metamer.cli import main
from metamer.evaluation.toy import optima, sources, training, transform_coding, vector_quantiser
from metamer.evaluation.toy.prior import FactorisedPrior
from metamer.evaluation.toy.schedule import STEADY, Schedule
from metamer.evaluation.toy.sources import SOURCES
from metamer.evaluation.toy.transform_coding import TransformCoder, klt
from metamer.train.networks.entropy_model.proxies import soft_round_conditional_mean


def shrunk(name: str, **sizes):
    """A source with less to compute."""
    return dataclasses.replace(
        SOURCES[name], **{"examples": 4096, "tested": 8192, "batch": 128, **sizes}
    )


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "source",
    [shrunk("banana"), shrunk("laplace"), shrunk("sawbridge", dimensions=16)],
    ids=lambda source: source.name,
)
def test_moments_are_the_closed_forms(source):
    vectors = source.sample(1 << 18, seeded()).double()
    assert vectors.shape == (1 << 18, source.dimensions)
    deviation = source.covariance().diag().sqrt().double()
    error = (vectors.mean(0) - source.mean()) / deviation.clamp_min(1e-9)
    assert error.abs().max() < 5 / 2**9
    scale = (deviation[:, None] * deviation).clamp_min(1e-9)
    assert (
        (torch.cov(vectors.T).reshape(scale.shape) - source.covariance()) / scale
    ).abs().max() < 0.03


@pytest.mark.parametrize("name", ["banana", "laplace"])
def test_density_is_that_of_the_samples(name):
    """The mean of f(X) over samples is the integral of f · density, for f = 1 and a bump off
    centre.
    """
    source = SOURCES[name]
    axes = [torch.linspace(-25, 25, 1501, dtype=torch.double)] * source.dimensions
    points = (
        torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, source.dimensions).float()
    )
    density = source.density(points).double() * (50 / 1500) ** source.dimensions
    assert density.sum().item() == pytest.approx(1, abs=1e-3)

    def bump(at):
        return torch.exp(
            -(at - torch.tensor([1.0, -2.0])[: source.dimensions]).square().sum(1)
        ).double()

    sampled = bump(source.sample(1 << 18, seeded())).mean().item()
    assert (density * bump(points)).sum().item() == pytest.approx(sampled, rel=0.02)


def test_sawbridge_rises_but_for_one_fall():
    source = SOURCES["sawbridge"]
    paths = source.sample(64, seeded())
    assert (paths[:, 0] == 0).all() and (paths[:, -1] == 0).all()
    steps = paths.diff(dim=1)
    assert ((steps < 0).sum(1) == 1).all()
    torch.testing.assert_close(steps.amin(1), torch.full((64,), 1 / 1023 - 1))


def test_klt_of_the_sawbridge_is_the_sine_transform():
    """Covariance min(s, t) − s t, of the Brownian bridge: eigenvectors sin(kπt), eigenvalues 1 / (4
    (n−1) sin²(kπ/2(n−1))).
    """
    source = shrunk("sawbridge", dimensions=65, coefficients=8)
    order = torch.arange(1, 9)
    sines = torch.sin(math.pi * source.times()[:, None] * order) * math.sqrt(2 / 64)
    basis = klt(source)
    torch.testing.assert_close((basis.T @ sines).abs(), torch.eye(8), atol=1e-4, rtol=0)
    values = (basis.T @ source.covariance() @ basis).diag()
    torch.testing.assert_close(
        values, 1 / (4 * 64 * torch.sin(math.pi * order / 128) ** 2), atol=1e-5, rtol=1e-4
    )


def perturbed_prior(seed: int) -> FactorisedPrior:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        prior = FactorisedPrior(2)
        for parameter in prior.parameters():
            parameter.data += 0.5 * torch.randn_like(parameter)
    return prior.double()


@given(st.integers(0, 2**31))
def test_prior_rises_and_its_probabilities_add_up_to_one(seed):
    prior = perturbed_prior(seed)
    with torch.no_grad():
        values = torch.arange(-3000, 3001, dtype=torch.double)
        assert (prior.logits(values.expand(2, -1)).diff() > 0).all()
        ends = torch.sigmoid(
            prior.logits(torch.tensor([[-3000.5, 3000.5]] * 2, dtype=torch.double))
        )
        probabilities = [
            2 ** -FactorisedPrior.bits(_one(prior, latent), values[:, None]) for latent in range(2)
        ]
    for latent in range(2):
        assert probabilities[latent].sum().item() == pytest.approx(
            (ends[latent, 1] - ends[latent, 0]).item(), abs=1e-6
        )


def _one(prior: FactorisedPrior, latent: int) -> FactorisedPrior:
    """The prior of one latent alone."""
    copy = FactorisedPrior(1).double()
    copy.load_state_dict(
        {name: value[latent : latent + 1] for name, value in prior.state_dict().items()}
    )
    return copy


@pytest.mark.parametrize("temperature", [1.0, 0.3, 1 / 6])
def test_what_training_pays_is_a_density_of_what_is_sent(temperature):
    """F(c + ½) − F(c − ½) at the conditional mean c of what was received integrates to one over
    what is received.
    """
    prior = _one(perturbed_prior(3), 0)
    sent = torch.linspace(-400, 400, 1_600_001, dtype=torch.double)
    with torch.no_grad():
        density = 2 ** -prior.bits(soft_round_conditional_mean(sent, temperature)[:, None])
    assert density.sum().item() * 800 / 1_600_000 == pytest.approx(1, abs=2e-3)


@given(st.floats(0.05, 5), st.floats(0.05, 5))
def test_closed_form_of_the_laplace_quantiser(dead, step):
    edges = np.concatenate([[0, dead], dead + step * np.arange(1, math.ceil(40 / step) + 1)])
    low, high = edges[1:-1], edges[1:][1:]
    mass = (np.exp(-low) - np.exp(-high)) / 2
    first_moment = ((low + 1) * np.exp(-low) - (high + 1) * np.exp(-high)) / 2
    second_moment = (
        (low**2 + 2 * low + 2) * np.exp(-low) - (high**2 + 2 * high + 2) * np.exp(-high)
    ) / 2
    mass, first_moment, second_moment = (
        part[mass > 1e-14] for part in (mass, first_moment, second_moment)
    )
    zero = 1 - math.exp(-dead)
    rate = -zero * math.log2(zero) - 2 * (mass * np.log2(mass)).sum()
    distortion = (
        2
        - math.exp(-dead) * (dead**2 + 2 * dead + 2)
        + 2 * (second_moment - first_moment**2 / mass).sum()
    )
    quantiser = optima.laplace_quantiser(dead, step)
    assert quantiser.rate == pytest.approx(
        rate, rel=1e-6
    ) and quantiser.distortion == pytest.approx(distortion, rel=1e-6)


def test_laplace_optimum_is_a_quarter_bit_above_the_bound_at_high_rates():
    """½ log2(2πe/12) = 0.2546 bits, 1.53 dB: the classical loss of scalar quantisation."""
    best = optima.laplace(1e4)
    assert best.rate - optima.laplace_bound(best.distortion) == pytest.approx(
        math.log2(math.pi * math.e / 6) / 2, abs=1e-3
    )
    assert optima.laplace(0.05).rate < 0.02


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=12), st.floats(2, 300))
def test_no_partition_beats_the_sawbridge_optimum(parts, tradeoff):
    share = np.array(parts) / np.sum(parts)
    cost = -(share * np.log2(share)).sum() + tradeoff * (share**2).sum() / 6
    assert optima.sawbridge(tradeoff).cost(tradeoff) <= cost + 1e-3


def test_vector_quantiser_of_laplace_comes_near_the_optimum_and_not_below():
    source, tradeoff = shrunk("laplace", tested=1 << 17), 8.0
    coder = vector_quantiser.train_vector_quantiser(
        source.sample(1 << 15, seeded()), 64, tradeoff, 200
    )
    measurement = training.measure_coder(coder, source, tradeoff, 0)
    best = optima.laplace(tradeoff).cost(tradeoff)
    assert measurement["high"] > best and measurement["cost"] < 1.01 * best
    assert 2 ** -coder.lengths.double() @ torch.ones(
        len(coder.lengths), dtype=torch.double
    ) == pytest.approx(1, abs=1e-5)


def test_every_round_of_the_vector_quantiser_costs_less():
    source, tradeoff = SOURCES["banana"], 8.0
    vectors = source.sample(4096, seeded())

    def cost(rounds):
        coder, reported = vector_quantiser.lloyd(vectors, 64, tradeoff, rounds)
        _, bits, decoded = coder(vectors)
        measured_cost = (bits + tradeoff * (decoded - vectors).square().sum(1)).mean().item()
        assert (
            measured_cost <= reported + 1e-4
        )  # what was reported is before the last round's update
        return measured_cost

    costs = [cost(rounds) for rounds in (1, 2, 4, 8, 16)]
    assert costs == sorted(costs, reverse=True) and costs[-1] < 0.95 * costs[0]


def test_vector_quantiser_of_the_sawbridge_cuts_the_jump_into_intervals():
    source = shrunk("sawbridge", dimensions=256, weight=1 / 256)
    coder = vector_quantiser.train_vector_quantiser(
        source.sample(4096, seeded()), 32, 32 / 256, 200
    )
    measurement = training.measure_coder(coder, source, 32, 0)
    best = optima.sawbridge(32).cost(32)
    assert 0.985 * best < measurement["cost"] < 1.03 * best  # 256 times, not all
    cells = coder.choose(source.at(torch.linspace(0, 1, 2000)))
    assert (cells.diff() != 0).sum() == len(torch.unique(cells)) - 1


def test_linear_coder_starts_at_the_high_rate_optimum():
    """R + λD = Σ [h − log2 Δ + Δ²λ/12] of the coefficients; here a Laplacian's, h = log2(2e)."""
    source, tradeoff = shrunk("laplace", tested=1 << 16), 2000.0
    coder = TransformCoder.linear(source, tradeoff, mixed=False)
    vectors = source.sample(1 << 17, seeded())
    cells, _, decoded = coder(vectors)
    shares = torch.bincount((cells - cells.min()).long().flatten()).double() / len(cells)
    entropy = -(shares[shares > 0] * shares[shares > 0].log2()).sum().item()
    step = math.sqrt(6 / (math.log(2) * tradeoff))
    assert entropy == pytest.approx(math.log2(2 * math.e / step), abs=0.02)
    assert (decoded - vectors).square().mean().item() == pytest.approx(step**2 / 12, rel=0.02)


@pytest.mark.parametrize("mixed", [False, True])
def test_linear_synthesis_undoes_the_analysis_at_the_start(mixed):
    source = SOURCES["banana"]
    coder, vectors = TransformCoder.linear(source, 8.0, mixed), source.sample(100, seeded())
    torch.testing.assert_close(coder.synthesis(coder.analysis(vectors)), vectors, atol=1e-4, rtol=0)
    whitened = torch.cov(coder.analysis(source.sample(1 << 16, seeded())).T)
    assert (whitened[0, 1].abs() / (whitened[0, 0] * whitened[1, 1]).sqrt() > 0.5) == mixed


@pytest.mark.parametrize("method", ["klt", "ltc", "ntc"])
def test_training_lowers_the_cost_on_unseen_vectors(method):
    source, tradeoff = shrunk("banana", hidden=(16, 16), learning_rate=1e-2), 8.0
    torch.manual_seed(0)
    coder = training.untrained_transform_coder(source, method, tradeoff)
    before = training.measure_coder(coder, source, tradeoff, 0)["cost"]
    transform_coding.train_transform_coder(
        coder, source, tradeoff, range(300), 300, seeded(), STEADY
    )
    after = training.measure_coder(coder, source, tradeoff, 0)
    assert after["cost"] < 0.8 * before and after["low"] < after["cost"] < after["high"]
    assert after["cost"] == pytest.approx(after["rate"] + tradeoff * after["distortion"])


def test_schedule_at_its_moments():
    schedule = Schedule(
        sharpening=(0.4, 0.6), falling=(0.2, 0.6), lowest=0.01, rounded=0.8, refit=0.5, surplus=4.0
    )
    shares = (0.0, 0.4, 0.5, 0.6, 1.0)
    assert list(map(schedule.temperature, shares)) == pytest.approx([1, 1, 1 / 3.5, 1 / 6, 1 / 6])
    shares = (0.2, 0.4, 0.7, 0.8, 0.9, 1.0)
    assert list(map(schedule.learning_rate, shares)) == pytest.approx([1, 0.1, 0.01, 0.5, 0.25, 0])
    assert list(map(schedule.tradeoff, (0, 0.25, 0.5, 1))) == pytest.approx([4, 2, 1, 1])
    # without a fresh start the rate falls on
    assert STEADY.learning_rate(0.95) == pytest.approx(0.01**0.9) and STEADY.tradeoff(0) == 1


def test_first_latent_starts_first_and_the_synthesis_bends_along_it():
    source = SOURCES["sawbridge"]
    torch.manual_seed(0)
    coder = TransformCoder.nonlinear(source)
    vectors = source.sample(512, seeded())
    transform_coding.put_first_latent_first(coder, vectors)
    latents = coder.analysis(vectors)
    assert latents.std(0).tolist() == pytest.approx([0.1, *[0.002] * 9], rel=1e-3)
    assert latents.mean(0).abs().max() < 1e-5
    layer = coder.synthesis[0]
    bends = -layer.bias / layer.weight[:, 0]
    assert bends.abs().max() <= 10 and bends.min() < -5 and bends.max() > 5


def test_sawbridge_is_coded_by_one_latent():
    source = shrunk("sawbridge", dimensions=32, weight=1 / 32, hidden=(32, 32), batch=64)
    coder = training.train_coder(source, "ntc", 144.0, 400, 0)
    cells = coder(source.at(torch.linspace(0.01, 0.99, 500)))[0]
    assert (cells.std(0) > 0).tolist() == [True] + 9 * [False]
    steps = cells[1:, 0] - cells[:-1, 0]
    # and in order: intervals, each a cell
    assert len(steps.sign().unique()) == 2 and len(cells[:, 0].unique()) > 8


@pytest.fixture
def small(monkeypatch):
    """Sources that take moments."""
    sizes = {
        "banana": {},
        "laplace": {"tradeoffs": (1.0, 4.0)},
        "sawbridge": {"tradeoffs": (16.0, 32.0), "dimensions": 64},
    }
    monkeypatch.setattr(
        sources,
        "SOURCES",
        {name: shrunk(name, hidden=(8,), **options) for name, options in sizes.items()},
    )


def toy(*arguments):
    return CliRunner().invoke(main, ["toy", *map(str, arguments)])


@pytest.mark.parametrize("name", SOURCES)
def test_command_trains_tabulates_and_draws(small, tmp_path, name):
    result = toy(name, "--steps", 4, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / f"{name}.json").read_text())
    assert [row["method"] for row in rows] == [*SOURCES[name].methods] * (
        1 if name == "banana" else 2
    )
    assert all(
        row["cost"] == pytest.approx(row["rate"] + row["tradeoff"] * row["distortion"])
        for row in rows
    )
    assert all(f"{row['cost']:.3f}" in result.output for row in rows) and (
        "optimum" in result.output
    ) == (name != "banana")
    assert np.ptp(np.asarray(Image.open(tmp_path / f"{name}.png").convert("L"))) > 200


def test_command_keeps_what_is_finished(small, tmp_path):
    arguments = ["laplace", "--lambda", 2, "--only", "ltc", "--steps", 4, "--out", tmp_path]
    first_run = toy(*arguments)
    checkpoint = tmp_path / "laplace-2-ltc.pt"
    saved = checkpoint.stat().st_mtime_ns
    second_run = toy(*arguments, "--figure", tmp_path / "line.svg")
    assert second_run.output == first_run.output and checkpoint.stat().st_mtime_ns == saved
    assert (tmp_path / "line.svg").read_text().startswith("<?xml")
    assert (
        toy(*arguments, "--seed", 1).output != first_run.output
        and checkpoint.stat().st_mtime_ns != saved
    )


def test_same_seed_same_coder(small, tmp_path):
    outputs = [
        toy("banana", "--only", "ntc", "--steps", 4, "--seed", 5, "--out", tmp_path / place).output
        for place in "ab"
    ]
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("apple", "--out", "x"), "apple"),
        (("banana",), "--out"),
        (("banana", "--out", "x", "--lambda", "0"), "--lambda"),
        (("banana", "--out", "x", "--lambda", "nan"), "nan"),
        (("banana", "--out", "x", "--steps", "0"), "--steps"),
        (("banana", "--out", "x", "--only", "jpeg"), "jpeg"),
        (("banana", "--out", "x", "--figure", "x.bmp"), ".bmp"),
        (("banana", "--out", "x", "--figure", "absent/x.png"), "absent"),
    ],
)
def test_bad_input_is_refused_before_any_work(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = toy(*arguments)
    assert (
        result.exit_code and message in result.output and isinstance(result.exception, SystemExit)
    ), result.output
    assert not list(tmp_path.iterdir())
