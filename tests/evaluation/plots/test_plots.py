"""Figures: labels keep clear of each other, codecs keep their looks, every format is written."""

import hashlib
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.text import Text
from PIL import Image

from metamer.cli import main
from metamer.codec.errors import MetamerError
from metamer.evaluation.plots import labels, logs, realism, style
from metamer.evaluation.rate import published
from metamer.evaluation.realism import measures
from metamer.evaluation.results import folders
from metamer.evaluation.results.at_rate import RateMiss
from metamer.evaluation.results.summary import MeanInterval, RateSummary, realism_paths

BASE = {
    "image": "",
    "version": "1",
    "width": 64,
    "height": 64,
    "bytes": 1,
    "encode_seconds": 0.1,
    "decode_seconds": 0.1,
}


def overlaps(figure) -> list[tuple[str, str]]:
    """Pairs of labels whose boxes share more than a hair."""
    figure.draw_without_rendering()
    boxes = [
        (text.get_text(), np.array(Text.get_window_extent(text).extents))
        for panel in figure.axes
        for text in panel.texts
    ]
    return [
        (text, other_text)
        for at, (text, a) in enumerate(boxes)
        for other_text, b in boxes[at + 1 :]
        if (np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]) > 0.5).all()
    ]


def rows(codec: str, rates=(0.1, 0.3, 0.9), pictures=4, **columns) -> list[dict]:
    """Rows of a codec at three settings."""
    return [
        BASE
        | {
            "codec": codec,
            "image": f"{index}.png",
            "pixels": f"digest {index}",
            "setting": at,
            "bpp": rate * (1 + 0.1 * index),
            "psnr": 28 + 4 * at + index,
            "ms-ssim": 1 - 0.1 / (at + 1) - 0.001 * index,
        }
        | columns
        for at, rate in enumerate(rates)
        for index in range(pictures)
    ]


def summary(codec: str, target: float, psnr: float, fid: float, **measures_of) -> RateSummary:
    return RateSummary(
        codec,
        target,
        4,
        target,
        0.0,
        0.0,
        {"psnr": MeanInterval(psnr, psnr - 1, psnr + 1)},
        {},
        {"pictures": 4, "patches": 40, "fid": fid} | measures_of,
    )


@pytest.fixture
def figure():
    canvas, (panel,) = style.new_panels(1)
    yield canvas, panel
    style.plt.close(canvas)


@given(st.lists(st.floats(0, 1), max_size=12), st.floats(0, 0.3))
def test_spread_keeps_gaps_order_and_bounds(places, gap):
    places = np.array(places)
    moved = labels.spread_apart(places, gap, 0, 1)
    assert moved.shape == places.shape and (moved >= -1e-9).all() and (moved <= 1 + 1e-9).all()
    ordered = moved[np.argsort(places, kind="stable")]
    room = min(gap, 1 / max(1, len(places) - 1))
    assert (np.diff(ordered) >= room - 1e-9).all()
    if len(places) and (np.diff(np.sort(places)) >= gap).all():
        assert moved == pytest.approx(places)  # what is apart stays


@settings(max_examples=8)
@given(st.lists(st.floats(25, 45), min_size=1, max_size=9))
def test_labels_of_ends_do_not_overlap(heights):
    canvas, (panel,) = style.new_panels(1)
    for height in heights:
        panel.plot([0.1, 1], [20, height])
    labels.label_ends(
        canvas,
        {panel: [(1, height, f"codec {index}", "k") for index, height in enumerate(heights)]},
    )
    assert len(panel.texts) == len(heights) and not overlaps(canvas)
    assert all(Text.get_window_extent(text).x1 <= canvas.bbox.x1 for text in panel.texts)
    style.plt.close(canvas)


