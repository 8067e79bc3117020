"""`metamer serve`."""

import http.client
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from urllib.parse import quote

import pytest
from PIL import Image

import metamer
from metamer.bitstreams.check import FOLDER
from metamer.codec.errors import FileError
from metamer.codec.network.model import load_model
from metamer.serving.folder import Folder
from metamer.serving.server import Server
from tests.conftest import inside

STREAM, OTHER = (f"{load_model('base').id.hex()}-crop-64x64-q{quality}.mtm" for quality in (50, 0))


@pytest.fixture
def folder(tmp_path):
    """A folder with pictures, and what must stay unseen in it and around it."""
    folder = tmp_path / "pictures"
    (folder / "deep er").mkdir(parents=True)
    shutil.copy(FOLDER / STREAM, folder / "a.mtm")
    Image.new("RGB", (5, 4), "red").save(folder / "deep er" / "ü #1.png")
    for name in ("notes.txt", ".hidden.png", "page.html"):
        (folder / name).write_bytes(b"secret")
    (tmp_path / "outside.png").write_bytes(b"secret")
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    (folder / "text.png").symlink_to(folder / "notes.txt")
    (folder / "damaged.mtm").write_bytes((FOLDER / STREAM).read_bytes()[:-3])
    return folder


@pytest.fixture
def fetch(folder):
    """Sends a request; returns the response and its body."""
    with Server(folder, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def fetch(path, method="GET", **headers):
            connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1])
            connection.request(
                method,
                path,
                headers={key.replace("_", "-"): value for key, value in headers.items()},
            )
            response = connection.getresponse()
            return response, response.read()

        yield fetch
        server.shutdown()


def test_lists_and_shows_what_is_there(fetch, folder):
    names = [entry["name"] for entry in json.loads(fetch("/list")[1])]
    assert names == ["a.mtm", "damaged.mtm", "deep er/ü #1.png"]
    assert fetch("/file/a.mtm")[1] == (folder / "a.mtm").read_bytes()
    response, data = fetch("/picture/" + quote("deep er/ü #1.png"))
    assert (
        response.headers["Content-Type"] == "image/png"
        and data == (folder / "deep er" / "ü #1.png").read_bytes()
    )
    response, data = fetch("/picture/a.mtm")
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.tobytes() == metamer.decode(folder / "a.mtm").tobytes()
    assert json.loads(fetch("/info/a.mtm")[1])["width"] == 64


@pytest.mark.parametrize(
    "path",
    [
        "/file/../outside.png",
        "/file/%2e%2e/outside.png",
        "/file/..%2foutside.png",
        "/file//etc/passwd",
        "/file/link.png",
        "/file/notes.txt",
        "/file/.hidden.png",
        "/file/page.html",
        "/file/text.png",
        "/file/",
        "/file",
        "/other/a.mtm",
        "/picture/no.mtm",
        "/file/a.mtm%00.png",
        "/file/deep er/../a.mtm",
        "/viewer/../cli.py",
        "/%2e%2e/cli.py",
        "foo",
    ],
)
def test_nothing_else(fetch, path):
    response, body = fetch(path.replace(" ", "%20"))
    assert response.status == 404 and b"secret" not in body


def test_names_that_are_no_text(fetch, folder):
    (folder / os.fsdecode(b"\xff\n.png")).write_bytes(
        (folder / "deep er" / "ü #1.png").read_bytes()
    )
    entry = next(entry for entry in json.loads(fetch("/list")[1]) if "xff" in entry["name"])
    assert entry == {"name": "\\xff\\n.png", "address": "%FF%0A.png"}
    assert fetch(f"/file/{entry['address']}")[1].startswith(b"\x89PNG")


