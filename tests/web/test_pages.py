"""The package in Chromium: conformance streams, worker, service worker, element and the
demo page.
"""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

import metamer
from metamer.bitstreams.check import FOLDER, LIST
from tests.web.base import DECODERS, PHOTOGRAPH
from tests.web.conftest import Site

STREAMS = json.loads(LIST.read_text())
WAIT = 120  # seconds; machines may be busy
RUN = """const done = arguments[arguments.length - 1];
const failed = (problem) => done([null, `${problem.name}: ${problem.message}`]);
(async (given) => { %s })(arguments[0]).then((value) => done([value ?? null, null]), failed);"""
IMPORT = """const { configure, decode, encode, info, toPng } = await import("/metamer/src/index.js");
configure({ models: "/models/" });
const load = async (name) => new Uint8Array(await (await fetch(`/streams/${name}.mtm`)).arrayBuffer());"""


def run(browser, script: str, argument=None):
    """What an asynchronous script returns. Raises AssertionError with what it rejects with."""
    value, problem = browser.execute_async_script(RUN % script, argument)
    assert problem is None, problem
    return value


def until(browser, condition):
    from selenium.webdriver.support.wait import WebDriverWait

    return WebDriverWait(browser, WAIT, 0.1).until(lambda _: condition())


def one(browser, selector: str):
    return browser.find_element("css selector", selector)


def quiet(browser, expected: str = "") -> None:
    """The console holds nothing, or nothing without ``expected`` in it.

    But for the line that Chromium itself writes when asked for WebGPU where it has none.
    """
    entries = [
        entry["message"]
        for entry in browser.get_log("browser")
        if not entry["message"].endswith("No available adapters.")
    ]
    assert all(expected and expected in entry for entry in entries), entries


def levels(image, reference) -> int:
    image, reference = (np.asarray(picture.convert("RGBA"), int) for picture in (image, reference))
    return int(np.abs(image - reference).max())


def test_conformance_streams(chromium, server):
    """In the worker, by way of PNG files; latents in the page."""
    chromium.get(server.address + "element.html")
    script = (
        IMPORT
        + """
        const { Store, decodeLatents } = await import("/metamer/src/codec.js"), all = {};
        const store = new Store(new URL("/models/", location));
        for (const stem of given) {
            const bytes = await load(stem), { values } = await decodeLatents(bytes, store), png = await toPng(bytes);
            const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", values)), url = new FileReader();
            await new Promise((resolve) => { url.onload = resolve; url.readAsDataURL(png); });
            all[stem] = [Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join(""), url.result.split(",")[1]];
        }
        return all;"""
    )
    for stem, (digest, png) in run(chromium, script, sorted(STREAMS)).items():
        assert digest == STREAMS[stem]["latents"], stem
        assert (
            levels(
                Image.open(io.BytesIO(base64.b64decode(png))), Image.open(FOLDER / f"{stem}.png")
            )
            <= 1
        ), stem
    quiet(chromium)


def test_the_worker(chromium, server):
    chromium.get(server.address + "element.html")
    script = (
        IMPORT
        + """
        const bytes = await load(given), picture = await decode(bytes), about = await info(new Blob([bytes]));
        const part = await decode(bytes.buffer, { region: [10, 20, 30, 40] }), again = await encode(picture, { quality: 40 });
        return [picture.constructor.name, picture.width, part.width, part.height, about.model, (await info(again)).width];"""
    )
    assert run(chromium, script, PHOTOGRAPH) == ["ImageData", 184, 30, 40, "base", 184]
    script = (
        IMPORT
        + """
        const { StreamError } = await import("/metamer/src/index.js"), bytes = await load("damaged");
        const told = (problem) => problem instanceof StreamError && problem.message;
        return decode(bytes).then(() => "decoded", told);"""
    )
    assert "damaged" in run(chromium, script)


def test_an_aborted_request_leaves_the_others(chromium, server):
    chromium.get(server.address + "element.html")
    script = (
        IMPORT
        + """
        const bytes = await load(given), stop = new AbortController(), named = (problem) => problem.name;
        const first = decode(bytes, { signal: stop.signal }), second = decode(bytes);
        stop.abort();
        const outcome = await first.then(() => "decoded", named), width = (await second).width;
        return [outcome, width, await decode(bytes, { signal: AbortSignal.abort() }).catch(named)];"""
    )
    assert run(chromium, script, PHOTOGRAPH) == ["AbortError", 184, "AbortError"]