@settings(max_examples=8)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8))
def test_labels_of_points_do_not_overlap(places):
    canvas, (panel,) = style.new_panels(1)
    panel.plot(*np.transpose(places), "o")
    panel.margins(0.2)
    labels.label_points(
        canvas, {panel: [(x, y, f"codec {index}", "k") for index, (x, y) in enumerate(places)]}
    )
    assert len(panel.texts) == len(places) and not overlaps(canvas)
    style.plt.close(canvas)


def test_a_label_covers_no_point(figure):
    canvas, panel = figure
    draw = np.random.default_rng(0)
    places = draw.uniform(0, 1, (25, 2))
    panel.plot(*places.T, "o", linestyle="")
    labels.label_points(canvas, {panel: [(*place, "a name", "k") for place in places[:6]]})
    canvas.draw_without_rendering()
    dots = panel.transData.transform(places)
    boxes = [Text.get_window_extent(text) for text in panel.texts]
    assert not any(box.contains(*dot) for box in boxes for dot in dots)


def test_a_lonely_label_stands_beside_its_point_off_its_line(figure):
    canvas, panel = figure
    panel.plot([0, 1, 2], [0, 1, 2])
    labels.label_points(canvas, {panel: [(1, 1, "here", "k")]})
    canvas.draw_without_rendering()
    box = Text.get_window_extent(panel.texts[0])
    x, y = panel.transData.transform((1, 1))
    assert (
        not box.contains(x, y)
        and max(abs((box.x0 + box.x1) / 2 - x), abs((box.y0 + box.y1) / 2 - y)) < 60
    )


def test_codecs_keep_their_looks():
    for other_codecs in ([], ["avif", "mine"], ["a", "b", "jpeg", "base+pim"]):
        styles = style.codec_styles(["base", "base+realism@0.5", *other_codecs])
        assert styles["base"] == style.codec_styles(["base"])["base"] and len(
            set(styles.values())
        ) == len(styles)
    steps = style.codec_styles(["base+x@0.5", "base+x@1", "base+x@0", "base"])
    assert len({codec_style.colour for codec, codec_style in steps.items() if "@" in codec}) == 1
    assert len(set(steps.values())) == 4  # and all can be told apart
    many = style.codec_styles([f"codec{index}" for index in range(30)])
    assert len(set(many.values())) == 30


def test_ticks_are_round_and_enough():
    assert (
        style.round_ticks(0.05, 3) == pytest.approx([0.1, 0.3, 1, 3])
        or len(style.round_ticks(0.05, 3)) >= 4
    )
    assert len(style.round_ticks(0.14, 0.52)) >= 4 and all(
        0.14 <= tick <= 0.52 for tick in style.round_ticks(0.14, 0.52)
    )
    assert style.round_ticks(1, 1e4) == pytest.approx([1, 10, 100, 1000, 1e4])


def test_a_slider_is_a_path_from_its_model():
    summaries = [
        summary("base", 0.2, 30, 90),
        summary("base+r@1", 0.2, 29, 70),
        summary("base+r@0.5", 0.2, 29.7, 80),
        summary("avif", 0.2, 30, 85),
    ]
    paths = realism_paths(
        [*summaries, summary("base+r@1", 0.4, 31, 60), summary("avif", 0.4, 31, 60)]
    )
    assert {key: [entry.codec for entry in path] for key, path in paths.items()} == {
        (0.2, "base+r"): ["base", "base+r@0.5", "base+r@1"]
    }


def test_lines_of_the_plane_join_one_codec_s_rates_or_one_slider(figure):
    _, panel = figure
    summaries = [
        summary(
            name, rate, psnr + 10 * rate, 90 - 100 * rate, kid=0.01, kid_low=0.005, kid_high=0.02
        )
        for rate in (0.1, 0.3)
        for name, psnr in (("avif", 30), ("base", 29), ("base+r@1", 28))
    ]
    kid = measures.all_measures([entry.realism for entry in summaries])[1]
    labels = realism._plane(
        panel, summaries, "psnr", kid, style.codec_styles(entry.codec for entry in summaries)
    )
    lines = [
        tuple(line.get_xdata())
        for line in panel.lines
        if line.get_marker() == "None" and np.ptp(line.get_xdata())
    ]
    assert lines == [(31, 33), (30, 32), (29, 31), (30, 29), (32, 31)]
    assert {label[2] for label in labels} == {"avif", "base", "base+r 1", "0.1 bpp", "0.3 bpp"}
    assert {label[1] for label in labels} == {10}  # in thousandths, as the title says
    assert [
        tuple(line.get_ydata())
        for line in panel.lines
        if not np.ptp(line.get_xdata()) and len(line.get_xdata()) == 2
    ] == [(5, 20)] * 6


