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
