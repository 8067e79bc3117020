"""Transforms on another processor, as METAMER_PROVIDER names it; streams that decode here."""

import numpy as np
import onnxruntime
import pytest

import metamer
from metamer.codec.errors import ModelError
from metamer.codec.network.graphs import session
from metamer.codec.network.model import WEIGHTS, Model

CUDA = "CUDAExecutionProvider"


@pytest.fixture
def model() -> Model:
    return Model(WEIGHTS / "base.metamer")


def test_only_transforms_run_on_other_providers(model, monkeypatch):
    """What chooses tables stays on the processor, whose sums of whole numbers are exact."""
    requested = {}

    class Recorded(onnxruntime.InferenceSession):
        def __init__(self, graph, options, providers):
            requested[len(requested)] = providers
            super().__init__(graph, options, providers=[session.CPU])

    monkeypatch.setattr(onnxruntime, "InferenceSession", Recorded)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, session.CPU])
    monkeypatch.setenv(session.PROVIDER, "cuda")
    for name in ("analysis", "synthesis0", "features", "context0"):
        model.session(name)
    assert [*requested.values()] == [[CUDA, session.CPU]] * 2 + [[session.CPU]] * 2


def test_a_provider_that_is_not_here_is_named(model, monkeypatch):
    monkeypatch.setenv(session.PROVIDER, "cuda")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [session.CPU])
    with pytest.raises(ModelError, match="no provider 'cuda' here, but cpu"):
        model.session("analysis")


def test_a_stream_of_another_processor_decodes_here(otters, monkeypatch):
    """A transform that is off by more than float32 is: another stream, whose checksums hold, and a
    picture as good.
    """
    picture, run = otters.crop((0, 0, 160, 96)), session.Session.run

    def elsewhere(self, **inputs):
        outputs = run(self, **inputs)
        if self._name.endswith("analysis"):
            rng = np.random.default_rng(0)
            outputs = [o * (1 + 1e-3 * rng.standard_normal(o.shape, o.dtype)) for o in outputs]
        return outputs

    encoded_here = metamer.encode(picture, 50, lossless=False)
    monkeypatch.setattr(session.Session, "run", elsewhere)
    encoded_elsewhere = metamer.encode(picture, 50, lossless=False)
    monkeypatch.setattr(session.Session, "run", run)
    assert encoded_elsewhere != encoded_here
    before, after = (
        metamer.decode_latents(data).astype(float) for data in (encoded_here, encoded_elsewhere)
    )
    assert 0 < np.mean(before != after) < 0.05
    error = [
        np.mean((np.asarray(metamer.decode(data), float) - np.asarray(picture, float)) ** 2)
        for data in (encoded_here, encoded_elsewhere)
    ]
    assert error[1] < 1.02 * error[0]
