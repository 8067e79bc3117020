"""Decoding in Chromium against Python, one thread each, and the first picture on a cold cache.

    OMP_NUM_THREADS=1 python research/benchmarks/browser.py

Processor time, so that other work on the machine counts little: of this process, and of all of
Chromium's. Python and Chromium take turns. `python research/benchmarks/browser.py PICTURE …` takes
other photographs.
"""

import argparse
import shutil
import statistics
import tempfile
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
from PIL import Image
from selenium import webdriver

import metamer
from metamer.train.export.web.files import export_for_browsers

ROOT = Path(__file__).parents[2]
SIZE, BPP = (768, 512), 0.5
PAGE = """<!doctype html><link rel="icon" href="data:,"><script type="module">
import { configure, decode } from "./metamer/src/index.js";
configure({ models: "models/" });
window.again = async (options) => { await decode(window.bytes, options); };
window.first = (async () => {
  window.bytes = new Uint8Array(await (await fetch("photo.mtm")).arrayBuffer());
  const times = [];
  for (const preview of [true, false]) { await decode(window.bytes, { preview }); times.push(performance.now() / 1000); }
  return times;
})();
</script>"""
ASK = "const done = arguments[arguments.length - 1]; window.again(arguments[0]).then(() => done(null))"
CHROMIUM = {  # what is timed there → options of decode
    "Chromium": {},
    "Chromium, fast": {"decoder": "fast"},
    "Chromium, preview": {"preview": True},
}
FLAGS = (
    "headless=new",
    "no-sandbox",
    "disable-gpu",
    "disable-quic",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
    "disable-dev-shm-usage",
)


class Server(ThreadingHTTPServer):
    """Serves a folder and counts bytes of bodies."""

    def __init__(self, folder: Path):
        server, self.sent = self, 0

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *arguments):
                super().__init__(*arguments, directory=str(folder))

            def copyfile(self, source, target):
                data = source.read()
                server.sent += len(data)
                target.write(data)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def chromium(profile: str) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for flag in (*FLAGS, f"user-data-dir={profile}"):
        options.add_argument(f"--{flag}")
    browser = webdriver.Chrome(
        options, webdriver.chrome.service.Service(shutil.which("chromedriver"))
    )
    browser.set_script_timeout(600)
    return browser


def processor_seconds(browser: webdriver.Chrome) -> float:
    """Of Chromium's processes together."""
    total = 0.0
    for process in psutil.Process(browser.service.process.pid).children(recursive=True):
        times = process.cpu_times()
        total += times.user + times.system
    return total


def measure(photograph: Path, runs: int) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "site"
        folder.mkdir()
        for part in ("src", "kernels"):
            shutil.copytree(ROOT / "web" / part, folder / "metamer" / part)
        export_for_browsers("base", folder / "models")
        picture = Image.open(photograph).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)
        data = metamer.encode(picture, bpp=BPP, threads=1)
        (folder / "photo.mtm").write_bytes(data)
        (folder / "index.html").write_text(PAGE)
        with Server(folder) as server:
            browser = chromium(str(Path(temporary) / "profile"))
            browser.get("about:blank")
            before = processor_seconds(browser)
            browser.get(f"http://127.0.0.1:{server.server_address[1]}/")
            first_times = browser.execute_async_script(
                "const done = arguments[0]; window.first.then(done)"
            )
            cold, sent = processor_seconds(browser) - before, server.sent
            seconds_by_name: dict[str, list[float]] = {name: [] for name in ("Python", *CHROMIUM)}
            for _ in range(runs):
                start = time.process_time()
                metamer.decode(data, threads=1)
                seconds_by_name["Python"].append(time.process_time() - start)
                for name, options in CHROMIUM.items():
                    before = processor_seconds(browser)
                    browser.execute_async_script(ASK, options)
                    seconds_by_name[name].append(processor_seconds(browser) - before)
            version = browser.capabilities["browserVersion"]
            print(f"{photograph.name}, {SIZE[0]}x{SIZE[1]}, {len(data)} bytes, Chromium {version}")
            browser.quit()
            server.shutdown()
    print(
        f"cold cache: {sent} bytes fetched, preview after {first_times[0]:.2f} s by the clock, picture "
        f"after {first_times[1]:.2f} s; "
        f"processor {cold:.2f} s, Chromium's own start of a page among them"
    )
    python = statistics.median(seconds_by_name["Python"])
    for name, seconds in seconds_by_name.items():
        median = statistics.median(seconds)
        print(
            f"{name}: median {median:.3f} s of {runs}, least {min(seconds):.3f} s, "
            f"{median / python:.2f} times Python"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "pictures", nargs="*", type=Path, default=[ROOT / "examples" / "otters.png"]
    )
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    for path in options.pictures:
        measure(path, options.runs)
