"""The browser's code in Node, asked from Python."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

DRIVER = Path(__file__).with_name("driver.mjs")


class Refused(Exception):
    """What the JavaScript threw. name: of its class."""

    def __init__(self, name: str, message: str):
        super().__init__(f"{name}: {message}")
        self.name = name


class Node:
    """One process of `driver.mjs`, with the models in ``folder``; results that are large go through
    ``out``.
    """

    def __init__(self, program: str, folder: Path, out: Path):
        self._out = out
        self._process = subprocess.Popen(
            [program, str(DRIVER), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, method: str, data: bytes | Path, **options: Any) -> Any:
        """The plain result. Raises Refused."""
        source = (
            {"path": str(data)}
            if isinstance(data, Path)
            else {"base64": base64.b64encode(data).decode()}
        )
        request = {"method": method, "options": options, "out": str(self._out), **source}
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "problem" in answer:
            raise Refused(**answer["problem"])
        return answer["result"]

    def bytes(self, method: str, data: bytes | Path, **options: Any) -> bytes:
        """What was written. Raises Refused."""
        self.ask(method, data, **options)
        return self._out.read_bytes()

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()