def test_the_element(chromium, server):
    chromium.get(server.address + "element.html")
    until(chromium, lambda: chromium.execute_script("return window.ready"))
    chromium.execute_script("""document.querySelector("#whole").src = "/pictures/otters-40.mtm";
        document.querySelector("#damaged").src = "/streams/damaged.mtm";""")
    until(chromium, lambda: len(chromium.execute_script("return window.events")) == 3)
    assert sorted(chromium.execute_script("return window.events")) == [
        ["damaged", "error", "StreamError"],
        ["whole", "load", ""],
        ["whole", "preview", ""],
    ]
    image = "document.querySelector('#whole').shadowRoot.querySelector('img')"
    assert chromium.execute_script(f"return [{image}.naturalWidth, {image}.alt]") == [736, "Otters"]
    quiet(chromium)


def test_the_element_shows_what_is_lossless_once(chromium, server):
    chromium.get(server.address + "element.html")
    until(chromium, lambda: chromium.execute_script("return window.ready"))
    chromium.execute_script("document.querySelector('#whole').src = '/streams/lossless.mtm'")
    until(
        chromium,
        lambda: chromium.execute_script(
            "return window.events.some(([, name]) => name !== 'preview')"
        ),
    )
    assert chromium.execute_script("return window.events") == [["whole", "load", ""]]
    quiet(chromium)


def test_the_element_shows_only_what_its_src_names(chromium, server):
    chromium.get(server.address + "element.html")
    until(chromium, lambda: chromium.execute_script("return window.ready"))
    shown = """const image = document.querySelector('#whole').shadowRoot.querySelector('img');
        return [image.naturalWidth, image.hasAttribute("src"), image.hasAttribute("width")];"""
    script = """const element = document.querySelector("#whole"), ask = window.fetch;
        const event = (name) => new Promise((resolve) => element.addEventListener(name, resolve, { once: true }));
        const change = async (src, name) => { const seen = event(name); element.src = src; await seen; };
        let release;
        const held = new Promise((resolve) => { release = resolve; });
        window.fetch = async (address) => {
            const response = await ask(address);
            if (String(address).endsWith("alpha.mtm")) await held;
            return response;
        };
        element.src = "/streams/alpha.mtm";
        await change("/streams/photograph.mtm", "load");
        release();
        // asked for after what the first answer might set off
        await new Promise((resolve) => setTimeout(resolve));
        await import("/metamer/src/index.js").then(async ({ info }) =>
            info(new Uint8Array(await (await ask("/streams/photograph.mtm")).arrayBuffer())));"""
    run(chromium, script)
    assert chromium.execute_script(shown) == [184, True, True]
    events = [["whole", "load", ""]]
    assert chromium.execute_script("return window.events") == events
    chromium.execute_script("document.querySelector('#whole').src = '/streams/damaged.mtm'")
    until(chromium, lambda: chromium.execute_script("return window.events.length") == 2)
    assert chromium.execute_script(shown) == [0, False, False]
    run(chromium, "document.querySelector('#whole').src = '/streams/photograph.mtm'")
    until(chromium, lambda: chromium.execute_script(shown) == [184, True, True])
    chromium.execute_script("document.querySelector('#whole').removeAttribute('src')")
    assert chromium.execute_script(shown) == [0, False, False]
    quiet(chromium)


def ready(browser, before=None) -> str:
    """The demo page's status once it shows a picture other than that of ``before``, a number of its
    own.
    """
    until(
        browser,
        lambda: (
            browser.execute_script("return document.body.dataset.shown ?? null")
            not in (None, before)
        ),
    )
    return one(browser, "#status").text


def shown_source(browser) -> str | None:
    return browser.execute_script("return document.body.dataset.shown ?? null")


def turned_to(browser, control: str, value) -> str:
    """The status after a control has been set."""
    before = shown_source(browser)
    browser.execute_script(
        """const control = document.querySelector(arguments[0]); control.value = arguments[1];
        for (const name of ["input", "change"]) control.dispatchEvent(new Event(name));""",
        f"#{control}",
        value,
    )
    return ready(browser, before)


@pytest.fixture
def demo(chromium, server):
    chromium.get(server.address)
    ready(chromium)
    until(
        chromium,
        lambda: (
            chromium.execute_script("return document.querySelector('#plain').naturalWidth") == 736
        ),
    )
    yield chromium
    quiet(chromium)


def canvas(browser) -> np.ndarray:
    data = browser.execute_script("return document.querySelector('#ours').toDataURL()").split(",")[
        1
    ]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"), int)