def test_logs_separate_training_from_validation():
    log = [
        {"step": 1, "stage": "a", "loss": 2.0, "distances": {"mse": 0.1}, "seconds": 3.0},
        {
            "step": 2,
            "stage": "b",
            "loss": float("nan"),
            "bpp": 0.5,
            "bands": {"low": {"psnr": 31.0}},
            "each": {"mse": 0.2},  # as logs of before call the distances
        },
        {"step": 2, "validation": {"pearson": 0.9}},
        {
            "step": 3,
            "validation": [
                {"level": 1, "bpp": 0.5, "psnr": 33.0},
                {"level": 0, "bpp": 0.1, "psnr": 30.0},
            ],
        },
    ]
    series = logs.training_series(log)
    assert list(series) == ["loss", "bpp", "mse", "psnr at low qualities"]
    assert series["loss"][1].tolist() == [2.0] and series["mse"][1].tolist() == [0.1, 0.2]
    assert series["psnr at low qualities"][1].tolist() == [31.0]
    assert logs.stage_starts(log) == [(1, "a"), (2, "b")] and logs.validation_series(log)[
        "pearson"
    ][1].tolist() == [0.9]
    assert logs.validation_curves(log)[3].tolist() == [[0.1, 30], [0.5, 33]]


def test_only_what_every_codec_saw_is_averaged():
    base, jpeg = rows("base"), rows("jpeg")
    interrupted = [row for row in base + jpeg if row["codec"] == "base" or row["image"] != "3.png"]
    assert folders.comparable_rows(interrupted) == [
        row for row in base + jpeg if row["image"] != "3.png"
    ]
    extra = base[0] | {"setting": 7}  # a setting tried on one picture
    assert folders.comparable_rows([*base, extra]) == base
    with pytest.raises(MetamerError, match="no picture in common"):
        folders.comparable_rows([base[0], jpeg[1]])
    newer = [base[0] | {"version": "2"}, base[0] | {"version": "2", "psnr": 1.0}]
    assert folders.latest_rows([*base, *newer, jpeg[0]]) == [newer[1], jpeg[0]]


@pytest.fixture
def folder(tmp_path):
    """A folder as `evaluate`, over settings and at rates, and `train` leave it; published curves
    and complexities beside.
    """
    folder = tmp_path / "results"
    folder.mkdir()
    lines = {
        "results": rows("base") + rows("jpeg"),
        "matched": [
            row | {"target": (0.1, 0.3, 0.9)[row["setting"]]} for row in rows("base") + rows("avif")
        ],
        "log": [
            {"step": step, "stage": "joint", "loss": 1 / step, "bpp": 0.5, "critic": 1.3}
            for step in range(1, 30)
        ]
        + [{"step": 30, "validation": [{"bpp": 0.1, "psnr": 30.0}, {"bpp": 1, "psnr": 40.0}]}],
    }
    for name, entries in lines.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in entries))
    entries = [
        summary(name, rate, psnr + 3 * at, 90 - 20 * at - 5 * place)
        for at, rate in enumerate((0.1, 0.3))
        for place, (name, psnr) in enumerate(
            (("base", 30.0), ("base+r@0.5", 29.8), ("base+r@1", 29.0), ("avif", 30.1))
        )
    ]
    (folder / "matched.json").write_text(json.dumps(entries, default=vars))
    (tmp_path / "other.csv").write_text("name,kmac_decoder\n")
    (tmp_path / "complexity.json").write_text(
        json.dumps(
            {
                "codecs": [
                    {"codec": "base", "decoder_kmac": 12.0},
                    {"codec": "jpeg", "decoder_kmac": None},
                    {"codec": "else", "decoder_kmac": 9.0},
                ]
            }
        )
    )
    (tmp_path / "idle.json").write_text(
        json.dumps({"codecs": [{"codec": "jpeg", "decoder_kmac": None}]})
    )
    return folder


