"""What the command and its functions are given besides good files: pipes, devices, names, closed
streams, and each other.
"""

import importlib
import io
import json
import os
import pty
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import metamer
from metamer.codec.errors import FileError, ImageError
from metamer.codec.picture.formats import FORMATS
from metamer.codec.picture.load import convert_picture, load_picture
from metamer.codec.picture.metadata import exif
from metamer.codec.system import atomic, files
from tests.codec.picture import crafting
from tests.codec.picture.crafting import saved
from tests.codec.picture.odd_files import PHOTO
from tests.conftest import run_metamer

METAMER = [sys.executable, "-m", "metamer.cli"]


@pytest.fixture
def photo(tmp_path) -> Path:
    PHOTO.save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def error_line(completed) -> str:
    """The one line of a run that failed."""
    lines = completed.stderr.decode().strip().splitlines()
    assert completed.returncode == 1 and len(lines) == 1 and "Traceback" not in lines[0], (
        completed.stderr.decode()
    )
    return lines[0]


# Orientation


def entry(kind: int, value: bytes, order: str = "<") -> bytes:
    """EXIF whose only entry is the orientation, of this type."""
    data = crafting.exif(6, order)
    return (
        data[:12]
        + kind.to_bytes(2, "little" if order == "<" else "big")
        + data[14:18]
        + value.ljust(4, b"\0")
        + data[22:]
    )


@pytest.mark.parametrize(
    "kind, value, order",
    [
        (4, b"\6", "<"),
        (4, b"\0\0\0\6", ">"),
        (1, b"\6", "<"),
        (1, b"\6", ">"),
        (3, b"\6", "<"),
        (8, b"\6", "<"),
        (9, b"\6", "<"),
    ],
)
@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP"])
def test_orientation_of_every_type_is_applied_once(kind, value, order, name):
    data = saved(PHOTO, name, exif=b"Exif\0\0" + entry(kind, value, order))
    loaded = load_picture(io.BytesIO(data))
    assert loaded.image.size == PHOTO.size[::-1] and exif.orientation(loaded.exif) == 1
    turned = PHOTO.transpose(Image.Transpose.ROTATE_270)
    if name == "PNG":
        assert loaded.image == turned
    saved_again = loaded.image.copy()
    saved_again.info["exif"] = loaded.exif
    assert convert_picture(saved_again).image == loaded.image


@pytest.mark.parametrize(
    "attributes",
    [
        b'tiff:Orientation="6"',
        b'tiff:Orientation=" 6 "',
        b"tiff:Orientation = '6'",
        b"<tiff:Orientation> 6 </tiff:Orientation>",
        b'tiff:Orientation="\n6"',
        b'xmlns:t="http://ns.adobe.com/tiff/1.0/" t:Orientation="6"',
    ],
)
@pytest.mark.parametrize("with_exif", [False, True])
def test_orientation_in_xmp_is_applied_once_and_becomes_1(attributes, with_exif):
    """Where EXIF says it too, EXIF decides."""
    packet = b"<x:xmpmeta><rdf:Description " + attributes + b" dc:title='6'/></x:xmpmeta>"
    data = saved(
        PHOTO,
        "WEBP",
        lossless=True,
        xmp=packet,
        exif=b"Exif\0\0" + crafting.exif(6) if with_exif else b"",
    )
    loaded = load_picture(io.BytesIO(data))
    assert loaded.image.size == PHOTO.size[::-1]
    assert (
        loaded.xmp == packet.replace(b"6", b"1", 1)
        if b"xmlns" not in attributes
        else loaded.xmp.count(b"6") == 1
    )


# What Pillow has one of for a whole process


def test_nothing_of_the_process_is_changed():
    """Concurrent calls left Pillow's limit and the filters of warnings changed."""
    filters, limit = list(warnings.filters), Image.MAX_IMAGE_PIXELS
    data, states, stop = saved(PHOTO, "PNG"), set(), threading.Event()

    def watch() -> None:
        while not stop.is_set():
            states.add((Image.MAX_IMAGE_PIXELS, tuple(map(str, warnings.filters))))

    def work(number: int) -> None:
        for _ in range(20):
            load_picture(io.BytesIO(data), max_pixels=10**9 + number)

    watcher = threading.Thread(target=watch)
    watcher.start()
    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    stop.set()
    watcher.join()
    assert states == {(limit, tuple(map(str, filters)))}


