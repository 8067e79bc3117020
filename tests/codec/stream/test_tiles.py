"""Pictures in tiles and windows: the same latents to the bit, the same pixels to a level, as in one
run on the whole.
"""

import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import metamer
import metamer.codec.plugin
from metamer.codec import grid, transforms
from metamer.codec.encoder.masking import error_importance
from metamer.codec.errors import ImageError, ModelError, StreamError
from metamer.codec.format import container, limits
from metamer.codec.format.container import Header, Kind, Section
from metamer.codec.grid import HYPER_STRIDE, Box, latent_area, split_tiles, split_windows
from metamer.codec.network import colour_axes, decoders, latents
from metamer.codec.network.model import Model, load_model, shipped_models
from metamer.codec.picture import pixels
from metamer.codec.stream.coded_picture import parse_tiles
from metamer.codec.stream.tile_decoder import TileDecoder, compact
from tests.conftest import inside, run_metamer


@pytest.fixture
def small_windows(monkeypatch):
    """What has one window otherwise has many."""
    monkeypatch.setattr(grid, "WINDOW", 5)
    monkeypatch.setattr(grid.split_windows, "__defaults__", (5,))


boxes = st.builds(
    lambda top, left, height, width: Box(top, left, top + height, left + width),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 40),
    st.integers(1, 40),
)


@given(boxes, st.integers(1, 12), st.sampled_from([split_tiles, split_windows]))
def test_parts_cover_every_position_once(box, size, divide):
    count = np.zeros((60, 60), int)
    for part in divide(box, size):
        assert 0 < part.height <= size and 0 < part.width <= size
        count[part.top : part.bottom, part.left : part.right] += 1
    assert (
        count[box.top : box.bottom, box.left : box.right] == 1
    ).all() and count.sum() == box.height * box.width


@given(boxes, boxes, st.integers(0, 5), st.integers(0, 5))
def test_boxes(a, b, before, after):
    inside = np.zeros((2, 60, 60), bool)
    for plane, box in zip(inside, (a, b), strict=True):
        plane[box.top : box.bottom, box.left : box.right] = True
    if a.height and b.height:
        assert a.meets(b) == (inside[0] & inside[1]).any()
    grown = a.grown(before, after, Box(0, 0, 50, 50))
    assert grown.height <= a.height + before + after and grown.top == max(0, a.top - before)
    assert np.zeros((60, 60))[a.within(Box(0, 0, 60, 60))].shape == (a.height, a.width)


@pytest.mark.parametrize("name", [path.stem for path in shipped_models()])
def test_what_a_model_calls_the_receptive_field_is_that_of_the_analysis(name, rng):
    """A change at one pixel, the whole picture otherwise the same: latents change within the
    receptive field, and up to its edge.
    """
    model = load_model(name, 1)
    image = rng.random((1, 3, 320, 320), np.float32)
    changed = image.copy()
    changed[:, :, 160:176, 160:176] = rng.random((1, 3, 16, 16), np.float32)  # one position
    (latent, hyper), (latent_changed, hyper_changed) = (
        transforms.analyse(planes, 128, model) for planes in (image, changed)
    )
    rows, columns = np.nonzero((latent != latent_changed).any(2))
    radius = model.receptive_field
    assert (
        min(rows.min(), columns.min()) == 10 - radius
        and max(rows.max(), columns.max()) == 10 + radius
    )
    rows, columns = np.nonzero((hyper != hyper_changed).any(0))
    first_latent = min(rows.min(), columns.min()) * HYPER_STRIDE
    # nothing that lies before all that changed
    assert first_latent + HYPER_STRIDE - 1 >= 10 - radius
    assert max(rows.max(), columns.max()) * HYPER_STRIDE - grid.HYPER_RECEPTIVE_FIELD <= 10 + radius


def synthesised(synthesis, latent, model) -> np.ndarray:
    return synthesis.session.run(latent=latent, weights=model.arrays["level_weights"][128:129])[0]


@pytest.mark.parametrize(
    "name", [None, *(decoder.path.stem for decoder in decoders.shipped_decoders())]
)
def test_what_a_model_calls_the_receptive_field_is_that_of_every_synthesis(name, rng):
    model = load_model("base", 1)
    synthesis = decoders.load_synthesis(model, 0, name, None, 1)
    latent = (rng.normal(0, 0.1, (1, 20, 20, model.latents))).astype(np.float32)
    changed = latent.copy()
    changed[:, 10, 10] += 1
    difference = np.abs(
        synthesised(synthesis, latent, model) - synthesised(synthesis, changed, model)
    )[0].max((0,))
    affected = np.argwhere(difference.reshape(20, 16, 20, 16).max((1, 3)) > 1e-6)
    assert (
        affected.min() >= 10 - synthesis.receptive_field
        and affected.max() <= 10 + synthesis.receptive_field
    )
    assert affected.min() == 10 - synthesis.receptive_field  # not more than needed either