FIGURES = [
    "rate_distortion",
    "rate_distortion_matched",
    "gains",
    "distortion_realism",
    "rate_realism",
    "training",
    "rate_distortion_complexity",
]


def test_plot_starts_without_torch():
    script = "import sys, metamer.evaluation.report.figures as f; print('torch' in sys.modules)"
    completed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert completed.stdout == "False\n", completed.stderr


@pytest.fixture
def as_kodak(monkeypatch):
    """Makes Kodak of the pictures of `rows`."""
    digests = "".join(f"digest {index}" for index in range(4))
    monkeypatch.setattr(published, "KODAK", hashlib.sha256(digests.encode()).hexdigest())


@pytest.mark.usefixtures("as_kodak")
def test_every_figure(folder, tmp_path):
    result = CliRunner().invoke(
        main,
        [
            "plot",
            str(folder),
            "--out",
            str(tmp_path / "figures"),
            "--format",
            "svg",
            "--published",
            "vtm",
            "--published",
            "elic2022",
            "--complexity",
            str(tmp_path / "complexity.json"),
        ],
    )
    assert result.exit_code == 0, result.output
    assert result.output.split() == [str(tmp_path / "figures" / f"{name}.svg") for name in FIGURES]
    text = {name: (tmp_path / "figures" / f"{name}.svg").read_text() for name in FIGURES}
    for words in (
        "base",
        "jpeg",
        "vtm (published)",
        "elic2022 (published)",
        "PSNR (dB)",
        "dashed: CompressAI",
        "mean over 4 images; bands: 95 % bootstrap interval of the mean difference from jpeg",
    ):
        assert words in text["rate_distortion"], words
    for words in ("better", "base+r 1", "0.3 bpp", "less distortion"):
        assert words in text["distortion_realism"], words
    assert "critic" in text["training"]
    assert (
        "against jpeg" in text["gains"]
        and ">base<" in text["gains"]
        and ">jpeg<" not in text["gains"]
    )
    for words in ("base", "elic2022", "mbt2018-mean", "bpg_444_x265_ycbcr"):
        assert words in text["rate_distortion_complexity"], words
    assert (
        ">jpeg<" not in text["rate_distortion_complexity"]
        and ">else<" not in text["rate_distortion_complexity"]
    )


def test_every_format(folder, tmp_path):
    (tmp_path / "one").mkdir()
    (folder / "results.jsonl").rename(tmp_path / "one" / "results.jsonl")
    formats = [part for kind in ("png", "pdf", "svg") for part in ("--format", kind)]
    result = CliRunner().invoke(main, ["plot", str(tmp_path / "one"), "-m", "psnr", *formats])
    assert result.exit_code == 0, result.output
    stem = tmp_path / "one" / "rate_distortion"
    paths = [Path(line) for line in result.output.split()]
    assert [path for path in paths if path.stem != "gains"] == [
        stem.with_suffix(f".{kind}") for kind in ("png", "pdf", "svg")
    ]
    assert Image.open(f"{stem}.png").width > 500 and stem.with_suffix(
        ".pdf"
    ).read_bytes().startswith(b"%PDF")
    assert "MS-SSIM" not in (svg := stem.with_suffix(".svg").read_text()) and "PSNR" in svg


