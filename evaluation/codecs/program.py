"""Codecs that are programs: a TOML file with the commands that encode and decode.

    encode = "cwebp -quiet -m 6 -q {quality} {input} -o {output}"
    decode = "dwebp -quiet {input} -o {output}"
    suffix = ".webp"                    # of what encode writes; default .bin
    picture = ".png"                    # what encode reads and decode writes; the default
    settings = [5, 20, 40, 60, 80, 95]  # a few over the useful range, by rising rate
    # all settings there are: first, last and, if not 1, the step between; default: settings
    ladder = [0, 100]
    version = "cwebp -version"          # prints, in its first line, what makes the bytes

A command is split as a shell would split it and run without one; {input}, {output} and {quality}
are put in afterwards, so that names with spaces stay whole.
"""

import hashlib
import io
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from metamer.codec.errors import FileError, ImageError, MetamerError
from metamer.codec.picture import pixels
from metamer.codec.system import files
from metamer.evaluation.codecs.interface import CallCost, Codec

SUFFIX = ".toml"
NEEDED = {"encode": ("{input}", "{output}", "{quality}"), "decode": ("{input}", "{output}")}
KEYS = {
    "encode": str,
    "decode": str,
    "suffix": str,
    "picture": str,
    "settings": list,
    "ladder": list,
    "version": str,
}
# A parent's own memory counts in what the system says of the peak of a program that it starts, so a
# small one starts it: an interpreter without packages, about 10 MiB
LAUNCHER = """
import json, os, subprocess, sys, time
begun = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=sys.stderr)
if hasattr(os, "wait4"):
    _, status, usage = os.wait4(child.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    peak = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
else:
    code, peak = child.wait(), None
print(json.dumps([code, time.perf_counter() - begun, peak]))
"""


@dataclass(frozen=True)
class ProgramCodec(Codec):
    """A codec of two commands. Its `CallCost`: seconds of the program alone, start included; peak
    resident MiB of the largest of its processes, no less than the 10 MiB of the interpreter that
    starts it.
    """

    commands: tuple[Sequence[str], Sequence[str]] = ((), ())
    suffixes: tuple[str, str] = (".png", ".bin")  # of pictures and of streams

    def encode_timed(self, picture: Image.Image, setting: float) -> tuple[bytes, CallCost]:
        return self._through(
            self.commands[0], self.suffixes, _file_bytes(picture, self.suffixes[0]), f"{setting:g}"
        )

    def decode_timed(self, data: bytes) -> tuple[Image.Image, CallCost]:
        decoded, cost = self._through(self.commands[1], self.suffixes[::-1], data)
        try:
            return pixels.read_rgb(io.BytesIO(decoded)), cost
        except ImageError as problem:
            raise MetamerError(f"{self.name}: what decode wrote {problem}") from None

    def _through(
        self, command: Sequence[str], suffixes: tuple[str, str], data: bytes, quality: str = ""
    ) -> tuple[bytes, CallCost]:
        """What a command makes of the bytes of a file."""
        with tempfile.TemporaryDirectory() as folder:
            source, target = (
                Path(folder, f"{name}{suffix}")
                for name, suffix in zip(("in", "out"), suffixes, strict=True)
            )
            source.write_bytes(data)
            values = {"{input}": str(source), "{output}": str(target), "{quality}": quality}
            cost = run_program([_substituted(word, values) for word in command], self.name)
            if not target.exists():
                raise MetamerError(
                    f"{self.name}: {command[0]} ended well but wrote nothing to {{output}}"
                )
            return target.read_bytes(), cost


def _file_bytes(picture: Image.Image, suffix: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, Image.registered_extensions()[suffix])
    return buffer.getvalue()


def _substituted(word: str, values: dict[str, str]) -> str:
    for place, value in values.items():
        word = word.replace(place, value)
    return word


