"""The page as a rater has it: in Chromium, from its folder, by keyboard, mouse and finger."""

import errno
import json
import os
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver import Keys
from selenium.webdriver.support.wait import WebDriverWait

from metamer.evaluation.study import pairs
from tests.conftest import inside
from tests.evaluation.conftest import one, wide

SIZE = (520, 400)
QUALITIES = {0.3: 20, 0.6: 50}
CODECS = {"jpeg": "JPEG", "webp": "WEBP", "avif": "AVIF"}
ORDER = ["jpeg", "webp", "avif"]  # by what the simulated rater prefers, worst first


@pytest.fixture(scope="module")
def folder(tmp_path_factory, otters):
    """Two photographs, and three codecs of them at two rates, each laid out in another way."""
    folder = tmp_path_factory.mktemp("study")
    for number in range(2):
        photograph = otters.crop((200 * number, 0, 200 * number + SIZE[0], SIZE[1]))
        (folder / "original").mkdir(exist_ok=True)
        photograph.save(folder / "original" / f"o {number}#.png")
        for codec, kind in CODECS.items():
            for rate, quality in QUALITIES.items():
                name = f"{codec}/{rate}" if codec == "webp" else f"{codec}@{rate}"
                (folder / name).mkdir(parents=True, exist_ok=True)
                path = folder / name / f"o {number}#.{kind.lower()}"
                photograph.save(path, kind, quality=quality)
    return folder


def make(folder, out, *options):
    decoded = [folder / name for name in ("webp", "original")] + sorted(folder.glob("*@*"))
    return inside("study", "make", folder / "original", *decoded, "--out", out, *options)


@pytest.fixture(scope="module")
def page(folder):
    out = folder / "out" / "page"
    completed = make(folder, out, "--pairs", 12, "--repeats", 2, "--catches", 3, "--seed", 4)
    assert completed.returncode == 0 and b"17 trials of 3 codecs and 2 pictures" in completed.stdout
    return out / "index.html"


@pytest.fixture(scope="module")
def key(page):
    return json.loads((page.parents[1] / "page.key.json").read_text())


def blocks(page) -> list[list[dict]]:
    text = page.read_text()
    start = text.index('id="data">') + len('id="data">')
    return json.loads(text[start : text.index("</script>", start)])["blocks"]


def test_pairs_are_balanced_at_equal_rates_and_repeats_come_late(page, key):
    kinds = Counter(trial["kind"] for trial in key["trials"].values())
    assert kinds == {"pair": 12, "repeat": 2, "degraded": 2, "identical": 1}
    compared = Counter()
    for trial in key["trials"].values():
        if trial["kind"] == "pair":
            sides = [trial[side] for side in ("first", "second")]
            assert {side["rate"] for side in sides} == {trial["rate"]}
            compared[trial["rate"], *sorted(side["codec"] for side in sides)] += 1
    assert set(compared.values()) == {2} and len(compared) == 6
    first_half, second_half = ([trial["id"] for trial in block] for block in blocks(page))
    for name, trial in key["trials"].items():
        if trial["kind"] == "repeat":
            assert name in second_half and trial["repeats"] in first_half
            assert key["trials"][trial["repeats"]]["picture"] == trial["picture"]


def test_files_of_the_page_reveal_no_codec(page, key):
    files = [path for path in page.parent.rglob("*") if path.is_file()]
    for path in files:
        assert not any(word in path.name for word in (*CODECS, "original", "degraded", "o 0"))
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert picture.format == "PNG" and picture.size == SIZE and not picture.info
    text = page.read_text().lower()
    assert not any(word in text for word in (*CODECS, "o 0#", "degraded", "identical", "repeat"))
    # no picture comes twice under one name, but for originals as such
    sources = [
        trial[side] for block in blocks(page) for trial in block for side in ("first", "second")
    ]
    assert len(set(sources)) == len(sources) == 2 * len(key["trials"])
    for block in blocks(page):
        assert [trial["id"] for trial in block] == sorted(trial["id"] for trial in block)