def test_only_the_caller_allows_large_pictures(monkeypatch):
    """By Pillow's own guard they are not: it is not asked."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert load_picture(io.BytesIO(saved(PHOTO, "PNG"))).image.size == PHOTO.size
    with pytest.raises(ImageError, match="at most 1000"):
        load_picture(io.BytesIO(saved(PHOTO, "PNG")), max_pixels=1000)


@pytest.mark.parametrize(
    "data",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
        b"\xc5\xd0\xd3\xc6" + bytes(40),
    ],
    ids=["PostScript", "PostScript with a preview"],
)
def test_no_input_starts_another_program(data, monkeypatch, tmp_path):
    """A Ghostscript of ours stands first on the path: it is not run."""
    program, marker = tmp_path / "gs", tmp_path / "ran"
    program.write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o755)
    (tmp_path / "a.png").write_bytes(data)
    completed = run_metamer(
        "encode", tmp_path / "a.png", env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    )
    assert "not a picture" in error_line(completed) and not marker.exists()
    assert not {"EPS", "PSD", "WMF", "FPX", "MIC"} & set(FORMATS)


# Files that appear meanwhile


@pytest.mark.parametrize("system", ["without names", "with names", "with names alone"])
def test_what_appears_meanwhile_is_not_replaced(system, monkeypatch, tmp_path):
    """Whether new files need no name, must have one, or cannot have two."""
    if system != "without names":
        monkeypatch.setattr(atomic, "_nameless", lambda folder: None)
    if system == "with names alone":

        def link(*_, **__):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", link)
    (tmp_path / "late").write_bytes(b"precious")
    with pytest.raises(FileError, match="late exists; use --force"):
        files.write_file(str(tmp_path / "late"), b"new", force=False)
    assert (tmp_path / "late").read_bytes() == b"precious"
    files.write_file(str(tmp_path / "new"), b"new", force=False)
    files.write_file(str(tmp_path / "late"), b"forced", force=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "late": b"forced",
        "new": b"new",
    }


@pytest.mark.parametrize("command, suffix", [("encode", ".mtm"), ("decode", ".jpg")])
def test_the_command_does_not_either(command, suffix, monkeypatch, photo):
    from tests.conftest import inside

    stream = photo.with_name("stream.mtm")
    stream.write_bytes(metamer.encode(photo))
    target = photo.with_name(f"out{suffix}")
    home = importlib.import_module(f"metamer.codec.{command}")
    before = getattr(home, command)

    def slow(*arguments, **options):
        target.write_bytes(b"precious")
        return before(*arguments, **options)

    monkeypatch.setattr(home, command, slow)
    completed = inside(command, photo if command == "encode" else stream, "-o", target)
    assert "exists; use --force" in error_line(completed) and target.read_bytes() == b"precious"
    assert (
        inside(
            command, photo if command == "encode" else stream, "-o", target, "--force"
        ).returncode
        == 0
    )
    assert target.read_bytes() != b"precious"


# Pipes, devices, streams


def test_a_pipe_is_read_once(photo, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for command, data, name in (
        ("encode", photo.read_bytes(), "a.mtm"),
        ("decode", metamer.encode(photo), "a.png"),
    ):
        writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(data,))
        writer.start()
        completed = run_metamer(command, tmp_path / "pipe", "-o", tmp_path / name)
        writer.join()
        assert completed.returncode == 0, completed.stderr.decode()
    assert (tmp_path / "a.mtm").read_bytes() == metamer.encode(photo)


def test_what_a_shell_substitutes(photo, tmp_path):
    script = f"{sys.executable} -m metamer.cli encode <(cat {photo}) -o {tmp_path}/a.mtm"
    completed = subprocess.run(["bash", "-c", script], capture_output=True, timeout=120)
    assert completed.returncode == 0, completed.stderr.decode()
    assert (tmp_path / "a.mtm").read_bytes() == metamer.encode(photo)


@pytest.mark.parametrize("command", ["encode", "decode", "info"])
def test_devices_that_have_no_end_are_refused(command, tmp_path):
    output = () if command == "info" else ("-o", tmp_path / "a.png")
    assert "is a device" in error_line(run_metamer(command, "/dev/zero", *output))


def run(arguments, closed: str, **options) -> subprocess.CompletedProcess:
    """The command from a shell that closes a standard stream."""
    return subprocess.run(
        ["bash", "-c", f'"$@" {closed}', "bash", *METAMER, *map(str, arguments)],
        timeout=120,
        capture_output=True,
        **options,
    )


@pytest.mark.parametrize(
    "arguments, closed, line",
    [
        (("encode", "-"), "<&-", "standard input is closed"),
        (("decode", "-"), "<&-", "standard input is closed"),
        (("info", "-"), "<&-", "standard input is closed"),
        (("info", "photo.mtm"), ">&-", "standard output is closed"),
        (("encode", "photo.png", "-o", "-"), ">&-", "standard output is closed"),
        (("decode", "photo.mtm", "-o", "-"), ">&-", "standard output is closed"),
    ],
)
def test_closed_streams_are_one_line(arguments, closed, line, photo):
    photo.with_suffix(".mtm").write_bytes(metamer.encode(photo))
    assert line in error_line(run(arguments, closed, cwd=photo.parent))


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_work_on_files_needs_no_streams(closed, photo):
    """And what is written holds nothing that was meant for a stream."""
    second_photo = photo.with_name("other.png")
    second_photo.write_bytes(photo.read_bytes())
    assert run(("encode", photo, second_photo), closed).returncode == 0
    assert (
        photo.with_suffix(".mtm").read_bytes()
        == second_photo.with_suffix(".mtm").read_bytes()
        == metamer.encode(photo)
    )
    assert (
        run(
            ("decode", photo.with_suffix(".mtm"), "-o", photo.with_name("back.png")), closed
        ).returncode
        == 0
    )
    decoded = np.asarray(Image.open(photo.with_name("back.png")))
    np.testing.assert_array_equal(decoded, np.asarray(metamer.decode(photo.with_suffix(".mtm"))))


# Names

ESCAPE = "a\x1b[31m\x07\x9b1mred\u202e.png"


def test_names_are_shown_without_what_a_terminal_obeys(tmp_path):
    (tmp_path / ESCAPE).write_bytes(b"nothing")
    PHOTO.save(tmp_path / f"good{ESCAPE}")
    completed = run_metamer("encode", tmp_path / ESCAPE)
    assert "\\x1b[31m\\x07\\x9b1mred\\u202e.png: is not a picture" in error_line(completed)
    assert run_metamer("encode", tmp_path / f"good{ESCAPE}").returncode == 0
    stream = (tmp_path / f"good{ESCAPE}").with_suffix(".mtm")
    for arguments in (
        ("info", stream),
        ("info", "--json", stream),
        ("decode", stream, "-o", tmp_path / f"no\x1b[0m{ESCAPE}/x.png"),
        ("encode", stream, "-o", f"{tmp_path}/x\x1b[31m.mtm"),
        ("encode", tmp_path / f"absent{ESCAPE}"),
    ):
        completed = run_metamer(*arguments)
        assert not {b"\x1b", b"\x07"} & {
            bytes([byte]) for byte in completed.stdout + completed.stderr
        }
        assert (
            b"Traceback" not in completed.stderr
            and b"\xe2\x80\xae" not in completed.stderr + completed.stdout
        )


def test_names_that_are_no_utf_8(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    PHOTO.save(tmp_path / name)
    (tmp_path / os.fsdecode(b"bad\xff.png")).write_bytes(b"nothing")
    completed = run_metamer(
        "encode", tmp_path / name, tmp_path / os.fsdecode(b"bad\xff.png"), "-j", 2
    )
    assert "bad\\xff.png: is not a picture" in error_line(completed)
    stream = tmp_path / os.fsdecode(b"caf\xe9.mtm")
    completed = run_metamer("info", stream)
    assert completed.returncode == 0 and b"caf\\xe9.mtm: 48x32" in completed.stdout
    assert json.loads(run_metamer("info", "--json", stream).stdout)["file"] == str(stream)


# What is given to the functions


def test_bytes_of_every_kind_and_open_files(photo):
    data = photo.read_bytes()
    expected = metamer.encode(photo)
    for source in (data, bytearray(data), memoryview(data), io.BytesIO(data), str(photo)):
        assert metamer.encode(source) == expected
    with photo.open("rb") as file:
        assert metamer.encode(file) == expected
    picture = metamer.decode(expected)
    for stream in (bytearray(expected), memoryview(expected), io.BytesIO(expected)):
        assert metamer.decode(stream) == picture
        if isinstance(stream, io.BytesIO):
            stream.seek(0)
        assert metamer.info(stream).width == 48
    with (
        photo.open("r", encoding="latin-1") as file,
        pytest.raises(FileError, match="opened as text"),
    ):
        metamer.encode(file)


@pytest.mark.parametrize("source", [None, 7, [1, 2], {"a": 1}, object()])
def test_what_is_no_picture_at_all(source):
    with pytest.raises(metamer.MetamerError, match=r"is not a"):
        metamer.encode(source)
    with pytest.raises(metamer.MetamerError, match=r"is not a"):
        metamer.decode(source)


@pytest.mark.parametrize("byte", range(256))
def test_files_of_one_byte(byte):
    with pytest.raises(ImageError, match="is not a picture"):
        metamer.encode(bytes([byte]))


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_pictures_without_pixels(size):
    with pytest.raises(ImageError, match=f"{size[0]}x{size[1]}"):
        metamer.encode(Image.new("RGB", size))
    with pytest.raises(ImageError, match="arrays must be"):
        metamer.encode(np.zeros((*size, 3), np.uint8))
    with pytest.raises(ImageError):
        metamer.encode(b"P6 %d %d 255\n" % size)


def test_a_chain_of_pages_is_not_walked(monkeypatch):
    """Their number was asked for, which takes time with the square of it: a megabyte of directories
    took four seconds.
    """
    data = saved(PHOTO, "TIFF", save_all=True, append_images=[PHOTO] * 40)
    frames = []
    from PIL import TiffImagePlugin

    before = TiffImagePlugin.TiffImageFile._seek
    monkeypatch.setattr(
        TiffImagePlugin.TiffImageFile,
        "_seek",
        lambda self, frame: frames.append(frame) or before(self, frame),
    )
    with pytest.raises(ImageError, match="several frames or pages"):
        load_picture(io.BytesIO(data))
    assert max(frames) <= 1


def test_what_libraries_print_stays_out_of_sight(tmp_path):
    """libtiff writes to standard error itself."""
    data = saved(PHOTO, "TIFF", compression="jpeg")
    assert data[8:12] == b"\xff\xd8\xff\xc0"
    # "JPEGLib: Unsupported marker type 0xf5."
    (tmp_path / "a.tif").write_bytes(data[:11] + b"\xf5" + data[12:])
    completed = run_metamer("encode", tmp_path / "a.tif")
    assert "a.tif: cannot be decoded" in error_line(completed)
    assert b"JPEGLib" in run_metamer("--debug", "encode", tmp_path / "a.tif").stderr


# Who watches is told


def watching(*arguments, **options) -> tuple[int, str]:
    """Exit status and what a terminal shows of standard error."""
    terminal, process_end = pty.openpty()
    process = subprocess.Popen([*METAMER, *map(str, arguments)], stderr=process_end, **options)
    os.close(process_end)
    output = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        output += part
    os.close(terminal)
    return process.wait(), output.decode()


def test_results_are_printed_to_a_terminal(photo, tmp_path):
    stream, decoded = photo.with_suffix(".mtm"), tmp_path / "back.png"
    status, output = watching("encode", "photo.png", "-q", 20, cwd=tmp_path)
    before, after = photo.stat().st_size, stream.stat().st_size
    bpp = f"{8 * after / (48 * 32):.2f} bpp"
    assert status == 0 and output.count("\n") == 1
    assert output.startswith(f"photo.png → photo.mtm {before / 1000:.1f} KB → {after} B, {bpp}, ")
    assert output.rstrip().endswith(" s")
    status, output = watching("decode", "photo.mtm", "-o", "back.png", cwd=tmp_path)
    assert status == 0 and output.count("\n") == 1
    assert output.startswith(
        f"photo.mtm → back.png {after} B → {decoded.stat().st_size / 1000:.1f} KB, 48x32, "
    )
    assert watching("encode", photo, "-f", "--quiet") == (0, "")
    assert watching("decode", stream, "-o", decoded, "-f", "--quiet") == (0, "")
    assert run_metamer("encode", photo, "-f").stderr == b""  # nobody watches


def test_several_files_are_reported_one_by_one(photo, tmp_path):
    PHOTO.save(tmp_path / "other.png")
    status, output = watching("encode", "photo.png", "other.png", "-j", 2, cwd=tmp_path)
    assert status == 0 and all(f"{name}.png → {name}.mtm " in output for name in ("photo", "other"))
    status, output = watching(
        "encode", "photo.png", "other.png", "absent.png", "-f", "--quiet", cwd=tmp_path
    )
    assert status == 1 and output.strip() == "metamer: absent.png: does not exist"