def test_ranges(fetch, folder):
    contents = (folder / "a.mtm").read_bytes()
    size = len(contents)
    for range_header, part in (
        ("0-3", contents[:4]),
        ("10-", contents[10:]),
        ("-5", contents[-5:]),
        (f"0-{size * 2}", contents),
    ):
        response, data = fetch("/file/a.mtm", Range=f"bytes={range_header}")
        assert response.status == 206 and data == part
        start = size - len(part) if range_header[0] == "-" or range_header[-1] == "-" else 0
        assert response.headers["Content-Range"] == f"bytes {start}-{start + len(part) - 1}/{size}"
    many = "9" * 5000
    for range_header, part in ((f"1-{many}", contents[1:]), (f"-{many}", contents)):
        response, data = fetch("/file/a.mtm", Range=f"bytes={range_header}")
        assert response.status == 206 and data == part
    for range_header in (f"{size}-", "-0", f"{many}-", f"{many}-{many}"):
        assert fetch("/file/a.mtm", Range=f"bytes={range_header}")[0].status == 416
    # answered with everything
    for range_header in ("bytes=5-3", "bytes=x-3", "bytes=1-2,4-5", "lines=1-2", "bytes=-"):
        response, data = fetch("/file/a.mtm", Range=range_header)
        assert response.status == 200 and data == contents
    assert fetch("/file/a.mtm", Range="bytes=0-3", If_Range='"other"')[1] == contents


@pytest.mark.parametrize("path", ["/file/a.mtm", "/picture/a.mtm", "/info/a.mtm"])
def test_a_file_that_is_gone_after_it_was_found(fetch, folder, path, monkeypatch):
    monkeypatch.setattr(Folder, "find", lambda self, name: self.root / "gone.mtm")
    response, body = fetch(path)
    assert response.status == 404 and body == b"Not Found"


def test_a_host_that_is_none(fetch):
    assert fetch("/list", Host="[")[0].status == 400


def test_etags(fetch, folder):
    for path in ("/file/a.mtm", "/picture/a.mtm", "/picture/a.mtm?preview"):
        etag = fetch(path)[0].headers["ETag"]
        response, data = fetch(path, If_None_Match=etag)
        assert response.status == 304 and data == b"" and response.headers["ETag"] == etag
    assert (
        fetch("/picture/a.mtm")[0].headers["ETag"]
        != fetch("/picture/a.mtm?preview")[0].headers["ETag"]
    )
    before = fetch("/file/a.mtm")[0].headers["ETag"]
    shutil.copy(FOLDER / OTHER, folder / "a.mtm")
    assert fetch("/file/a.mtm", If_None_Match=before)[0].status == 200


def test_options(fetch, folder):
    if "realism" in metamer.info(folder / "a.mtm").decoders:
        assert fetch("/picture/a.mtm")[1] != fetch("/picture/a.mtm?realism=1")[1]
    coarse = Image.open(io.BytesIO(fetch("/picture/a.mtm?preview")[1]))
    assert coarse.tobytes() == metamer.decode(folder / "a.mtm", preview=True).tobytes()
    for query in (
        "realism=2",
        "realism=",
        "realism=x",
        "realism=nan",
        "decoder=../../x",
        "decoder=x.decoder",
    ):
        assert fetch(f"/picture/a.mtm?{query}")[0].status == 400
    for path in ("/picture/a.mtm?decoder=none", "/picture/damaged.mtm", "/info/damaged.mtm"):
        response, body = fetch(path)
        assert response.status == 422 and len(body.splitlines()) == 1


def test_heads_and_other_methods(fetch):
    response, data = fetch("/file/a.mtm", "HEAD")
    assert response.status == 200 and int(response.headers["Content-Length"]) > 100 and data == b""
    assert fetch("/list", "POST")[0].status == 501


def test_other_hosts_are_refused(fetch):
    assert fetch("/list", Host="evil.example")[0].status == 403
    assert fetch("/list", Host="localhost:1")[0].status == 200


def test_the_viewer(fetch):
    response, page = fetch("/")
    assert (
        b"viewer.js" in page and "default-src 'self'" in response.headers["Content-Security-Policy"]
    )
    assert fetch("/viewer.js")[0].headers["Content-Type"].startswith("text/javascript")


def test_the_command(folder):
    # what a shell starts in the background, these tests maybe, ignores the signal
    process = subprocess.Popen(
        [sys.executable, "-m", "metamer.cli", "serve", folder, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    address = process.stdout.readline().strip()
    connection = http.client.HTTPConnection(address.removeprefix("http://").rstrip("/"))
    connection.request("GET", "/list")
    assert connection.getresponse().status == 200
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and errors == "metamer: interrupted\n"
    assert inside("serve", folder / "none").returncode == 1
    with (
        Server(folder, "127.0.0.1", 0) as server,
        pytest.raises(FileError, match="cannot listen"),
    ):
        Server(folder, "127.0.0.1", server.server_address[1])