def test_pictures_are_those_of_the_key(folder, page, key):
    by_id = {trial["id"]: trial for block in blocks(page) for trial in block}
    for name, trial in key["trials"].items():
        original = Image.open(folder / "original" / f"{trial['picture']}.png").convert("RGB")
        for side in ("first", "second"):
            pixels = np.array(Image.open(page.parent / by_id[name][side]), int)
            codec, rate = trial[side]["codec"], trial[side]["rate"]
            if codec == "degraded":
                assert np.abs(pixels - np.array(original, int)).mean() > 6
                continue
            path = folder / "original" / f"{trial['picture']}.png"
            if codec != "original":
                place = f"{codec}/{rate}" if codec == "webp" else f"{codec}@{rate}"
                path = folder / place / f"{trial['picture']}.{codec}"
            assert (pixels == np.array(Image.open(path).convert("RGB"), int)).all()


def test_the_same_seed_makes_the_same_study(folder, page, key, tmp_path):
    for seed, same in ((4, True), (5, False)):
        out = tmp_path / str(seed)
        make(folder, out, "--pairs", 12, "--repeats", 2, "--catches", 3, "--seed", seed)
        remade = json.loads(out.with_name(f"{seed}.key.json").read_text())
        assert (remade == key) == same
        assert ((out / "index.html").read_text() == page.read_text()) == same


def test_rates_further_apart_are_not_compared(tmp_path):
    sets = [
        pairs.DecodedSet(codec, rate, {"p": tmp_path})
        for codec, rate in (("a", 0.30), ("b", 0.305), ("c", 0.32), ("a", 0.6), ("c", 0.61))
    ]
    candidates = pairs.possible_pairs({"p": tmp_path}, sets, 0.03)
    assert [(pair.first.codec, pair.second.codec, pair.rate) for pair in candidates] == [
        ("a", "b", 0.30),
        ("a", "c", 0.6),
    ]
    assert len(pairs.possible_pairs({"p": tmp_path}, sets, 0.07)) == 4


