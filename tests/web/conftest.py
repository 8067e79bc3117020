"""Models for browsers, Node, and Chromium; tests skip where a program is not there."""

import contextlib
import hashlib
import importlib.util
import shutil
import tempfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

import metamer
from metamer.bitstreams.check import FOLDER as STREAMS
from tests.conftest import ROOT
from tests.web import base
from tests.web.node import Node


@pytest.fixture(scope="session")
def models(pytestconfig) -> Path:
    """All shipped models, as `metamer export --web` writes them; kept for the next session while
    their sources stay.
    """
    pytest.importorskip("onnx")
    from metamer.codec.network import model
    from metamer.train.export import web
    from metamer.train.export.web.files import export_for_browsers

    sources = [
        *sorted(model.WEIGHTS.glob("*.[md]e*r")),
        *sorted(Path(web.__file__).parent.glob("*.py")),
    ]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    folder = Path(pytestconfig.cache.mkdir("web")) / digest[:16]
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
            for path in model.shipped_models():
                export_for_browsers(path.stem, Path(draft) / "models")
            with contextlib.suppress(OSError):  # another worker was first
                (Path(draft) / "models").rename(folder)
    return folder


SCRIPT_SECONDS = 300  # that a script in Chromium may take; machines may be busy


def program(name: str) -> str:
    path = shutil.which(name)
    if not path:
        pytest.skip(f"no {name} here")
    return path


@pytest.fixture(scope="session")
def node(models, tmp_path_factory):
    """The package in Node."""
    process = Node(program("node"), models, tmp_path_factory.mktemp("node") / "out")
    yield process
    process.close()


@pytest.fixture(scope="session")
def site(models, tmp_path_factory) -> Path:
    """The demo page as it is built, with the conformance streams and pages for tests beside it."""
    spec = importlib.util.spec_from_file_location("build", ROOT / "web" / "demo" / "build.py")
    assert spec and spec.loader
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    folder = tmp_path_factory.mktemp("site") / "site"
    build.build(folder, models)
    shutil.copytree(
        STREAMS, folder / "streams", ignore=shutil.ignore_patterns("*.py", "__pycache__")
    )
    for name, stem in (("photograph", base.PHOTOGRAPH), ("alpha", base.ALPHA), ("flat", base.FLAT)):
        shutil.copy(STREAMS / f"{stem}.mtm", folder / "streams" / f"{name}.mtm")
    stream = (STREAMS / f"{base.CROP}.mtm").read_bytes()
    (folder / "streams" / "damaged.mtm").write_bytes(stream[:-9] + b"\0" + stream[-8:])
    # enough pixels for a preview
    large = metamer.encode(Image.new("RGB", (640, 480), "teal"), lossless=True)
    (folder / "streams" / "lossless.mtm").write_bytes(large)
    for page in (Path(__file__).parent / "pages").iterdir():
        shutil.copy(page, folder)
    return folder


class Site(ThreadingHTTPServer):
    """A plain server of static files that counts what it sent."""

    daemon_threads = True

    def __init__(self, folder: Path):
        site, self.sent = self, 0

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *arguments):
                super().__init__(*arguments, directory=str(folder))

            def copyfile(self, source, target):
                data = source.read()
                site.sent += len(data)
                target.write(data)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


@pytest.fixture(scope="module")
def server(site):
    with Site(site) as running:
        yield running
        running.shutdown()


@contextlib.contextmanager
def headless_chromium(profile: Path, *arguments: str):
    """A headless Chromium with a profile of its own; more: arguments."""
    browser = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if not browser:
        pytest.skip("no Chromium here")
    driver = program("chromedriver")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in (
        "headless=new",
        "no-sandbox",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "disable-dev-shm-usage",
        f"user-data-dir={profile}",
        *arguments,
    ):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = webdriver.Chrome(options, webdriver.chrome.service.Service(driver))
    running.set_script_timeout(SCRIPT_SECONDS)
    # the driver answers when the script has ended
    running.command_executor.client_config.timeout = SCRIPT_SECONDS + 60
    yield running
    running.quit()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with headless_chromium(tmp_path_factory.mktemp("chromium"), "disable-gpu") as running:
        yield running