def test_untrained_networks_are_in_no_figure(folder, tmp_path):
    untrained = [row | {"trained": False} for row in rows("net")]
    with open(folder / "results.jsonl", "a") as file:
        file.writelines(json.dumps(row) + "\n" for row in untrained)
    result = CliRunner().invoke(
        main, ["plot", str(folder), "--out", str(tmp_path / "figures"), "--format", "svg"]
    )
    assert result.exit_code == 0, result.output
    assert "left out of figures: net; untrained, which is good for timing alone" in result.stderr
    for path in (tmp_path / "figures").iterdir():
        assert ">net<" not in path.read_text()
    results = folders.load_results([folder])
    assert results.untrained == ["net"] and {row["codec"] for row in results.rows} == {
        "base",
        "jpeg",
    }


def test_a_figure_keeps_a_measure_that_one_codec_lacks(folder, tmp_path):
    lines = [row | {"haarpsi": 0.9 - 0.1 * row["setting"]} for row in rows("base")] + rows("jpeg")
    (folder / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    result = CliRunner().invoke(
        main, ["plot", str(folder), "--out", str(tmp_path / "figures"), "--format", "svg"]
    )
    assert result.exit_code == 0, result.output
    text = (tmp_path / "figures" / "rate_distortion.svg").read_text()
    assert "HaarPSI" in text and text.count(">base<") == 3 and text.count(">jpeg<") == 2


def test_runs_that_left_out_other_pictures_are_not_merged(folder, tmp_path):
    (tmp_path / "again").mkdir()
    with_miss = summary("webp", 0.1, 30.0, 80)
    with_miss.misses.append(RateMiss("3.png", 0.2, 1.0))
    (tmp_path / "again" / "matched.json").write_text(json.dumps([asdict(with_miss)]))
    with pytest.raises(MetamerError, match=r"leave out different pictures at 0\.1 bpp"):
        folders.load_results([folder, tmp_path / "again"])


def test_figures_go_beside_their_results(folder):
    result = CliRunner().invoke(main, ["plot", str(folder / "log.jsonl")])
    assert result.exit_code == 0 and result.output.strip() == str(folder / "training.png"), (
        result.output
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent"], "no results.jsonl"),
        (["results", "-m", "dists"], "dists was not measured; there are psnr, ms-ssim"),
        (["results", "--published", "vtn"], "did you mean 'vtm'"),
        (["results", "--anchor", "webp"], "webp was not measured; there are base, jpeg"),
        (["results", "--published", "vtm"], "Kodak's 24 photographs, which these pictures are not"),
        (["old", "--published", "vtm"], "do not say which pixels theirs have; measure again"),
        (["results", "--complexity", "absent.json"], "absent.json: no such file"),
        (["results", "--complexity", "other.csv"], "the JSON of `metamer complexity --json`"),
        (["results", "--complexity", "idle.json"], "idle.json has the work of no network"),
        (["results", "damaged"], "damaged"),
        (["lonely", "results"], "results and lonely are of different pictures (4 and 1; "),
        (["large", "results"], "0.png has 128x64 pixels in large and 64x64 in results"),
        (["other", "results"], "0.png is another picture in other than in results"),
        (["broken"], "line 1: psnr of 0.png is nan"),
    ],
)
def test_bad_input_gets_one_line(folder, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    for name, text in (
        ("damaged", '{"a"}\n'),
        ("lonely", json.dumps(rows("webp", image="other.png")[0]) + "\n"),
        ("large", json.dumps(rows("webp", width=128)[0]) + "\n"),
        ("other", json.dumps(rows("webp", pixels="digest 9")[0]) + "\n"),
        ("broken", json.dumps(rows("webp", psnr=float("nan"))[0]) + "\n"),
        ("old", "".join(json.dumps(row | {"pixels": ""}) + "\n" for row in rows("webp"))),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.jsonl").write_text(text)
    result = CliRunner().invoke(main, ["plot", *arguments, "--out", "figures"])
    assert (
        result.exit_code == 1
        and message in result.output
        and len(result.output.strip().splitlines()) == 1
    ), result.output
    assert not any(tmp_path.glob("figures/*"))