def test_the_demo(demo, server, site):
    points = json.loads((site / "pictures" / "otters.json").read_text())["points"]
    for quality in (5, 70):
        status = turned_to(demo, "quality", quality)
        point = next(point for point in points if point["quality"] == quality)
        path = site / "pictures" / point["mtm"]
        assert f"736×414, {path.stat().st_size:,} bytes" in status and "AVIF" in status
        assert np.abs(canvas(demo) - np.asarray(metamer.decode(path), int)).max() <= 1
    if "realism" not in DECODERS:
        return
    plain = canvas(demo)
    turned_to(demo, "realism", 1)
    assert np.abs(canvas(demo) - np.asarray(metamer.decode(path, realism=1), int)).max() <= 1
    assert np.abs(canvas(demo) - plain).max() > 1


# answers for addresses and files whose names end as `window.hold` is told wait for `window.release`
HOLD = """{
    const held = new Map(), { fetch, createImageBitmap } = window;
    const passes = async (address) => {
        for (const [end, gate] of held) if (String(address).endsWith(end)) await gate.promise;
    };
    window.hold = (end) => {
        let open;
        held.set(end, { promise: new Promise((resolve) => { open = resolve; }) });
        held.get(end).open = open;
    };
    window.release = async (end) => {
        held.get(end).open();
        held.delete(end);
        await new Promise((resolve) => setTimeout(resolve)); // after all that the answer sets off
    };
    window.fetch = async (address, ...options) => {
        const response = await fetch(address, ...options), body = new Uint8Array(await response.arrayBuffer());
        await passes(address);
        return { ok: response.ok, json: async () => JSON.parse(new TextDecoder().decode(body)),
                 arrayBuffer: async () => body.buffer, blob: async () => new Blob([body]) };
    };
    window.createImageBitmap = async (file) => {
        await passes(file.name);
        return createImageBitmap(file);
    };
}"""


@pytest.fixture
def held(demo, server):
    """The demo, opened anew, where a test can hold back what it waits for."""
    source = HOLD + "if (sessionStorage.held) window.hold(sessionStorage.held);"
    script = demo.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
    demo.get(server.address)
    ready(demo)
    yield demo
    demo.execute_script("sessionStorage.clear()")
    demo.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def hold(browser, end: str) -> None:
    browser.execute_script("window.hold(arguments[0])", end)


def release(browser, end: str) -> None:
    run(browser, "await window.release(given)", end)


@pytest.fixture
def picture_file(tmp_path, otters):
    path = tmp_path / "mine.png"
    otters.crop((100, 60, 420, 260)).save(path)
    return path


def test_what_is_opened_later_stays(held, picture_file):
    held.execute_script("sessionStorage.held = 'otters.json'")
    held.refresh()
    before = shown_source(held)
    one(held, "#file").send_keys(str(picture_file))
    assert "320×200" in ready(held, before)
    release(held, "otters.json")
    assert "320×200" in turned_to(held, "quality", 30)


def test_sliders_wait_for_what_is_being_opened(held, picture_file):
    before = shown_source(held)
    hold(held, "mine.png")
    one(held, "#file").send_keys(str(picture_file))
    held.execute_script("""const control = document.querySelector("#quality"); control.value = 30;
        control.dispatchEvent(new Event("change"));""")
    assert one(held, "#status").text == "Opening"
    release(held, "mine.png")
    assert "320×200" in ready(held, before)
    assert one(held, "#quality-out").text == "30"


def test_a_late_answer_about_another_quality_is_dropped(held, site):
    points = json.loads((site / "pictures" / "otters.json").read_text())["points"]
    path = {point["quality"]: site / "pictures" / point["mtm"] for point in points}
    rival = next(point["avif"] for point in points if point["quality"] == 5)
    hold(held, rival)
    held.execute_script("""const control = document.querySelector("#quality"); control.value = 5;
        control.dispatchEvent(new Event("change"));""")
    wanted = np.asarray(metamer.decode(path[5]), int)
    until(held, lambda: np.abs(canvas(held) - wanted).max() <= 1)
    status = turned_to(held, "quality", 70)
    release(held, rival)
    assert one(held, "#status").text == status and f"{path[70].stat().st_size:,} bytes" in status