def test_pictures_off_the_rate_are_left_out_and_named(tmp_path):
    decoded = tmp_path / "decoded"
    for name in ("original", "a_x@0.3", "b@0.3"):
        (decoded / name).mkdir(parents=True)
        for picture in ("p", "q"):
            Image.new("RGB", (16, 16)).save(decoded / name / f"{picture}.png")
    rows = [
        {
            "image": f"{picture}.jpg",
            "codec": codec,
            "target": 0.3,
            "bpp": bpp,
            "setting": 9,
            "version": "1",
        }
        for codec, picture, bpp in (
            ("a/x", "p", 0.301),
            ("a/x", "q", 0.32),
            ("b", "p", 0.3),
            ("b", "q", 0.295),
        )
    ]
    (tmp_path / "matched.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "page"
    completed = inside(
        "study", "make", *(decoded / n for n in ("original", "a_x@0.3", "b@0.3")), "--out", out
    )
    assert "left out, more than 3 % off the rate: q by a_x at 0.3\n" in completed.stdout.decode()
    key = json.loads((tmp_path / "page.key.json").read_text())
    assert {trial["picture"] for trial in key["trials"].values()} == {"p"}


def test_a_draw_is_even(tmp_path):
    names = {f"p{number}": tmp_path for number in range(10)}
    sets = [pairs.DecodedSet(c, r, names) for c in "abc" for r in (0.1, 0.2)]
    sample = pairs.draw_pairs(pairs.possible_pairs(names, sets, 0.03), 30, np.random.default_rng(1))
    assert len({drawn_key(pair) for pair in sample}) == 30
    strata = Counter((pair.rate, pair.first.codec, pair.second.codec) for pair in sample)
    assert set(strata.values()) == {5}
    assert set(Counter(pair.picture for pair in sample).values()) == {3}


def drawn_key(pair) -> tuple:
    return pair.picture, pair.rate, pair.first.codec, pair.second.codec


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda f: (f / "out").mkdir() or (f / "out" / "x").touch(), "out exists"),
        (lambda f: (f / "out.key.json").touch(), "out.key.json exists"),
        (lambda f: Image.new("RGB", (9, 9)).save(f / "b@0.3" / "p.png"), "9×9 pixels"),
        (lambda f: (f / "b@0.3" / "p.png").write_bytes(b"none"), "p.png"),
        (lambda f: (f / "b@0.3" / "p.png").rename(f / "b@0.3" / "q.png"), "none of the pictures"),
        (lambda f: (f / "b@0.3" / "p.png").unlink(), "no pictures there"),
        (lambda f: (f / "b@0.3").rename(f / "b"), "the rate of b is not known"),
        (lambda f: (f / "b@0.3").rename(f / "b@0.4"), "within 3 %"),
        (lambda f: (f / "b@0.3").rename(f / "a@0.301"), "two codecs at least"),
    ],
)
def test_bad_folders_are_one_line_and_leave_nothing(tmp_path, prepare, message):
    for name in ("original", "a@0.3", "b@0.3"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (16, 16)).save(tmp_path / name / "p.png")
    prepare(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    decoded = sorted(path for path in tmp_path.glob("[ab]*"))
    completed = inside("study", "make", tmp_path / "original", *decoded, "--out", tmp_path / "out")
    assert completed.returncode == 1 and message in completed.stderr.decode(), completed.stderr
    assert (
        len(completed.stderr.decode().splitlines()) == 1 and sorted(tmp_path.rglob("*")) == before
    )


def test_a_study_that_cannot_take_its_place_leaves_no_key(tmp_path, monkeypatch):
    for name in ("original", "a@0.3", "b@0.3"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (16, 16)).save(tmp_path / name / "p.png")
    before, replace, out = sorted(tmp_path.rglob("*")), os.replace, tmp_path / "out"

    def refused(source, target) -> None:
        if Path(target) == out:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", refused)
    arguments = ("study", "make", *sorted(tmp_path.iterdir(), reverse=True), "--out", out)
    assert "not permitted" in inside(*arguments).stderr.decode()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.fixture
def browser(chromium, page, tmp_path):
    """The page, freshly opened with nothing kept; whatever the test does, the console stays
    empty. What it saves goes to ``tmp_path``.
    """
    chromium.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    wide(chromium, 1280)
    chromium.get(page.as_uri())
    chromium.execute_script("localStorage.clear()")
    chromium.refresh()
    yield chromium
    assert chromium.get_log("browser") == []


def ready(browser, number: int, total: int = 17) -> None:
    """Waits until a trial's pictures are there."""
    WebDriverWait(browser, 60).until(
        lambda _: (
            one(browser, "#count").text == f"{number} of {total}"
            and one(browser, "[data-answer=a]").is_enabled()
        )
    )


def begin(browser, rater: str) -> None:
    one(browser, "#rater").send_keys(rater + Keys.ENTER)
    ready(browser, 1)


def press(browser, keys: str) -> None:
    one(browser, "body").send_keys(keys)


def shown_trial(browser, page) -> tuple[str, bool]:
    """The trial on the screen, and whether its first picture is A."""
    src = one(browser, "#pane-a img").get_attribute("src")
    for trial in (trial for block in blocks(page) for trial in block):
        for side in ("first", "second"):
            if src.endswith(trial[side]):
                return trial["id"], side == "first"
    raise AssertionError(src)


def preference(trial: dict) -> int:
    """-1 for the first, 1 for the second, 0 for neither, by `ORDER`."""
    rank = {codec: place for place, codec in enumerate(ORDER)} | {"original": 9, "degraded": -9}
    rank_of_first, rank_of_second = (rank[trial[side]["codec"]] for side in ("first", "second"))
    return int(np.sign(rank_of_second - rank_of_first))


def saved(folder) -> dict:
    for _ in range(100):
        if paths := list(folder.glob("answers-*.json")):
            return json.loads(paths[0].read_text())
        time.sleep(0.1)
    raise AssertionError("nothing was saved")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_a_rater_answers_by_keys_and_mouse_and_preferences_come_back(
    browser, page, key, tmp_path, width, scheme
):
    wide(browser, width, scheme)
    begin(browser, f"Ada {width}")
    sides = []
    for number in range(1, 18):
        ready(browser, number)
        name, first_is_a = shown_trial(browser, page)
        sides.append(first_is_a)
        preferred = preference(key["trials"][name]) * (1 if first_is_a else -1)
        if number % 2:
            press(
                browser, {-1: Keys.ARROW_LEFT, 0: Keys.ARROW_DOWN, 1: Keys.ARROW_RIGHT}[preferred]
            )
        else:
            one(browser, f"[data-answer={ {-1: 'a', 0: 'same', 1: 'b'}[preferred] }]").click()
    assert len(set(sides)) == 2
    WebDriverWait(browser, 20).until(lambda _: one(browser, "#end").is_displayed())
    one(browser, "#save").click()
    answers = saved(tmp_path)
    assert answers["rater"] == f"Ada {width}" and answers["screen"]["width"] == width
    assert all(answer["milliseconds"] >= 0 for answer in answers["answers"])
    assert {answer["trial"] for answer in answers["answers"]} == set(key["trials"])
    (path,) = tmp_path.glob("answers-*.json")
    completed = inside("study", "score", path, "--key", page.parents[1] / "page.key.json", "--json")
    summary = json.loads(completed.stdout)
    (rater,) = summary["raters"]
    assert rater["degraded"] == [2, 2] and rater["identical"] == [1, 1]
    assert rater["repeats"] == [2, 2] and not rater["fault"]
    for group in (None, 0.3, 0.6):
        ranking = [score["codec"] for score in summary["scores"] if score["group"] == group]
        assert ranking == ORDER[::-1]


def displayed(browser) -> list[str]:
    return [
        name for name in ("a", "reference", "b") if one(browser, f"#pane-{name} img").is_displayed()
    ]


def test_pictures_flip_in_one_place_and_stand_side_by_side(browser):
    begin(browser, "Ada")
    assert displayed(browser) == ["reference"]
    places = []
    for keys, name in (("1", "a"), ("2", "reference"), ("3", "b"), (" ", "a"), (" ", "reference")):
        press(browser, keys)
        assert displayed(browser) == [name]
        places.append(tuple(one(browser, f"#pane-{name} img").rect.values()))
    assert len(set(places)) == 1  # nothing moves but what has changed
    one(browser, "[data-pane=b]").click()
    assert displayed(browser) == ["b"]
    press(browser, "f")
    assert displayed(browser) == ["a", "reference", "b"]
    left = [one(browser, f"#pane-{name}").rect["x"] for name in ("a", "reference", "b")]
    assert left == sorted(left) and len(set(left)) == 3
    one(browser, "[data-layout=flip]").click()
    assert displayed(browser) == ["b"]


def scrolled(browser) -> list[list[float]]:
    return browser.execute_script(
        "return [...document.querySelectorAll('.view')].map((view) => [view.scrollLeft, view.scrollTop])"
    )


def test_zoom_is_in_whole_pixels_and_all_three_move_together(browser):
    from selenium.webdriver.common.action_chains import ActionChains

    begin(browser, "Ada")
    image = one(browser, "#pane-reference img")
    assert image.rect["width"] == SIZE[0]
    press(browser, "f")
    one(browser, "[data-zoom='2']").click()
    assert image.rect["width"] == 2 * SIZE[0]
    before = scrolled(browser)
    assert before[0] == before[1] == before[2] and before[0][0] > 0
    ActionChains(browser, duration=20).move_to_element(
        one(browser, "#pane-a .view")
    ).click_and_hold().move_by_offset(-60, -40).release().perform()
    WebDriverWait(browser, 10).until(
        lambda _: scrolled(browser) == [[before[0][0] + 60, before[0][1] + 40]] * 3
    )
    press(browser, "z")  # fit
    assert image.rect["width"] == pytest.approx(
        one(browser, "#pane-reference").rect["width"], abs=1
    )


def test_going_back_changes_an_answer_and_a_pause_loses_none(browser, page, tmp_path):
    begin(browser, "Ada")
    press(browser, Keys.ARROW_LEFT)
    ready(browser, 2)
    press(browser, Keys.BACKSPACE)
    ready(browser, 1)
    name, first_is_a = shown_trial(browser, page)
    press(browser, Keys.ARROW_RIGHT)
    ready(browser, 2)
    press(browser, Keys.ARROW_DOWN)
    ready(browser, 3)
    third_trial = shown_trial(browser, page)
    browser.get("about:blank")
    browser.get(page.as_uri())
    assert one(browser, "#go").text == "Go on at 3 of 17"
    assert one(browser, "#rater").get_attribute("value") == "Ada"
    one(browser, "#go").click()
    ready(browser, 3)
    assert shown_trial(browser, page) == third_trial  # the rater's own order, again
    one(browser, "footer .save").click()
    answers = {answer["trial"]: answer for answer in saved(tmp_path)["answers"]}
    assert len(answers) == 2
    assert answers[name]["choice"] == ("second" if first_is_a else "first")
    assert answers[name]["left"] == ("first" if first_is_a else "second")


def test_raters_have_orders_of_their_own(browser, page):
    first_trials = []
    for rater in ("Ada", "Grace", "Edsger", "Barbara"):
        browser.execute_script("localStorage.clear()")
        browser.refresh()
        begin(browser, rater)
        first_trials.append(shown_trial(browser, page)[0])
    assert len(set(first_trials)) > 1
    early = [trial["id"] for trial in blocks(page)[0]]
    assert set(first_trials) <= set(early)


def test_another_rater_begins_afresh(browser):
    begin(browser, "Ada")
    browser.refresh()
    one(browser, "#afresh").click()
    assert (
        one(browser, "#go").text == "Begin" and one(browser, "#rater").get_attribute("value") == ""
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("layout", ["flip", "side"])
def test_a_phone_shows_pictures_and_answers_at_once(browser, scheme, layout):
    wide(browser, 400, scheme)
    begin(browser, "Ada")
    one(browser, f"[data-layout={layout}]").click()
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
    for name in ("a", "same", "b"):
        box = one(browser, f"[data-answer={name}]").rect
        assert box["height"] >= 44 and box["y"] + box["height"] <= 900
    views = [one(browser, f"#pane-{name} .view") for name in ("a", "reference", "b")]
    assert all(view.rect["width"] > 350 and view.rect["height"] >= 120 for view in views)
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 200) == (scheme == "dark")


def test_a_missing_picture_is_reported_and_cannot_be_answered(chromium, folder, tmp_path):
    out = tmp_path / "page"
    make(folder, out, "--pairs", 1, "--repeats", 0, "--catches", 0)
    (trial,) = blocks(out / "index.html")[0]
    (out / trial["second"]).unlink()
    wide(chromium, 1280)
    chromium.get((out / "index.html").as_uri())
    one(chromium, "#rater").send_keys("Ada" + Keys.ENTER)
    WebDriverWait(chromium, 20).until(lambda _: one(chromium, "#problem").is_displayed())
    press(chromium, Keys.ARROW_LEFT)
    assert one(chromium, "#count").text == "1 of 1"
    # the missing file is what the console tells of
    assert len(chromium.get_log("browser")) == 1