def run_program(command: Sequence[str], name: str) -> CallCost:
    """Runs a program to its end. Raises MetamerError with the last line it said where it fails."""
    completed = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCHER, *command], capture_output=True
    )
    code, seconds, peak = (
        json.loads(completed.stdout)
        if completed.returncode == 0
        else (completed.returncode, 0.0, None)
    )
    if code:
        lines = completed.stderr.decode(errors="replace").strip().splitlines() or [
            "it said nothing"
        ]
        raise MetamerError(f"{name}: {command[0]} failed ({code}): {lines[-1].strip()}")
    return CallCost(seconds, peak)


def program_codec(path: str) -> ProgramCodec:
    """The codec that a TOML file describes, named by the file's path. Raises FileError,
    MetamerError.
    """
    try:
        text = Path(path).read_text()
        keys = tomllib.loads(text)
    except OSError as problem:
        raise FileError(f"{path}: {files.reason(problem)}") from None
    except ValueError as problem:
        raise MetamerError(f"{path}: {problem}") from None
    _check_keys(keys, path)
    commands = {
        name: shlex.split(keys[name]) for name in ("encode", "decode", "version") if name in keys
    }
    for name, command in commands.items():
        if not command or shutil.which(command[0]) is None:
            raise MetamerError(
                f"{path}: {name} needs the program '{''.join(command[:1])}', which is not installed"
            )
    version = hashlib.sha256(text.encode()).hexdigest()[:8]
    if "version" in commands:
        completed = subprocess.run(
            commands["version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        version = (
            f"{completed.stdout.decode(errors='replace').strip().splitlines()[0]} {version}"
            if completed.stdout
            else version
        )
    settings = keys["settings"]
    ladder = _ladder_settings(keys["ladder"]) if "ladder" in keys else settings
    codec = ProgramCodec(
        path,
        path,
        version,
        settings,
        ladder,
        lambda picture, setting: codec.encode_timed(picture, setting)[0],
        lambda data: codec.decode_timed(data)[0],
        commands=(commands["encode"], commands["decode"]),
        suffixes=(keys.get("picture", ".png"), keys.get("suffix", ".bin")),
    )
    for setting in settings:
        codec.check(setting)
    return codec


def _check_keys(keys: dict[str, object], path: str) -> None:
    """Raises MetamerError for what a file lacks, has too much of, or has wrong."""
    if strange := keys.keys() - KEYS.keys():
        raise MetamerError(f"{path}: there is no key '{min(strange)}'; known are {', '.join(KEYS)}")
    if lacking := {"encode", "decode", "settings"} - keys.keys():
        raise MetamerError(f"{path}: {min(lacking)} is missing")
    for key, value in keys.items():
        if not isinstance(value, KEYS[key]):
            raise MetamerError(
                f"{path}: {key} must be "
                f"{'a list of numbers' if KEYS[key] is list else 'text in quotes'}"
            )
    for name, places in NEEDED.items():
        if absent := [place for place in places if place not in keys[name]]:
            raise MetamerError(f"{path}: {name} lacks {absent[0]}")
    for name in ("settings", "ladder"):
        if not all(type(number) in (int, float) for number in keys.get(name, [])):
            raise MetamerError(f"{path}: {name} must be a list of numbers")
    if not keys["settings"]:
        raise MetamerError(f"{path}: settings is empty")
    if keys.get("picture", ".png") not in Image.registered_extensions():
        raise MetamerError(f"{path}: Pillow writes no '{keys['picture']}' files")
    limits = keys.get("ladder", [0, 1])
    if len(limits) not in (2, 3) or limits[0] == limits[1] or (len(limits) == 3 and limits[2] <= 0):
        raise MetamerError(f"{path}: ladder must be first, last and, if not 1, the step between")
    try:
        for name in NEEDED:
            shlex.split(keys[name])
    except ValueError as problem:
        raise MetamerError(f"{path}: {name}: {problem}") from None


def _ladder_settings(limits: Sequence[float]) -> Sequence[float]:
    """From first to last, rising or falling as they do."""
    first, last, step = (*limits, 1)[:3]
    step = step if last > first else -step
    if all(isinstance(number, int) for number in limits):
        return range(first, last + (1 if step > 0 else -1), step)
    return [first + step * index for index in range(round((last - first) / step) + 1)]
