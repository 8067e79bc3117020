"""The registry: names, aliases, options, suggestions, and distances of other packages."""

from importlib.metadata import EntryPoint

import pytest
import torch

from metamer.perception import Metric, MetricError, create, find, from_spec, metrics, registry
from metamer.perception.catalogue import CATALOGUE
from metamer.perception.distance import Distance


def test_names_and_aliases_are_unique():
    names = [alias for metric in CATALOGUE for alias in (metric.name, *metric.aliases)]
    assert len(names) == len(set(names))
    assert all(name == name.lower() and "_" not in name for name in names)


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_metadata_is_consistent(metric):
    assert metric.low <= metric.best <= metric.high
    # more than 1 can be
    assert (
        metric.best == (metric.high if metric.higher_is_better else metric.low)
        or metric.name == "vif"
    )
    assert metric.title and metric.paper and metric.family
    assert isinstance(metric.options(), dict)


def test_aliases_and_spelling():
    assert find("LPIPS_squeeze").name == "lpips-squeeze"
    assert find("msssim") is find("ms-ssim")
    assert find("lpips").name == "lpips-alex"  # what papers mean when they say no more


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("lpips-sqeeze", "did you mean 'lpips-squeeze'"),
        ("features:layr=fire3", "did you mean 'layer'"),
        ("features:layer=fire33", "did you mean 'fire3'"),
        ("features:network=vgg61", "did you mean 'vgg"),
        ("features:channels=H-0", "H-x or L-x"),
        ("features:channels=10", "H-x or L-x"),
        ("mse:sigma", "name:option=value"),
        ("mse:sigma=1", "no option 'sigma'; it takes: none"),
        ("", "no distance is called"),
        ("wasserstein:network=squeeze,sigma=abc", "sigma=abc is not a number"),
        ("wasserstein:network=squeeze,sigma=true", "sigma=True is not a number"),
        ("wasserstein:network=squeeze,sigma=-3", "not negative"),
        ("wasserstein:network=squeeze,sigma=nan", "not negative"),
        ("dists:resize=maybe", "resize=maybe is not true or false"),
        ("cvvdp:display=nonsense", "cvvdp: "),
        ("features:layer=fire3,layer=fire4", "given twice"),
    ],
)
def test_unknown_names_are_reported(spec, message):
    with pytest.raises(MetricError, match=message):
        from_spec(spec)


def test_specs_carry_options():
    distance = from_spec("features:network=squeeze,layer=fire5,channels=H-25")
    assert (distance.network.name, distance.layer) == ("squeezenet", "fire5")
    assert str(distance) == "features:network=squeeze,layer=fire5,channels=H-25"
    assert from_spec("wasserstein:network=squeezenet,sigma=2.5").sigma.item() == 2.5


class Brightness(Distance):
    """A user's distance, of means."""

    def between(self, reference, image):
        return (reference.mean((1, 2, 3)) - image.mean((1, 2, 3))).abs()


BRIGHTNESS = Metric("brightness", Brightness, "Difference of means", "none", "user")
LOUD = Metric("loud", Brightness, "A name that is taken", "none", "user", aliases=("mse",))


@pytest.fixture
def installed(monkeypatch):
    """Makes entry points look installed: installed("attribute of this module", …)."""

    def install(*attributes):
        points = [
            EntryPoint(name, f"{__name__}:{name}", registry.ENTRY_POINTS) for name in attributes
        ]
        monkeypatch.setattr(
            registry, "entry_points", lambda group: points if group == registry.ENTRY_POINTS else []
        )
        metrics.cache_clear()

    yield install
    monkeypatch.undo()
    metrics.cache_clear()


def test_users_add_distances_by_entry_point(installed):
    installed("BRIGHTNESS")
    distance = create("brightness")
    assert distance(torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("LOUD", "takes a name that is in use: mse"),
        ("Brightness", "no perception.Metric"),
        ("absent", "does not load"),
    ],
)
def test_bad_entry_points_are_reported(installed, attribute, message):
    installed(attribute)
    with pytest.raises(MetricError, match=message):
        create("mse")


def test_missing_packages_are_reported(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "piq", None)
    with pytest.raises(
        MetricError, match=r"needs the package piq: pip install 'metamer-codec\[perception\]'"
    ):
        create("haarpsi")