def test_receptive_fields_of_trained_models_follow_their_blocks(tiny_model):
    # tiny has one block a network, base six
    assert Model(tiny_model).receptive_field == 1 and load_model("base").receptive_field == 3


@pytest.mark.parametrize("size", [(1, 1), (16, 1041), (1025, 20), (1040, 1075)])
def test_analysis_of_tiles_is_that_of_the_whole(otters, size):
    picture, model = otters.resize(size, Image.Resampling.BICUBIC), load_model("base")
    area = latent_area(*size)
    latent, hyper = transforms.analyse(pixels.to_planes(picture), 90, model)
    for box in split_tiles(area):
        part, part_hyper = transforms.analyse_box(picture, box, 90, model, None)
        np.testing.assert_allclose(part, latent[box.within(area)], atol=1e-4 * latent.std())
        _, height, width = latents.hyper_shape(model, box.height, box.width)
        place = (
            slice(box.top // 4, box.top // 4 + height),
            slice(box.left // 4, box.left // 4 + width),
        )
        assert (part_hyper != hyper[:, *place]).mean() < 1e-3  # a half may round either way


def in_one_run(data: bytes) -> np.ndarray:
    """The pixels of a file, its synthesis run once for all of them."""
    header, sections = container.unpack(data)
    model, turn = load_model("base"), parse_tiles(header, sections).turn
    latent = latents.dequantise(model, header.quality, metamer.decode_latents(data))
    weights = model.arrays["level_weights"][header.quality : header.quality + 1]
    graph = model.synthesis_graph(header.quality)
    planes = model.run(graph, latent=latent, weights=weights)[0]
    return np.asarray(
        pixels.from_planes(
            colour_axes.restore_colours(planes, turn.affine()) if turn else planes,
            header.width,
            header.height,
        )
    )


@pytest.mark.parametrize("size", [(1, 1), (33, 16), (250, 190), (736, 414)])
def test_windows_of_the_synthesis_have_no_seams(otters, size, small_windows):
    data = metamer.encode(otters.resize(size), 40)
    assert np.abs(np.asarray(metamer.decode(data), int) - in_one_run(data)).max() <= 1


def test_tiles_in_windows_have_no_seams(stream, small_windows):
    assert container.unpack(stream)[0].turned
    assert np.abs(np.asarray(metamer.decode(stream), int) - in_one_run(stream)).max() <= 1


def test_a_tile_is_coded_as_a_picture_of_its_own(stream):
    """Its latents come out of its payload alone, by the rules for a whole picture."""
    header, sections = container.unpack(stream)
    assert [section.body[:2] for section in sections] == [
        number.to_bytes(2, "little") for number in range(4)
    ]
    latents = metamer.decode_latents(stream)
    for section, (top, left, height, width) in zip(
        sections, [(0, 0, 64, 64), (0, 64, 64, 1), (64, 0, 4, 64), (64, 64, 4, 1)], strict=True
    ):
        if width > 1:  # a picture has two positions at least
            one_tile = container.pack(
                Header(
                    header.model_id, header.quality, 16 * width, 16 * height, turned=header.turned
                ),
                [Section(Kind.PICTURE, section.body[2:])],
            )
            assert np.array_equal(
                metamer.decode_latents(one_tile), latents[top : top + height, left : left + width]
            )


def test_tiles_cost_little(wide, stream):
    assert len(stream) < 1.02 * len(metamer.encode(wide, 35)) + 100


def test_pictures_above_a_size_are_tiled(otters, monkeypatch):
    picture = otters.crop((0, 0, 200, 100))
    assert metamer.info(metamer.encode(picture)).tiles == 0
    monkeypatch.setattr("metamer.codec.encoder.encoding.TILED_ABOVE", 19999)
    assert metamer.info(metamer.encode(picture)).tiles == 1


def test_byte_limits_hold_for_tiles(otters):
    data = metamer.encode(otters.crop((0, 0, 150, 100)), max_bytes=600, tile=True)
    assert 550 < len(data) <= 600 and metamer.info(data).version == 2


def test_masking_goes_by_the_whole_picture(monkeypatch, otters, small_windows):
    model, picture = load_model("perceptual"), otters.crop((0, 0, 180, 150))
    assert model.masking
    many = error_importance(picture, model)
    monkeypatch.setattr(grid.split_windows, "__defaults__", (64,))
    np.testing.assert_allclose(many, error_importance(picture, model), rtol=1e-5)


@pytest.mark.parametrize(
    "region",
    [(0, 0, 1, 1), (1000, 1000, 40, 75), (1020, 0, 10, 30), (3, 1030, 200, 40), (0, 0, 1040, 1075)],
)
@pytest.mark.parametrize("tile", [True, False])
def test_regions_are_crops(wide, stream, region, tile, monkeypatch):
    data = stream if tile else metamer.encode(wide, 35)
    x, y, width, height = region
    expected = metamer.decode(data).crop((x, y, x + width, y + height))
    decoded, before = [], TileDecoder.__call__
    monkeypatch.setattr(
        TileDecoder,
        "__call__",
        lambda self, number: (decoded.append(number), before(self, number))[1],
    )
    region_decoded = metamer.decode(data, region=region)
    assert np.abs(np.asarray(region_decoded, int) - np.asarray(expected)).max() <= 1
    if tile:
        assert decoded == {
            (0, 0, 1, 1): [0],
            (3, 1030, 200, 40): [0, 2],
            (1020, 0, 10, 30): [0, 1],
        }.get(region, [0, 1, 2, 3])


@pytest.mark.parametrize("region", [(-1, 0, 5, 5), (0, 0, 0, 5), (1036, 0, 5, 5), (0, 1070, 5, 6)])
def test_regions_outside_are_refused(stream, region):
    with pytest.raises(ImageError, match="not inside"):
        metamer.decode(stream, region=region)


def test_preview_is_coarse_and_alike(wide, stream):
    def error(picture):
        return np.square(np.asarray(picture, float) - np.asarray(wide, float)).mean()

    preview = metamer.decode(stream, preview=True)
    assert preview.size == wide.size
    assert error(metamer.decode(stream)) < error(preview) < 0.1 * np.asarray(wide, float).var()


def test_another_decoder_gives_tiles_the_same_whichever_are_decoded(stream):
    full = metamer.decode(stream, realism=1.0)
    part = metamer.decode(stream, realism=1.0, region=(1000, 1000, 40, 75))
    assert (
        np.abs(np.asarray(part, int) - np.asarray(full.crop((1000, 1000, 1040, 1075)))).max() <= 1
    )


def test_latents_that_do_not_fit_16_bits_stay_whole():
    for value, dtype in (
        (32767, np.int16),
        (-32768, np.int16),
        (32768, np.int32),
        (-32769, np.int32),
    ):
        compacted = compact(np.array([0, value], np.int32))
        assert compacted.dtype == dtype and compacted[1] == value


@pytest.mark.parametrize("change", ["missing", "swapped", "short", "untiled"])
def test_tiles_out_of_order_are_refused(stream, change):
    header, sections = container.unpack(stream)
    first_tile, second_tile, *others = sections
    reordered = {
        "missing": [first_tile, *others],
        "swapped": [second_tile, first_tile, *others],
        "short": [Section(Kind.PICTURE, b"\0"), second_tile, *others],
        "untiled": sections,
    }[change]
    if change == "untiled":
        header = Header(header.model_id, header.quality, 64, 64, tiled=True, turned=header.turned)
    data = container.pack(header, reordered)
    for work in (metamer.decode, metamer.decode_latents, metamer.info):
        with pytest.raises(
            StreamError, match="too short" if change == "short" else "not as the format has it"
        ):
            work(data)
    with pytest.raises(
        OSError, match="too short" if change == "short" else "not as the format has it"
    ):
        Image.open(io.BytesIO(data)).verify()


def test_a_lost_section_is_reported(stream, tmp_path):
    """Nothing in a file counts its sections; its size does."""
    header, (first_tile, _, *others) = container.unpack(stream)
    path = tmp_path / "lost.mtm"
    path.write_bytes(container.pack(header, [first_tile, *others]))
    for options in (["info"], ["info", "--json"], ["decode"]):
        completed = inside(*options, path)
        assert completed.returncode == 1 and not completed.stdout
        assert b"lost.mtm: is not as the format has it: 3 of 4 tiles" in completed.stderr
    assert inside("decode", "--salvage", "--region", "1000,0,40,40", path).returncode == 3


def test_a_file_that_claims_much_is_refused_before_anything_is_decoded(monkeypatch):
    monkeypatch.setattr(transforms, "synthesise", lambda *arguments: pytest.fail("decoded"))
    model = load_model("base").id

    def claims(side: int, size: int, tiled: bool = True) -> bytes:
        return container.pack(
            Header(model, 50, side, side, tiled=tiled), [Section(Kind.PICTURE, bytes(size))]
        )

    for data, reason in (
        (claims(65536, 99), "65536x65536"),
        (claims(12000, 99), "trap"),
        (claims(9000, 9000, False), "one piece"),
        (claims(1100, 9), "trap"),
        (claims(12000, 9000), "1 of 144 tiles"),
    ):
        for work in (metamer.decode, metamer.decode_latents):
            with pytest.raises(StreamError, match=reason):
                work(data)
    # it may be raised, and then the rest is still looked at
    with pytest.raises(StreamError, match="1 of 4096 tiles"):
        metamer.decode(claims(65536, 99), max_pixels=2**32)
    with pytest.raises(StreamError, match="at most 1000 "):
        metamer.decode(claims(100, 99), max_pixels=1000)


@pytest.mark.parametrize("name", [path.stem for path in shipped_models()])
def test_honest_files_are_far_from_the_limit(name):
    data = metamer.encode(
        Image.new("RGB", (1024, 1024), (128, 128, 128)), 0, model=name, lossless=False
    )
    assert 2**20 / len(data) < limits.PIXELS_A_BYTE / 8


def test_large_inputs_are_refused_unless_asked_for(otters, tmp_path):
    otters.crop((0, 0, 90, 50)).save(tmp_path / "picture.png")
    for source in (
        tmp_path / "picture.png",
        otters.crop((0, 0, 90, 50)),
        np.zeros((50, 90, 3), np.uint8),
    ):
        with pytest.raises(ImageError, match="has 4500 pixels; at most 4000"):
            metamer.encode(source, max_pixels=4000)
        assert metamer.encode(source, max_pixels=4500)
    assert Image.MAX_IMAGE_PIXELS == 89478485


def test_a_tile_of_one_position(otters):
    """It has no position for the second half of a checkerboard."""
    picture = otters.resize((1025, 1025))
    data = metamer.encode(picture, 20, tile=True, lossless=False)
    assert metamer.info(data).tiles == 4
    corner = np.asarray(metamer.decode(data, region=(1020, 1020, 5, 5)), int)
    assert np.abs(corner - np.asarray(picture)[1020:, 1020:]).mean() < 30
    assert np.abs(corner - np.asarray(metamer.decode(data))[1020:, 1020:]).max() <= 1


def test_receptive_fields_that_cannot_be(tmp_path):
    for name, reader in (("base.metamer", Model), ("pim.decoder", decoders.read_decoder)):
        source = load_model("base").path.parent / name
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(tmp_path / name, "w") as new:
            for member in old.namelist():
                data = old.read(member)
                new.writestr(
                    member,
                    json.dumps({**json.loads(data), "receptive_field": 99})
                    if member == "model.json"
                    else data,
                )
        with pytest.raises(ModelError):
            reader(tmp_path / name)


def test_the_command_line(otters, tmp_path):
    otters.crop((0, 0, 90, 50)).save(tmp_path / "picture.png")
    assert (
        run_metamer("encode", tmp_path / "picture.png", "--tile", "--max-pixels", 5000).returncode
        == 0
    )
    stream = tmp_path / "picture.mtm"
    assert b"in 1 tiles" in run_metamer("info", stream).stdout
    assert (
        run_metamer(
            "decode", stream, "--region", "10,20,30,25", "--preview", "-o", tmp_path / "part.png"
        ).returncode
        == 0
    )
    expected = metamer.decode(stream, region=(10, 20, 30, 25), preview=True)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "part.png")), np.asarray(expected))
    assert (
        b"four whole numbers"
        in run_metamer("decode", stream, "--region", "10,20", "-o", tmp_path / "no.png").stderr
    )
    assert (
        b"not inside"
        in run_metamer("decode", stream, "--region", "10,20,90,1", "-o", tmp_path / "no.png").stderr
    )
    assert (
        b"at most 4000"
        in run_metamer("decode", stream, "--max-pixels", 4000, "-o", tmp_path / "no.png").stderr
    )
    assert not (tmp_path / "no.png").exists()
