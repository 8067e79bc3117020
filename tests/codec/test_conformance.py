"""bitstreams/: every stream decodes to the recorded latents, and to the recorded pixels within one
level.
"""

import json
from dataclasses import replace

import numpy as np
import pytest

import metamer
from metamer.bitstreams.check import LIST, check
from metamer.codec.format import container
from metamer.codec.grid import padded_size
from metamer.codec.network import latents
from metamer.codec.network.model import find_model
from tests import reference_decoder
from tests.reference_decoder import RangeDecoder, read_pass

ENTRIES = json.loads(LIST.read_text())


def test_there_are_enough():
    assert len(ENTRIES) >= 12


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("stem", ENTRIES)
def test_stream(stem, threads):
    same, levels = check(stem, ENTRIES[stem], threads)
    assert same and levels <= 1


@pytest.mark.parametrize(
    "stem", [stem for stem in ENTRIES if "1x1" in stem or "17x33" in stem or "noise" in stem]
)
def test_independent_range_decoder_reads_the_streams(stem):
    """The payload read by the decoder written from FORMAT.md, inside our pass schedule, gives the
    same latents.
    """
    data = (LIST.parent / f"{stem}.mtm").read_bytes()
    header, (section,) = container.unpack(data)
    model, reference = find_model(header.model_id), RangeDecoder(section.body)

    class Reader:
        def read(self, indices):
            return np.array(read_pass(reference, model.tables, indices.tolist()), np.int32)

        def finish(self):
            assert not reference.words

    height, width = (side // 16 for side in padded_size(header.height, header.width))
    decoded = latents.read_latents(model, header.quality, height, width, Reader())
    assert (decoded == metamer.decode_latents(data)).all()


@pytest.mark.parametrize(
    "stem", [stem for stem in ENTRIES if "lossless" in stem or "drawn" in stem]
)
def test_independent_decoder_reads_the_overlays(stem):
    """Put on what the networks' sections alone decode to."""
    data = (LIST.parent / f"{stem}.mtm").read_bytes()
    header, sections = container.unpack(data)
    decoded, compared = np.asarray(metamer.decode(data)), 0
    for section in sections:
        if section.kind != container.Kind.OVERLAY:
            continue
        number = int.from_bytes(section.body[:2], "little") if header.tiled else 0
        body = section.body[2:] if header.tiled else section.body
        left, width = 1024 * number, min(1024, header.width - 1024 * number)
        base = None
        if body[0] in (2, 3):
            networks = [section for section in sections if section.kind == container.Kind.PICTURE]
            base = np.asarray(
                metamer.decode(container.pack(replace(header, overlaid=False), networks))
            )
        expected = reference_decoder.overlay(body, width, header.height, base)
        tile = decoded[:, left : left + width]
        assert (tile == (expected[..., 1] if header.grey else expected)).all()
        compared += 1
    assert compared