def test_the_status_is_of_what_stands_beside(held, site):
    def choose(name: str) -> None:
        held.execute_script(
            """const control = document.querySelector("#rival"); control.value = arguments[0];
            control.dispatchEvent(new Event("change"));""",
            name,
        )

    points = json.loads((site / "pictures" / "otters.json").read_text())["points"]
    point = next(point for point in points if point["quality"] == 40)
    choose("JPEG")
    size = (site / "pictures" / point["jpeg"]).stat().st_size
    until(held, lambda: one(held, "#status").text.endswith(f". JPEG: {size:,} bytes"))
    hold(held, point["avif"])
    choose("AVIF")
    choose("JPEG")
    release(held, point["avif"])
    assert one(held, "#status").text.endswith(f". JPEG: {size:,} bytes")


def test_a_slider_that_is_being_moved_keeps_its_number(held, site):
    points = json.loads((site / "pictures" / "otters.json").read_text())["points"]
    stream = next(point["mtm"] for point in points if point["quality"] == 5)
    before = shown_source(held)
    hold(held, stream)
    held.execute_script("""const control = document.querySelector("#quality"); control.value = 5;
        for (const name of ["input", "change"]) control.dispatchEvent(new Event(name));
        control.value = 70;
        control.dispatchEvent(new Event("input"));""")
    release(held, stream)
    ready(held, before)
    assert one(held, "#quality-out").text == "70"


def test_the_divider(demo):
    from selenium.webdriver import Keys
    from selenium.webdriver.common.action_chains import ActionChains

    def place() -> float:
        script = (
            "return getComputedStyle(document.querySelector('#stage')).getPropertyValue('--at')"
        )
        return float(demo.execute_script(script).rstrip("%"))

    one(demo, "#divider").send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert place() == 52
    stage, width = one(demo, "#stage"), one(demo, "#stage").rect["width"]
    actions = (
        ActionChains(demo).move_to_element_with_offset(stage, -round(width / 4), 0).click_and_hold()
    )
    actions.move_by_offset(-round(width / 8), 0).release().perform()
    assert abs(place() - 12.5) < 1


def test_a_photograph_is_encoded(demo, picture_file):
    picture = Image.open(picture_file)
    before = shown_source(demo)
    one(demo, "#file").send_keys(str(picture_file))
    assert (
        "320×200" in ready(demo, before)
        and one(demo, "#save").get_attribute("download") == "mine.mtm"
    )
    data = bytes(
        run(
            demo,
            """const response = await fetch(document.querySelector("#save").href);
        return Array.from(new Uint8Array(await response.arrayBuffer()));""",
        )
    )
    assert data == metamer.encode(picture, int(one(demo, "#quality").get_attribute("value")))
    assert np.abs(canvas(demo) - np.asarray(metamer.decode(data), int)).max() <= 1
    before = shown_source(demo)
    one(demo, "#file").send_keys(str(FOLDER / f"{PHOTOGRAPH}.mtm"))
    assert "184×104" in ready(demo, before) and not one(demo, "#rival").is_enabled()


def test_damaged_files_are_reported(demo, site):
    one(demo, "#file").send_keys(str(site / "streams" / "damaged.mtm"))
    until(demo, lambda: "damaged" in one(demo, "#status").text)


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (400, "light"), (400, "dark")]
)
def test_it_fits(demo, width, scheme):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    demo.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    demo.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    try:
        assert demo.execute_script("return document.documentElement.scrollWidth") <= width
        ground = demo.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    finally:
        demo.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_pictures_anywhere(demo, server):
    """With the demo's service worker: <img>, srcset, a background; a damaged file is a broken
    picture.
    """
    demo.get(server.address + "plain.html")
    sizes = """return ["src", "srcset", "damaged"].map((id) => document.getElementById(id))
        .map((image) => image.complete && image.naturalWidth)"""
    until(demo, lambda: demo.execute_script(sizes) == [184, 72, 0])

    def background() -> np.ndarray:
        shot = Image.open(io.BytesIO(one(demo, "#background").screenshot_as_png))
        return np.asarray(shot.convert("RGB"), int)[9, 9]

    until(demo, lambda: np.abs(background() - (230, 20, 60)).max() < 12)
    quiet(demo, "damaged.mtm")


def test_it_works_offline(chromium, site):
    with Site(site) as server:
        address = server.address
        chromium.get(address)
        ready(chromium)
        until(
            chromium,
            lambda: (
                chromium.execute_script("return document.querySelector('#plain').naturalWidth")
                == 736
            ),
        )
        until(chromium, lambda: run(chromium, "return (await caches.keys()).length") == 2)
        server.shutdown()
    chromium.get(address)
    assert "736×414" in ready(chromium)
    until(
        chromium,
        lambda: (
            chromium.execute_script("return document.querySelector('#plain').naturalWidth") == 736
        ),
    )
    chromium.get("about:blank")
    chromium.get_log("browser")
