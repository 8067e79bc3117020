"""CompressAI's networks: their bytes, their padding, and what is told where package or weights are
missing.
"""

import importlib.util
import urllib.error

import numpy as np
import pytest
import torch
from torch.nn import functional

from metamer.codec.errors import MetamerError
from metamer.evaluation.codecs import compressai as compressai_codecs
from metamer.evaluation.codecs.registry import get_codec
from metamer.evaluation.images import to_tensor
from metamer.evaluation.rate.matched_rates import check_trained
from metamer.train.networks import compressai_package

NAME = "compressai:bmshj2018-hyperprior"


@pytest.fixture(scope="module")
def compressai():
    if importlib.util.find_spec("compressai") is None:
        pytest.skip("CompressAI is not installed")
    return compressai_package.import_compressai()


@pytest.fixture
def checkpoints(compressai, tmp_path):
    """Two small networks with random weights, one as it is, one as a training saves it."""
    from compressai.models import ScaleHyperprior

    torch.manual_seed(0)
    networks = {}
    for setting in (1, 3):
        networks[setting] = ScaleHyperprior(16, 24).eval()
        state = networks[setting].state_dict()
        torch.save(
            {"state_dict": state, "epoch": 3} if setting == 3 else state,
            tmp_path / f"small-{setting}.pth",
        )
        networks[setting].update()
    return networks


def test_the_package_is_named_where_it_is_missing(monkeypatch):
    def missing():
        raise ImportError("No module named 'compressai'")

    monkeypatch.setattr(compressai_package, "import_compressai", missing)
    with pytest.raises(MetamerError, match="compressai:bmshj2018-hyperprior needs CompressAI"):
        compressai_codecs.compressai_codec("bmshj2018-hyperprior")


def test_checkpoints_run_as_the_network_does(checkpoints, tmp_path, otters):
    codec = get_codec(f"{NAME}@{tmp_path}/small-{{quality}}.pth")
    assert codec.settings == [1, 3] and codec.networks
    picture = otters.crop((100, 100, 230, 200))
    for setting, network in checkpoints.items():
        data = codec.encode(picture, setting)
        with torch.no_grad():
            padded = functional.pad(to_tensor(picture), (31, 31, 14, 14))
            coded = network.compress(padded)
            expected = network.decompress(**coded)["x_hat"][..., 14:114, 31:161]
        assert len(data) == 10 + sum(len(part[0]) for part in coded["strings"]) and data.endswith(
            coded["strings"][-1][0]
        )
        decoded = codec.decode(data)
        assert decoded.size == picture.size
        assert (
            np.abs(
                np.asarray(decoded, float) - 255 * expected[0].clamp(0, 1).permute(1, 2, 0).numpy()
            ).max()
            <= 0.51
        )
    count = codec.count(picture, 1)
    assert count.parameters == sum(weight.numel() for weight in checkpoints[1].parameters())
    # g_a's four convolutions of stride 2, with three matrices of GDN, at 192x128
    area = 192 * 128
    macs = (
        25 * (3 * 16 / 4 + 16 * 16 / 16 + 16 * 16 / 64 + 16 * 24 / 256) * area
        + 16 * 16 * (1 / 4 + 1 / 16 + 1 / 64) * area
    )
    assert macs < count.encoder < 1.5 * macs and macs < count.decoder < 1.5 * macs


def test_published_weights_are_loaded_unchanged(compressai, monkeypatch, otters):
    from compressai.zoo import image

    torch.manual_seed(0)
    state = image.bmshj2018_factorized(1).state_dict()
    urls = []
    monkeypatch.setattr(
        image, "load_state_dict_from_url", lambda url, progress: urls.append(url) or state
    )
    codec = compressai_codecs.compressai_codec("bmshj2018-factorized:metric=ms-ssim")
    assert codec.settings == range(1, 9) and "bmshj2018-factorized-ms-ssim-1" in urls[0]
    picture = otters.crop((100, 100, 164, 132))
    data = codec.encode(picture, 1)
    assert codec.decode(data).size == (64, 32) and len(data) > 50


def test_untrained_networks_are_the_same_in_every_process(compressai, otters):
    picture = otters.crop((100, 100, 164, 132))
    (codec, data), (codec_again, data_again) = (
        (network, network.encode(picture, 1))
        for network in (
            compressai_codecs.compressai_codec("bmshj2018-factorized:trained=false")
            for _ in range(2)
        )
    )
    assert not codec.trained  # good for timing alone: no rate of it is compared
    with pytest.raises(MetamerError, match="untrained: good for timing alone"):
        check_trained(["jpeg", "net=compressai:bmshj2018-factorized:trained=false"])
    assert (
        data == data_again
        and codec.decode(data_again).tobytes() == codec_again.decode(data).tobytes()
    )


def test_mistakes(checkpoints, compressai, monkeypatch, tmp_path):
    from compressai.zoo import image

    def unreachable(url, progress):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(image, "load_state_dict_from_url", unreachable)
    (tmp_path / "bad.pth").write_bytes(b"nothing")
    for spec, message in (
        (
            "bmshj2018-hyperprior",
            "weights of quality 1 cannot be fetched .*no route.*@CHECKPOINT takes them from a file",
        ),
        ("bmshj2018-hyprior", "did you mean 'bmshj2018-hyperprior'"),
        ("bmshj2018-hyperprior:metric=lpips", "metric is one of"),
        ("bmshj2018-hyperprior:loss=mse", "no option 'loss=mse'"),
        ("bmshj2018-hyperprior@absent.pth", "no such checkpoint"),
        (f"bmshj2018-hyperprior@{tmp_path}/bad.pth", "bad.pth is no checkpoint of ScaleHyperprior"),
        (
            f"mbt2018-mean@{tmp_path}/small-1.pth",
            "small-1.pth is no checkpoint of MeanScaleHyperprior",
        ),
        (f"bmshj2018-hyperprior:metric=mse@{tmp_path}/small-1.pth", "leave metric=mse out"),
    ):
        with pytest.raises(MetamerError, match=message):
            compressai_codecs.compressai_codec(spec)
