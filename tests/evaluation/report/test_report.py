"""The report as a reader has it: opened from its folder in Chromium, without a network."""

import csv
import hashlib
import json
import re
import shutil
import time

import numpy as np
import pytest
from click.testing import CliRunner

from metamer.cli import main
from metamer.evaluation.rate import published
from metamer.evaluation.report import contents
from tests.conftest import ROOT
from tests.evaluation.conftest import one, wide

HEIGHTS = (192, 176, 256)  # of pictures 192 wide, whose names an address has to escape
READY = """return [...document.images].every((image) => image.complete && image.naturalWidth)
    && !!document.querySelector("#curves .trace")"""
TEXTS = "return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent)"
DECODED = """const done = arguments[0], images = [...document.images];
const size = (image) => [image.naturalWidth, image.naturalHeight];
Promise.all(images.map((image) => image.decode())).then(() => done(images.map(size)));"""


@pytest.fixture(scope="module")
def results(tmp_path_factory, otters):
    """What `evaluate` leaves of three small photographs at two rates, everything kept."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "photos").mkdir()
    for index, height in enumerate(HEIGHTS):
        otters.crop((180 * index, 60, 180 * index + 192, 60 + height)).save(
            folder / "photos" / f"o {index}#.png"
        )
    result = CliRunner().invoke(
        main,
        [
            "evaluate",
            str(folder / "photos"),
            "--codec",
            "webp",
            "--codec",
            "jpeg",
            "--bpp",
            "0.6",
            "--bpp",
            "1.2",
            "-m",
            "psnr",
            "-m",
            "haarpsi",
            "--keep",
            "--out",
            str(folder / "results"),
        ],
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output
    return folder / "results"


@pytest.fixture(scope="module")
def page(results):
    result = CliRunner().invoke(main, ["report", str(results)], catch_exceptions=False)
    assert result.exit_code == 0 and " MB" in result.output, result.output
    return results / "report" / "index.html"


@pytest.fixture
def browser(chromium, page):
    """The page, freshly opened, 1280 pixels wide; whatever the test does, the console stays
    empty.
    """
    from selenium.webdriver.support.wait import WebDriverWait

    wide(chromium, 1280)
    chromium.get(page.as_uri())
    WebDriverWait(chromium, 120).until(lambda _: chromium.execute_script(READY))
    yield chromium
    assert chromium.get_log("browser") == []


def texts(browser, selector: str) -> list[str]:
    return browser.execute_script(TEXTS, selector)


def choose(browser, name: str, value: str) -> None:
    browser.execute_script(
        "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change', {bubbles: true}))",
        one(browser, f"#{name}"),
        value,
    )


def now(browser) -> int:
    return int(one(browser, "#divider").get_attribute("aria-valuenow"))


def rows_of(results) -> list[dict]:
    return [json.loads(line) for line in (results / "matched.jsonl").read_text().splitlines()]


def drag(
    browser, pointer: str, selector: str, shift: float, at: tuple[float, float] = (0.5, 0.5)
) -> None:
    """Pulls from a place in an element, in widths and heights of it, ``by`` pixels to the right, by
    mouse or finger.
    """
    box = browser.execute_script(
        "return arguments[0].getBoundingClientRect().toJSON()", one(browser, selector)
    )
    x, y = box["x"] + at[0] * box["width"], box["y"] + at[1] * box["height"]
    steps = [
        ("Pressed", "Start", x),
        ("Moved", "Move", x + shift / 2),
        ("Moved", "Move", x + shift),
        ("Released", "End", x + shift),
    ]
    for mouse, touch, place in steps:
        if pointer == "mouse":
            browser.execute_cdp_cmd(
                "Input.dispatchMouseEvent",
                {
                    "type": f"mouse{mouse}",
                    "x": place,
                    "y": y,
                    "button": "left",
                    "buttons": int(mouse != "Released"),
                    "clickCount": 1,
                },
            )
        else:
            points = [{"x": place, "y": y}] if touch != "End" else []
            browser.execute_cdp_cmd(
                "Input.dispatchTouchEvent", {"type": f"touch{touch}", "touchPoints": points}
            )


@pytest.mark.parametrize("pointer", ["mouse", "touch"])
def test_the_divider_slides_and_shows_more_of_the_left(browser, pointer):
    stage, divider = one(browser, "#stage"), one(browser, "#divider")
    width = stage.size["width"]
    assert now(browser) == 50 and divider.get_attribute("role") == "slider"
    drag(browser, pointer, "#divider", width / 4)
    assert now(browser) == pytest.approx(75, abs=1)
    clip = browser.execute_script(
        "return getComputedStyle(document.getElementById('over')).clipPath"
    )
    # of calc(100% - 75%), or of what it comes to
    numbers = list(map(float, re.findall(r"([\d.]+)%", clip)))
    assert abs(np.subtract.reduce(numbers)) == pytest.approx(25, abs=1), clip
    drag(browser, pointer, "#divider", -3 * width)
    assert now(browser) == 0
    assert divider.rect["x"] + divider.size["width"] / 2 == pytest.approx(stage.rect["x"], abs=1)
    # the divider comes to where the picture is touched
    drag(browser, pointer, "#stage", 0, (0.4, 0.3))
    assert now(browser) == pytest.approx(40, abs=1)


def test_the_divider_and_the_zoom_obey_keys(browser):
    from selenium.webdriver import Keys

    divider, stage = one(browser, "#divider"), one(browser, "#stage")
    for keys, value in (
        (Keys.ARROW_RIGHT, 51),
        (Keys.ARROW_LEFT * 3, 48),
        (Keys.SHIFT + Keys.ARROW_LEFT, 38),
        (Keys.PAGE_UP, 48),
        (Keys.HOME, 0),
        (Keys.ARROW_LEFT, 0),
        (Keys.END, 100),
    ):
        divider.send_keys(keys)
        assert now(browser) == value, keys
    assert "webp on 100 %" in divider.get_attribute("aria-valuetext")
    assert (
        browser.execute_script(
            "return getComputedStyle(document.querySelector('.grip')).outlineStyle"
        )
        == "solid"
    )
    before = int(one(browser, "#scale").text.rstrip(" %"))
    stage.send_keys("+")
    stage.send_keys("+")
    assert int(one(browser, "#scale").text.rstrip(" %")) == pytest.approx(4 * before, abs=4)

    def corners():
        return [image.rect["x"] for image in browser.find_elements("css selector", ".side img")]

    left = corners()
    stage.send_keys(Keys.ARROW_LEFT)
    assert corners() == [x + 40 for x in left] and now(browser) == 100
    stage.send_keys("0")
    assert int(one(browser, "#scale").text.rstrip(" %")) == before and corners()[
        0
    ] == pytest.approx(stage.rect["x"], abs=1)


def test_a_double_click_zooms_and_a_drag_then_moves(browser):
    from selenium.webdriver.common.action_chains import ActionChains

    stage = one(browser, "#stage")
    ActionChains(browser, duration=20).move_to_element_with_offset(
        stage, -40, 20
    ).double_click().perform()
    assert "zoomed" in stage.get_attribute("class") and "sharp" in stage.get_attribute("class")
    at, image = now(browser), one(browser, "#under img")
    x = image.rect["x"]
    drag(browser, "mouse", "#stage", 30, (0.7, 0.7))
    assert image.rect["x"] == pytest.approx(x + 30, abs=1) and now(browser) == at


def test_two_fingers_zoom(browser):
    touch = {"x": 0, "y": 0}
    box = one(browser, "#stage").rect
    browser.execute_script("scrollTo(0, 0)")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for kind, gap in (("touchStart", 20), ("touchMove", 30), ("touchMove", 40), ("touchMove", 60)):
        points = [
            touch | {"x": x + sign * gap, "y": y, "id": number}
            for number, sign in enumerate((-1, 1))
        ]
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert int(one(browser, "#scale").text.rstrip(" %")) == pytest.approx(300, rel=0.15)


def test_pickers_show_any_two_codecs_with_their_bytes_and_metrics(browser, results):
    rows = rows_of(results)
    assert texts(browser, "#left option") == ["original", "webp", "jpeg"]
    assert texts(browser, "#picture option") == ["o 0#.png", "o 1#.png", "o 2#.png"]
    choose(browser, "picture", "o 2#.png")
    choose(browser, "rate", "1.2")
    choose(browser, "left", "original")
    choose(browser, "right", "jpeg")
    row = next(
        row
        for row in rows
        if (row["image"], row["codec"], row["target"]) == ("o 2#.png", "jpeg", 1.2)
    )
    facts = dict(
        zip(
            texts(browser, "#facts th[scope=row]")[1:],
            np.reshape(texts(browser, "#facts td"), (-1, 2)),
            strict=True,
        )
    )
    assert facts["bytes"].tolist() == ["–", f"{row['bytes']:,}"] and facts[
        "PSNR (dB)"
    ].tolist() == ["–", f"{row['psnr']:.2f}"]
    assert texts(browser, ".tag") == ["original", "jpeg"]
    one(browser, "#swap").click()
    assert texts(browser, ".tag") == ["jpeg", "original"]
    shape = one(browser, "#stage").size
    assert shape["width"] / shape["height"] == pytest.approx(192 / 256, abs=0.02)
    assert browser.execute_async_script(DECODED) == [[192, 256], [192, 256]]


def test_the_table_sorts_and_filters(browser, results):
    rows = rows_of(results)
    titles = texts(browser, "#rows thead th")
    at = titles.index("PSNR (dB)") + 1
    for expected, order in (("ascending", 1), ("descending", -1)):
        one(browser, f"#rows thead th:nth-child({at}) button").click()
        values = list(map(float, texts(browser, f"#rows tbody td:nth-child({at})")))
        assert values == sorted(values)[::order] and len(values) == len(rows)
        assert (
            one(browser, f"#rows thead th:nth-child({at})").get_attribute("aria-sort") == expected
        )
    assert len(browser.find_elements("css selector", "#rows th[aria-sort]")) == 1
    choose(browser, "only-codec", "jpeg")
    assert set(texts(browser, "#rows tbody td:nth-child(2)")) == {"jpeg"}
    assert one(browser, "#count").text == f"{len(rows) // 2} rows"


def test_curves_and_matrix_follow_the_distance(browser):
    assert set(texts(browser, "#curves .legendtext")) == {"webp", "jpeg"}

    def matrices():
        return [
            matrix.get_attribute("data-metric")
            for matrix in browser.find_elements("css selector", ".matrix:not([hidden])")
        ]

    assert matrices() == ["psnr"]
    one(browser, "input[value=haarpsi] + span").click()
    assert matrices() == ["haarpsi"]
    assert "HAARPSI" in texts(browser, "#curves .gtitle")[0].upper()
    bands = len(browser.find_elements("css selector", "#curves .fills path.js-fill"))
    one(browser, "#bands").click()
    assert bands == 1 and not browser.find_elements("css selector", "#curves .fills path.js-fill")


def test_the_address_shows_the_same_again(browser, page):
    one(browser, "input[value=haarpsi] + span").click()
    one(browser, "#bands").click()
    choose(browser, "rate", "1.2")
    choose(browser, "left", "jpeg")
    choose(browser, "only-codec", "webp")
    one(browser, "#rows thead th:nth-child(4) button").click()
    one(browser, "#stage").send_keys("+")
    before = int(one(browser, "#scale").text.rstrip(" %"))
    address = f"{page.as_uri()}#"
    for _ in range(40):  # the zoom is written down a moment later
        if "zoom=" in (address := browser.current_url):
            break
        time.sleep(0.1)
    browser.get("about:blank")
    browser.get(address)
    value = "return document.getElementById(arguments[0]).value"
    assert [browser.execute_script(value, name) for name in ("rate", "left", "only-codec")] == [
        "1.2",
        "jpeg",
        "webp",
    ]
    assert one(browser, "input[value=haarpsi]").is_selected()
    assert not one(browser, "#bands").is_selected()
    assert one(browser, "#rows thead th:nth-child(4)").get_attribute("aria-sort") == "ascending"
    assert int(one(browser, "#scale").text.rstrip(" %")) == before
    browser.get("about:blank")
    browser.get(f"{page.as_uri()}#metric=none&rate=7&sort=99")  # of other results
    assert one(browser, "input[value=psnr]").is_selected()


def test_codecs_look_the_same_everywhere_and_each_its_own(chromium, with_realism):
    wide(chromium, 1280)
    chromium.get(with_realism.as_uri())
    looks = chromium.execute_script(
        """return ["curves", "plane", "rate-realism"].flatMap((id) => document.getElementById(id).data
        .filter((trace) => trace.name && trace.marker && trace.marker.symbol)
        .map((trace) => [trace.name, trace.marker.color, trace.marker.symbol]))"""
    )
    by_codec = {}
    for name, *style in looks:
        assert by_codec.setdefault(name, style) == style
    assert len(by_codec) >= 6 and len(set(map(tuple, by_codec.values()))) == len(by_codec)
    steps = [style for name, style in by_codec.items() if "@" in name]
    assert len(steps) >= 3 and len({colour for colour, _ in steps}) == 1


def test_every_table_is_there_as_csv(page, results):
    text = page.read_text()
    links = re.findall(r'href="(tables/[^"]+)" download', text)
    assert len(links) == text.count("<table") - 1  # all but the viewer's, of what it shows
    rows = list(csv.DictReader((page.parent / "tables/every-picture.csv").open()))
    assert len(rows) == len(rows_of(results))
    row = rows_of(results)[0]
    assert float(rows[0]["PSNR (dB)"]) == pytest.approx(row["psnr"], rel=1e-5)
    (matrix,) = [link for link in links if "psnr" in link]
    numbers = list(csv.reader((page.parent / matrix).open()))
    assert numbers[0][0] == "codec" and all("−" not in cell for line in numbers for cell in line)
    assert all(np.isfinite(float(cell)) for line in numbers[1:] for cell in line[1:] if cell)


def test_the_page_says_when_where_and_how(page):
    text = " ".join(page.read_text().split())
    run = json.loads((page.parents[1] / "runs.jsonl").read_text())
    assert run["date"][:10] in text and f"cpu {run['machine']['cpu']}"[:20] in text
    assert "numpy" in text and "<code>metamer" in text and " UTC by Metamer " in text
    assert "mean difference from jpeg on the same picture" in text and "Flat areas" in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_of_a_narrow_screen(browser, scheme):
    wide(browser, 400, scheme)
    browser.refresh()
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 200) == (scheme == "dark")
    assert one(browser, "#stage").size["width"] > 180


def test_without_kept_pictures_the_page_says_how_to_get_them(results, tmp_path):
    shutil.copy(results / "matched.jsonl", tmp_path)
    result = CliRunner().invoke(main, ["report", str(tmp_path), "--out", str(tmp_path / "out")])
    text = (tmp_path / "out" / "index.html").read_text()
    assert (
        result.exit_code == 0
        and "--keep" in text
        and 'id="stage"' not in text
        and "BD-rate" in text
    )
    assert not (tmp_path / "out" / "pictures").exists()


def recorded_realism() -> list[dict]:
    """Of codecs at one rate, from some sixty photographs."""
    path = ROOT / "research" / "results" / "train" / "realism.json"
    return json.loads(path.read_text())["summaries"]


@pytest.fixture(scope="module")
def with_realism(results, tmp_path_factory):
    """A page with realism as recorded from some sixty photographs, and at another rate, beside rows of
    other pictures.
    """
    folder = tmp_path_factory.mktemp("realism")
    shutil.copy(results / "matched.jsonl", folder)
    records = recorded_realism()
    rates = [{**record, "target": rate, "bpp": rate} for record in records for rate in (0.3, 0.15)]
    (folder / "matched.json").write_text(json.dumps(rates))
    arguments = ["report", str(folder), "--published", "vtm", "--published", "hific"]
    failed = CliRunner().invoke(main, arguments)
    assert failed.exit_code == 1 and "Kodak's 24 photographs, which these" in failed.output
    assert not (folder / "report").exists()
    digests = sorted({row["image"]: row["pixels"] for row in rows_of(folder)}.values())
    with pytest.MonkeyPatch.context() as patch:  # as if these were Kodak's
        patch.setattr(published, "KODAK", hashlib.sha256("".join(digests).encode()).hexdigest())
        result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return folder / "report" / "index.html"


def test_realism_is_shown_with_its_cautions(with_realism):
    text = " ".join(with_realism.read_text().split())
    record = recorded_realism()[0]["realism"]
    pictures = recorded_realism()[0]["pictures"]
    for phrase in (
        "Realism at equal rates",
        "FID/256",
        f"{record['fid']:.4g}",
        "KID ×10³",
        f"{1000 * record['kid']:.4g}",
        "KID of pairs ×10³",
        f"{1000 * record['kid_paired']:.4g}",
        f"{pictures} pictures",
        "biased far upwards",
        "Dashed: published on Kodak by CompressAI, results/image/kodak; Mentzer",
    ):
        assert phrase in text, phrase


def test_the_plane_follows_measure_and_distortion(chromium, with_realism):
    from selenium.webdriver.support.wait import WebDriverWait

    wide(chromium, 1280)
    chromium.get(with_realism.as_uri())
    WebDriverWait(chromium, 120).until(
        lambda _: chromium.execute_script("return !!document.querySelector('#plane .trace')")
    )
    script = "const {data, layout} = document.getElementById(arguments[0]); return [data, layout]"
    data, layout = chromium.execute_script(script, "plane")
    records = recorded_realism()
    assert layout["title"]["text"] == "FID/256"
    notes = [note["text"] for note in layout["annotations"]]
    # the realism of every step, and the rates of one codec
    assert notes[0] == "better" and {"0.25", "0.5", "1", "0.15 bpp", "0.3 bpp"} <= set(notes)
    assert data[0]["x"] == pytest.approx([records[0]["means"]["psnr"]["value"]] * 2, rel=1e-5)
    assert layout["xaxis"]["title"]["text"].startswith("PSNR")
    ways = [np.sign(np.subtract(*layout[axis]["range"])) for axis in ("xaxis", "yaxis")]
    assert ways == [-1, 1]  # less distortion to the right, more realism up
    thick = [trace for trace in data if trace["mode"] == "lines"]
    # the slider, from base's own decoder, at both rates
    assert [len(trace["x"]) for trace in thick] == [5, 5]
    for name in ("distortion", "measure"):
        chromium.execute_script(
            "document.querySelectorAll(`input[name=${arguments[0]}]`)[1].click()", name
        )
    data, layout = chromium.execute_script(script, "plane")
    assert (
        layout["title"]["text"] == "KID ×10³"
        and layout["xaxis"]["range"][0] > layout["xaxis"]["range"][1]
    )
    assert data[0]["y"] == pytest.approx([1000 * records[0]["realism"]["kid"]] * 2, rel=1e-5)
    over_rate, _ = chromium.execute_script(script, "rate-realism")
    assert over_rate[0]["x"] == [0.15, 0.3] and over_rate[0]["y"] == data[0]["y"]
    steps = [name for name in texts(chromium, "#plane .legendtext") if name.startswith("base+re")]
    assert len(steps) == len(set(steps)) == 4 and all("@" in name for name in steps)
    names = texts(chromium, "#curves .legendtext")
    assert "vtm (published)" in names and chromium.get_log("browser") == []


def test_the_number_of_pictures_is_limited(results, tmp_path):
    result = CliRunner().invoke(
        main, ["report", str(results), "--pictures", "2", "--out", str(tmp_path)]
    )
    assert result.exit_code == 0 and "2 of 3 pictures" in " ".join(
        (tmp_path / "index.html").read_text().split()
    )
    assert len(list((tmp_path / "pictures" / "original").iterdir())) == 2


def test_the_matrix_marks_better_and_worse():
    lower, higher = (
        np.array([[0.1, 30.0], [0.2, 33], [0.4, 36]]),
        np.array([[0.2, 30.0], [0.4, 33], [0.8, 36]]),
    )
    matrix = contents.bd_matrix(
        {"better": lower, "worse": higher, "far": higher + np.array([0, 90])}
    )
    assert [cell["text"] for cell in matrix[0]["cells"]] == ["", "−50.0 %", "–"]
    assert [cell["kind"] for cell in matrix[1]["cells"]] == ["more", "", ""] and matrix[1]["cells"][
        0
    ]["text"] == "+100.0 %"


@pytest.mark.parametrize(
    ("arguments", "message"), [(["absent"], "no results.jsonl"), (["log"], "no results of")]
)
def test_bad_input_gets_one_line(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "log.jsonl").write_text('{"step": 1, "loss": 1.0}\n')
    result = CliRunner().invoke(main, ["report", *arguments])
    assert (
        result.exit_code == 1
        and message in result.output
        and len(result.output.strip().splitlines()) == 1
    ), result.output
    assert not list(tmp_path.glob("*/report"))
