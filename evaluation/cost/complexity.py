"""What codecs take on one picture: multiply-accumulates, parameters, seconds by threads, memory."""

import statistics
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from metamer.codec.system import jobs
from metamer.evaluation.codecs.interface import Codec, nearest_setting
from metamer.evaluation.codecs.registry import get_codec
from metamer.evaluation.cost import machine, subprocesses
from metamer.evaluation.images import read_image, save_image
from metamer.evaluation.progress import tracked

THREADS = (1, 2)


def measure_complexity(
    names: Sequence[str],
    path: Path,
    bpp: float = 0.5,
    runs: int = 5,
    threads: Sequence[int] = THREADS,
) -> dict:
    """What codecs take on one picture, each at its setting nearest to a rate.

    Args:
        names: `evaluation.codecs.registry.get_codec`.
        path: The picture.
        bpp: The rate in bits a pixel.
        runs: A median is taken of so many, after one that does not count.
        threads: Numbers of threads; a codec runs in a process of its own, bound to as many cores.

    Returns:
        Ready for JSON: machine (`machine.conditions`); bare_peak_mib, peak resident MiB of a
        process that has imported this package and nothing else; codecs. A codec has name, version,
        setting, width, height, bytes, bpp; encoder_kmac, decoder_kmac (thousands of
        multiply-accumulates a pixel, convolutions and matrix products) and parameters, null of what
        is no network; encode_seconds and decode_seconds by number of threads, null where there are
        not so many cores; encode_peak_mib and decode_peak_mib (`SubprocessCost.peak`, on the fewest
        threads).

    Raises:
        MetamerError: An unknown codec, or one that fails.
    """
    picture = read_image(path)
    codecs = [get_codec(name) for name in dict.fromkeys(names)]
    with tempfile.TemporaryDirectory() as folder:
        original, stream = Path(folder, "picture.png"), Path(folder, "stream")
        save_image(picture, original)
        rows = []
        for codec in tracked(codecs, "codec"):
            area = picture.width * picture.height
            setting = nearest_setting(partial(codec.encode, picture), codec.ladder, bpp * area / 8)
            row = {
                "codec": codec.name,
                "version": codec.version,
                "setting": setting,
                "width": picture.width,
                "height": picture.height,
            } | network_figures(codec, picture, setting)
            for way in subprocesses.DIRECTIONS:
                costs = {
                    number: subprocesses.run_in_subprocess(
                        codec.spec, way, original, stream, setting, runs + 1, number
                    )
                    if number <= jobs.available_cores()
                    else None
                    for number in sorted(threads)
                }
                row[f"{way}_seconds"] = {
                    number: cost and statistics.median(cost.seconds[1:])
                    for number, cost in costs.items()
                }
                row[f"{way}_peak_mib"] = next((cost.peak for cost in costs.values() if cost), None)
            size = stream.stat().st_size
            rows.append(row | {"bytes": size, "bpp": 8 * size / area})
        bare = subprocesses.run_in_subprocess("", subprocesses.IDLE, original, stream, 0).peak
    return {"machine": machine.conditions(), "bare_peak_mib": bare, "codecs": rows}


def network_figures(by: Codec, picture: Image.Image, setting: float) -> dict[str, float | None]:
    """encoder_kmac, decoder_kmac and parameters."""
    if by.count is None:
        return {"encoder_kmac": None, "decoder_kmac": None, "parameters": None}
    count, unit = by.count(picture, setting), 1000 * picture.width * picture.height
    return {
        "encoder_kmac": count.encoder / unit,
        "decoder_kmac": count.decoder / unit,
        "parameters": count.parameters,
    }


def complexity_table(result: dict) -> str:
    """For people."""
    rows = result["codecs"]
    header = ["codec", "bpp", "encoder kMAC/px", "decoder", "parameters"]
    header += [
        f"{way} s, {number} thr."
        for way in subprocesses.DIRECTIONS
        for number in rows[0]["encode_seconds"]
    ]
    header += ["encode MiB", "decode MiB"]
    cells = [header] + [
        [
            row["codec"],
            cell_text(row["bpp"], 3),
            cell_text(row["encoder_kmac"], 1),
            cell_text(row["decoder_kmac"], 1),
            cell_text(row["parameters"], 0),
            *(
                cell_text(seconds, 3)
                for way in subprocesses.DIRECTIONS
                for seconds in row[f"{way}_seconds"].values()
            ),
            cell_text(row["encode_peak_mib"], 0),
            cell_text(row["decode_peak_mib"], 0),
        ]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in cells
    ]
    bare = cell_text(result["bare_peak_mib"], 0)
    return "\n".join(
        [
            f"{rows[0]['width']}x{rows[0]['height']}, "
            "each codec at its setting nearest to the rate",
            *lines,
            f"MiB: peak of a fresh process, {bare} of them before it begins; of a program, its own",
        ]
    )


def cell_text(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
