"""The page of `metamer serve` in Chromium."""

import shutil
import threading

import pytest
from PIL import Image

from metamer.bitstreams.check import FOLDER
from metamer.serving.server import Server
from tests.web.base import ALPHA, DECODERS, PHOTOGRAPH
from tests.web.test_pages import one, quiet, run, until

SIZE = "const image = document.querySelector('#picture'); return image.complete ? [image.alt, image.naturalWidth] : null"
# what the server answers reaches the page when a test says so, whatever the page has given up since
HELD = """{
    let held = [];
    const ask = window.fetch;
    window.fetch = async (address) => {
        const response = await ask(address), body = await response.text();
        const later = (value) => new Promise((resolve) => held.push([address, () => resolve(value)]));
        return { ok: response.ok, text: () => later(body), json: () => later(JSON.parse(body)) };
    };
    window.holds = (address) => held.some(([asked]) => asked === address);
    window.release = async (address) => {
        for (const [asked, answer] of held) if (asked === address) answer();
        held = held.filter(([asked]) => asked !== address);
        await new Promise((resolve) => setTimeout(resolve)); // after all that the answers set off
    };
}"""
A, B = "info/a.mtm", "info/b/%C3%BC%20%231.png"


@pytest.fixture
def viewer(chromium, tmp_path):
    """The viewer over three pictures, one of them damaged."""
    shutil.copy(FOLDER / f"{PHOTOGRAPH}.mtm", tmp_path / "a.mtm")
    (tmp_path / "b").mkdir()
    Image.new("RGB", (31, 17), "red").save(tmp_path / "b" / "ü #1.png")
    shutil.copy(FOLDER / f"{ALPHA}.mtm", tmp_path / "c.mtm")
    (tmp_path / "d.mtm").write_bytes((tmp_path / "a.mtm").read_bytes()[:-2])
    with Server(tmp_path, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        chromium.get(server.address)
        until(chromium, lambda: chromium.execute_script(SIZE) == ["a.mtm", 184])
        yield chromium
        chromium.get("about:blank")
        server.shutdown()


@pytest.fixture
def held(viewer):
    """The viewer, opened anew, whose requests are answered by `release` alone."""
    script = viewer.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": HELD})
    viewer.refresh()
    awaits(viewer, "list")
    yield viewer
    viewer.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def awaits(browser, address: str) -> None:
    """Waits until the page has asked for an address whose answer is held back."""
    until(browser, lambda: browser.execute_script("return window.holds(arguments[0])", address))


def release(browser, address: str) -> None:
    run(browser, "await window.release(given)", address)


def test_pictures_are_gone_through(viewer):
    from selenium.webdriver import ActionChains, Keys

    until(
        viewer,
        lambda: "184×104" in one(viewer, "#about").text and "bpp" in one(viewer, "#about").text,
    )
    assert one(viewer, "#realism-label").is_displayed() == ("realism" in DECODERS)
    ActionChains(viewer).send_keys(Keys.ARROW_RIGHT).perform()
    until(viewer, lambda: viewer.execute_script(SIZE) == ["b/ü #1.png", 31])
    ActionChains(viewer).send_keys(Keys.ARROW_DOWN).perform()
    until(viewer, lambda: viewer.execute_script(SIZE) == ["c.mtm", 72])
    viewer.refresh()
    until(viewer, lambda: viewer.execute_script(SIZE) == ["c.mtm", 72])
    one(viewer, "#filter").send_keys("b/")
    until(viewer, lambda: viewer.execute_script(SIZE) == ["b/ü #1.png", 31])
    assert len(viewer.find_elements("css selector", "#list button")) == 1
    one(viewer, "#filter").send_keys("nothing")
    until(viewer, lambda: "No picture" in one(viewer, "#about").text)
    quiet(viewer)


def test_no_picture_is_shown_where_none_matches(held):
    from selenium.webdriver import ActionChains, Keys

    release(held, "list")
    awaits(held, A)
    ActionChains(held).send_keys(Keys.ARROW_RIGHT).perform()
    awaits(held, B)
    one(held, "#filter").send_keys("nothing")
    for address in (A, B):
        release(held, address)
    ActionChains(held).send_keys(Keys.TAB, Keys.ARROW_RIGHT, "z").perform()
    assert one(held, "#about").text == "No picture has such a name."
    assert not any(
        one(held, name).is_displayed()
        for name in ("#picture", "#realism-label", "#zoom", "#original")
    )
    assert held.execute_script("return location.hash") == ""
    one(held, "#filter").send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.BACKSPACE)
    awaits(held, A)
    release(held, A)
    assert "184×104" in one(held, "#about").text
    until(held, lambda: held.execute_script(SIZE) == ["a.mtm", 184])
    assert one(held, "#picture").is_displayed() and one(held, "#original").is_displayed()
    quiet(held)


def test_a_picture_that_has_been_left_is_not_described(held):
    from selenium.webdriver import ActionChains, Keys

    release(held, "list")
    awaits(held, A)
    ActionChains(held).send_keys(Keys.ARROW_RIGHT).perform()
    awaits(held, B)
    release(held, B)
    described = one(held, "#about").text
    assert described.startswith("b/ü #1.png, ") and "bytes" in described
    release(held, A)
    assert one(held, "#about").text == described
    assert not one(held, "#realism-label").is_displayed()
    quiet(held)


def test_a_filter_may_be_typed_before_the_list_is_there(held):
    one(held, "#filter").send_keys("b/")
    release(held, "list")
    awaits(held, B)
    assert len(held.find_elements("css selector", "#list button")) == 1
    quiet(held)


def test_realism(viewer):
    if "realism" not in DECODERS:
        pytest.skip("base has no decoder that knows realism")
    digest = """const canvas = document.createElement("canvas"), image = document.querySelector("#picture");
        await image.decode();
        canvas.getContext("2d").drawImage(image, 0, 0);
        return canvas.toDataURL();"""
    before = run(viewer, digest)
    viewer.execute_script("""const realism = document.querySelector("#realism"); realism.value = 1;
        realism.dispatchEvent(new Event("change"));""")
    until(viewer, lambda: run(viewer, digest) != before)
    quiet(viewer)


def test_damaged_files_are_reported(viewer):
    viewer.find_elements("css selector", "#list button")[3].click()
    until(viewer, lambda: "damaged" in one(viewer, "#about").text)
    quiet(viewer, "d.mtm")


def test_it_fits(viewer):
    for width in (1280, 400):
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        viewer.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        assert viewer.execute_script("return document.documentElement.scrollWidth") <= width
        assert one(viewer, "#picture").is_displayed() and one(viewer, "#list").is_displayed()
    viewer.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
