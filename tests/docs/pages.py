"""Runs a page as a reader would: its blocks in order, in one folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

BLOCK = re.compile(
    r'^```(?P<language>\w+)(?: title="(?P<file>[^"\n]+)")?\n(?P<text>.*?)^```$',
    re.DOTALL | re.MULTILINE,
)


def run(page: str, folder: Path, packages: Path) -> str:
    """What the page's commands and programs print.

    Blocks of sh and Python are run, those with a file's name are written to it. What the page
    installs goes to the folder ``packages``.
    """
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(packages),
        "PIP_TARGET": str(packages),
        "PIP_NO_BUILD_ISOLATION": "0",  # pip's way to say that there is none
        "PIP_NO_DEPS": "1",
    }
    printed = []
    for block in BLOCK.finditer(page):
        if block["file"]:
            (folder / block["file"]).parent.mkdir(exist_ok=True)
            (folder / block["file"]).write_text(block["text"])
            continue
        if block["language"] == "sh":
            command = ["bash", "-euo", "pipefail", "-c", block["text"]]
        elif block["language"] == "python":
            command = [sys.executable, "-c", block["text"]]
        else:
            continue
        completed = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500
        )
        assert completed.returncode == 0, f"{block['text']}\n{completed.stdout}\n{completed.stderr}"
        printed.append(completed.stdout)
    return "".join(printed)
