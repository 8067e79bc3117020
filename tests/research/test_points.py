"""What is shipped was not trained on its judges, and the tables say what the rows say."""

import json
import zipfile

import pytest

from metamer.codec.errors import ModelError
from metamer.codec.network import decoders
from metamer.codec.network import model as models
from metamer.evaluation.results.summary import MeanInterval, RateSummary
from research import recorded_results
from research.pages import points


def trained_on() -> dict[str, set[str]]:
    """Shipped model or decoder → the distortions of its recipes."""
    distortions = {}
    for path in [
        *models.shipped_models(),
        *(decoder.path for decoder in decoders.shipped_decoders()),
    ]:
        with zipfile.ZipFile(path) as archive:
            card = json.loads(archive.read("model.json"))
        recipes = [card["recipe"], card.get("streams_recipe", {})]
        distortions[path.stem] = {
            spec for recipe in recipes for spec in recipe.get("distortion", {"mse": 1.0})
        }
    return distortions


def test_judges_were_not_trained_on():
    distortions = trained_on()
    assert {"base", "perceptual"} <= set(distortions)
    for name, distortion in distortions.items():
        names = {points.metric_of(spec).name for spec in distortion}
        assert not names & set(points.JUDGES), name


def summary(codec: str, **values: float) -> RateSummary:
    means = {
        label.replace("_", "-"): MeanInterval(value, value, value)
        for label, value in values.items()
    }
    return RateSummary(codec, 0.3, 2, 0.3, 0.0, 0.0, means, means)


def test_the_best_is_bold_whichever_way_a_distance_points():
    rows = [summary("a", psnr=30.0, dists=0.2), summary("b", psnr=31.0, dists=0.3)]
    top = points.best_means(["psnr", "dists"], rows)
    assert [points.mean_cells(row, ["psnr", "dists"], top) for row in rows] == [
        ["30.00", "**0.2000**"],
        ["**31.00**", "0.3000"],
    ]


@pytest.mark.parametrize(
    "codec, name",
    [
        ("base", "old"),
        ("base+pim", "old+pim"),
        ("base+realism@0.5", "old+realism@0.5"),
        ("base+runs/x/dists.decoder", "old+dists"),
    ],
)
def test_codecs_are_called_by_what_their_model_ships_as(codec, name, monkeypatch):
    monkeypatch.setattr(recorded_results, "shipped_ids", lambda: {"01": "old", "02": "base"})
    assert recorded_results.current_name(codec, "01") == name


def test_results_of_a_model_that_does_not_ship_make_no_page(monkeypatch):
    monkeypatch.setattr(recorded_results, "shipped_ids", lambda: {"01": "base"})
    for fields in (points.kodak_table, points.slider_table):
        with pytest.raises(ModelError, match="does not ship"):
            fields()


def test_the_page_of_another_base_and_another_perceptual(monkeypatch):
    ids = {"02": "base", "03": "perceptual"}
    monkeypatch.setattr(recorded_results, "shipped_ids", lambda: ids)
    versions = {"avif": "Pillow 13.0.0", "base": "02", "perceptual": "03"}
    rows = [
        {"codec": codec, "version": version, "image": image, "target": rate, "bpp": rate}
        | {label: 10 * rate + len(codec) for label in points.KODAK_LABELS}
        for rate in (0.15, 0.3, 0.5)
        for codec, version in versions.items()
        for image in ("a.png", "b.png")
    ]
    monkeypatch.setattr(points, "read_results", lambda *_: {"rows": rows})
    assert points.kodak_models() == "`base` (02) and `perceptual` (03)"
    assert "--codec avif --codec base --codec perceptual --bpp 0.15" in points.kodak_command()
    assert "| bpp | 0.15 | 0.150 | 0.150 | 0.150 | 2 |" in points.kodak_table()
    assert "against `base`" in points.bd_rate_table()
