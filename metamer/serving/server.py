"""`metamer serve`: a local page over a folder of `.mtm` files and pictures, which are decoded when
they are asked for.

Only pictures inside of the folder are served, and where the server listens to this machine alone,
only under names of this machine: a page from elsewhere whose own name points here (DNS rebinding)
is refused.
"""

import json
import mimetypes
import os
import socket
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, quote, unquote_to_bytes, urlsplit

from metamer.codec.errors import FileError, MetamerError
from metamer.codec.format.container import SUFFIX
from metamer.codec.system import files, terminal
from metamer.serving.folder import TYPES, Folder, decoded, describe, tag

PAGES = {"/": "index.html", "/viewer.js": "viewer.js", "/viewer.css": "viewer.css"}
LOCAL = ("localhost", "127.0.0.1", "::1")
MOST_DIGITS = 20  # of a number of bytes
PIECE = 1 << 20  # bytes of a file that are read at a time
POLICY = (
    "default-src 'self'; img-src 'self' blob:; style-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)


class RefusedError(Exception):
    """Ends a request with a status."""

    def __init__(self, status: HTTPStatus, reason: str = ""):
        super().__init__(reason or status.phrase)
        self.status = status


def requested_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one behind the last of what a Range header asks for; None for everything.
    Numbers of more than `MOST_DIGITS` are beyond the end of any file.

    Several ranges are answered with everything, as RFC 9110 allows. Raises RefusedError for one
    beyond the end.
    """
    if not header or not header.startswith("bytes=") or "," in header:
        return None
    first, dash, last = header[len("bytes=") :].strip().partition("-")
    if (
        not dash
        or not (first or last)
        or not all(part == "" or (part.isascii() and part.isdigit()) for part in (first, last))
    ):
        return None
    first, last = (
        part if len(part) <= MOST_DIGITS else "9" * MOST_DIGITS for part in (first, last)
    )
    begin, end = (
        (int(first), int(last) + 1 if last else size) if first else (max(0, size - int(last)), size)
    )
    if first and last and int(last) < int(first):
        return None
    if begin >= size or (not first and not int(last)):
        raise RefusedError(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
    return begin, min(end, size)


def split_address(address: str) -> SplitResult:
    """Parts of an address. Raises RefusedError for what is none."""
    try:
        return urlsplit(address)
    except ValueError:
        raise RefusedError(HTTPStatus.BAD_REQUEST) from None


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD of the viewer, the list of pictures, their bytes, what they say of themselves,
    and what they look like.
    """

    protocol_version = "HTTP/1.1"
    server_version = "metamer"
    sys_version = ""
    server: "Server"

    def do_GET(self) -> None:
        try:
            self._check_host()
            self._answer()
        except RefusedError as refused:
            self._send(str(refused).encode(), "text/plain; charset=utf-8", status=refused.status)
        except (FileNotFoundError, PermissionError, FileError):  # gone since it was found
            status = HTTPStatus.NOT_FOUND
            self._send(status.phrase.encode(), "text/plain; charset=utf-8", status=status)
        except MetamerError as problem:
            self._send(
                str(problem).encode(),
                "text/plain; charset=utf-8",
                status=HTTPStatus.UNPROCESSABLE_ENTITY,
            )
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_HEAD = do_GET

    def _check_host(self) -> None:
        host = split_address(f"//{self.headers.get('Host', '')}").hostname
        if self.server.local and host not in LOCAL:
            raise RefusedError(HTTPStatus.FORBIDDEN, "this page is for this machine alone")

    def _answer(self) -> None:
        address = split_address(self.path)
        if address.path in PAGES:
            name = PAGES[address.path]
            data = resources.files("metamer").joinpath("viewer", name).read_bytes()
            return self._send(data, f"{mimetypes.guess_type(name)[0]}; charset=utf-8")
        if address.path == "/list":
            return self._send_json(
                [
                    {"name": terminal.printable(name), "address": quote(os.fsencode(name))}
                    for name in self.server.folder.names()
                ]
            )
        _, kind, name = (*address.path.split("/", 2), "", "")[:3]
        path = self.server.folder.find(os.fsdecode(unquote_to_bytes(name)))
        if path is None or kind not in ("file", "info", "picture"):
            raise RefusedError(HTTPStatus.NOT_FOUND)
        stream = path.suffix.lower() == SUFFIX
        if kind == "info":
            return self._send_json(describe(path) if stream else {"bytes": path.stat().st_size})
        if kind == "picture" and stream:
            options = self._options(parse_qs(address.query, keep_blank_values=True))
            etag = tag(path, *options.values())
            return self._send(decoded(path, etag, **options), "image/png", etag)
        return self._send_file(path)

    @staticmethod
    def _options(query: dict[str, list[str]]) -> dict:
        try:
            realism = float(query["realism"][0]) if "realism" in query else None
        except ValueError:
            realism = -1.0
        if realism is not None and not 0 <= realism <= 1:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "realism is a number from 0 to 1")
        decoder = query.get("decoder", [None])[0]
        if decoder and ("/" in decoder or "\\" in decoder or "." in decoder):  # a file
            raise RefusedError(HTTPStatus.BAD_REQUEST, "decoder is the name of a shipped decoder")
        return {"preview": "preview" in query, "decoder": decoder, "realism": realism}

    def _send_json(self, value: object) -> None:
        self._send(json.dumps(value).encode(), "application/json")

    def _head(self, size: int, kind: str, etag: str | None, status: HTTPStatus) -> tuple[int, int]:
        """Sends the status and headers; returns which of the ``size`` bytes are to follow."""
        begin, end = 0, size
        if etag and etag in self.headers.get("If-None-Match", ""):
            status, end = HTTPStatus.NOT_MODIFIED, 0
        elif status == HTTPStatus.OK and etag and self.headers.get("If-Range", etag) == etag:
            part = requested_range(self.headers.get("Range"), size)
            if part:
                (begin, end), status = part, HTTPStatus.PARTIAL_CONTENT
        self.send_response(status)
        if etag:
            self.send_header("ETag", etag)
            self.send_header("Accept-Ranges", "bytes")
        if status == HTTPStatus.PARTIAL_CONTENT:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{size}")
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(end - begin))
        for name, value in (
            ("Cache-Control", "no-cache"),
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", POLICY),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ):
            self.send_header(name, value)
        self.end_headers()
        return begin, 0 if self.command == "HEAD" else end

    def _send(
        self, data: bytes, kind: str, etag: str | None = None, status: HTTPStatus = HTTPStatus.OK
    ) -> None:
        begin, end = self._head(len(data), kind, etag, status)
        self.wfile.write(data[begin:end])

    def _send_file(self, path: Path) -> None:
        with path.open("rb") as file:
            begin, end = self._head(
                path.stat().st_size, TYPES[path.suffix.lower()], tag(path), HTTPStatus.OK
            )
            file.seek(begin)
            while begin < end and (piece := file.read(min(PIECE, end - begin))):
                self.wfile.write(piece)
                begin += len(piece)

    def log_message(self, format: str, *values: object) -> None:
        """Nothing: the command says where it listens, and no more."""


class Server(ThreadingHTTPServer):
    """Serves a folder. local: to this machine alone. Raises FileError where it cannot
    listen there.
    """

    daemon_threads = True

    def __init__(self, folder: Path, host: str, port: int):
        self.folder = Folder(folder)
        try:
            family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            self.address_family = family
            super().__init__(place[:2], Handler)  # type: ignore[arg-type]
        except OSError as problem:
            raise FileError(
                f"cannot listen on {host}, port {port}: {files.reason(problem)}"
            ) from None
        self.local = host in LOCAL

    @property
    def address(self) -> str:
        """What a browser takes."""
        host, port = self.server_address[:2]
        return f"http://{f'[{host!s}]' if ':' in str(host) else host!s}:{port}/"
