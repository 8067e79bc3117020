"""Published figures: that they are whole, hold for Kodak alone, and come out again where their
settings are used.
"""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from metamer import cli
from metamer.codec.errors import MetamerError
from metamer.evaluation.codecs import registry
from metamer.evaluation.rate import published, rate_distortion
from metamer.perception.registry import find
from tests.conftest import SHARED

KODAK = SHARED / "kodak"
needs_kodak = pytest.mark.skipif(not KODAK.is_dir(), reason="the Kodak photographs are not here")


def test_all_have_curves_a_source_and_a_licence():
    codecs = published.published_codecs()
    assert {
        "vtm",
        "elic2022",
        "bmshj2018-hyperprior",
        "mbt2018-mean",
        "webp",
        "jpeg",
        "hific",
        "crdr",
    } <= codecs.keys()
    for codec in codecs.values():
        assert (
            codec.source
            and codec.licence in ("BSD-3-Clause-Clear", "MIT", "none stated")
            and codec.name in codec.title
        )
        for label, curve in codec.curves.items():
            rises = 1 if find(label).higher_is_better else -1
            assert (
                len(curve) >= 3
                and (np.diff(curve[:, 0]) > 0).all()
                and (rises * np.diff(curve[:, 1]) > 0).all()
            )
        assert (codec.curves["psnr"][:, 1] > 20).all() and (
            codec.curves.get("ms-ssim", np.ones((1, 2)))[:, 1] <= 1
        ).all()
    assert (
        set(codecs["crdr"].curves) == {"psnr", "lpips-alex", "dists"}
        and "dists" not in codecs["hific"].curves
    )


def test_networks_are_placed_by_cost_and_rate():
    placed = published.published_bd_rates()
    assert [codec.decoder for codec, _ in placed] == sorted(codec.decoder for codec, _ in placed)
    rates = {codec.name: rate for codec, rate in placed}
    assert (
        rates["elic2022"]
        < rates["mbt2018-mean"]
        < rates["bmshj2018-hyperprior"]
        < rates["bmshj2018-factorized"]
    )
    assert rates["elic2022"] == pytest.approx(-26.6, abs=0.5) and rates[
        "mbt2018-mean"
    ] == pytest.approx(-3.3, abs=0.5)
    assert rates["shallow-2-layer"] == pytest.approx(5.9, abs=0.5)


def test_unknown_names_and_other_pictures_are_refused(tmp_path):
    with pytest.raises(MetamerError, match=r"no published figures of 'vtn'.*did you mean 'vtm'"):
        published.find_published("vtn")
    for index in range(24):
        Image.new("RGB", (32, 32), (index, 0, 0)).save(tmp_path / f"kodim{index + 1:02}.png")
    for name, message in (("vtm", "which these pictures are not"), ("vtn", "did you mean")):
        with pytest.raises(MetamerError, match=message):
            rate_distortion.evaluate_over_settings(
                tmp_path, ["jpeg"], tmp_path / "out", published_names=[name]
            )
    result = CliRunner().invoke(
        cli.main, ["evaluate", str(tmp_path), "--published", "vtm", "--bpp", "1", "--out", "x"]
    )
    assert (
        result.exit_code == 2
        and "--published or --bpp" in result.output
        and not (tmp_path / "out").exists()
    )


@needs_kodak
def test_kodak_is_known_by_its_pixels():
    paths = sorted(KODAK.glob("*.png"))
    published.check_kodak(paths)
    with pytest.raises(MetamerError, match="Kodak's 24 photographs"):
        published.check_kodak(paths[:23])


@needs_kodak
@pytest.mark.parametrize(
    ("name", "spec", "quality", "tolerance"),
    [
        ("webp", "webp:method=4", 30, 0.01),
        ("webp", "webp:method=4", 85, 0.01),
        # libjpeg-turbo; with the libjpeg 9 of the Pillow that was published from, 0.0001 dB
        ("jpeg", "jpeg:optimize=false,progressive=false", 30, 0.15),
        ("jpeg", "jpeg:optimize=false,progressive=false", 85, 0.15),
    ],
)
def test_compressai_s_figures_come_out_of_its_settings(name, spec, quality, tolerance):
    """Pillow's defaults: https://github.com/InterDigitalInc/CompressAI,
    compressai/utils/bench/codecs.py.
    """
    coder, points = registry.get_codec(spec), []
    for path in sorted(KODAK.glob("*.png")):
        picture = Image.open(path).convert("RGB")
        data = coder.encode(picture, quality)
        error = np.square(np.asarray(coder.decode(data), float) - np.asarray(picture)).mean()
        points.append(
            (8 * len(data) / (picture.width * picture.height), 10 * np.log10(255**2 / error))
        )
    bpp, psnr = np.mean(points, 0)
    curve = published.find_published(name).curves["psnr"]
    assert psnr == pytest.approx(
        np.interp(np.log(bpp), np.log(curve[:, 0]), curve[:, 1]), abs=tolerance
    )
    assert bpp == pytest.approx(curve[quality // 5 - 1, 0], rel=0.002)
