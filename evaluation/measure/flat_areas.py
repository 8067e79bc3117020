"""What a codec does to flat areas: walls, skies, cloth, where a regular grain or a stain of colour
shows first.

In 8×8 blocks whose original is flat in luma and in both colour differences: how much luma varies in
the decode, against the original, and how far colours are off.
"""

from collections.abc import Iterable

import numpy as np
from PIL import Image

BLOCK = 8  # pixels a side
FLAT = 1.5  # 8-bit levels of standard deviation that the original of a flat block stays below
STEPS = 16  # counts of chroma errors a level
PERCENTILE = 99


def flat_areas(original: Image.Image, decoded: Image.Image) -> dict[str, object]:
    """Compares the flat areas of a picture, both RGB, in YCbCr (JFIF).

    Args:
        original: The picture.
        decoded: What a codec made of it, of the same size.

    Returns:
        blocks: flat blocks; luma_deviation_original, luma_deviation: mean over them of a block's
        standard deviation in Y, in 8-bit levels; chroma_error: the 99th percentile over their
        pixels of the distance in the plane of Cb and Cr, in levels; chroma_counts: pixels by that
        distance in sixteenths of a level, from which pictures are pooled. Without flat blocks,
        blocks alone, which is 0.
    """
    first, second = _blocks(original), _blocks(decoded)
    flat = (first.std(2) < FLAT).all(0)
    if not flat.any():
        return {"blocks": 0}
    first, second = first[:, flat], second[:, flat]
    errors = np.hypot(*(second - first)[1:]).ravel()
    counts = np.bincount((errors * STEPS).round().astype(int))
    return {
        "blocks": int(flat.sum()),
        "luma_deviation_original": float(first[0].std(1).mean()),
        "luma_deviation": float(second[0].std(1).mean()),
        "chroma_error": count_percentile(counts),
        "chroma_counts": counts.tolist(),
    }


def _blocks(picture: Image.Image) -> np.ndarray:
    """(3, blocks, 64) of Y, Cb and Cr, unrounded; what is left at the right and below is not
    covered.
    """
    rgb = np.asarray(picture.convert("RGB"), float)
    rows, columns = rgb.shape[0] // BLOCK, rgb.shape[1] // BLOCK
    red, green, blue = np.moveaxis(rgb[: rows * BLOCK, : columns * BLOCK], 2, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    planes = np.stack([luma, (blue - luma) / 1.772, (red - luma) / 1.402])
    cut = planes.reshape(3, rows, BLOCK, columns, BLOCK)
    return cut.swapaxes(2, 3).reshape(3, rows * columns, BLOCK**2)


def count_percentile(counts: np.ndarray) -> float:
    """The 99th percentile in levels of errors that were counted in sixteenths."""
    shares = np.cumsum(counts) / np.sum(counts)
    return float(np.searchsorted(shares, PERCENTILE / 100)) / STEPS


def pooled_flat_areas(measured: Iterable[dict[str, object]]) -> dict[str, object]:
    """`flat_areas` of several pictures as if they were one."""
    some = [areas for areas in measured if areas["blocks"]]
    if not some:
        return {"blocks": 0}
    blocks = np.array([areas["blocks"] for areas in some])
    counts = np.zeros(max(len(areas["chroma_counts"]) for areas in some), int)
    for areas in some:
        counts[: len(areas["chroma_counts"])] += areas["chroma_counts"]
    pooled = {
        key: float(np.average([areas[key] for areas in some], weights=blocks))
        for key in ("luma_deviation_original", "luma_deviation")
    }
    return {"blocks": int(blocks.sum()), **pooled, "chroma_error": count_percentile(counts)}


def flat_areas_lines(rows: Iterable[dict], width: int) -> list[str]:
    """A table of what codecs make of flat areas, for rows of one rate or of all settings."""
    by_codec: dict[str, list[dict]] = {}
    for row in rows:
        if "flat_areas" in row:
            by_codec.setdefault(row["codec"], []).append(row["flat_areas"])
    pooled = {codec: pooled_flat_areas(areas) for codec, areas in by_codec.items()}
    lines = [
        f"{codec:<{width}} {areas['luma_deviation']:14.3f} "
        f"{areas['luma_deviation_original']:9.3f} {areas['chroma_error']:13.2f} "
        f"{areas['blocks']:8d}"
        for codec, areas in pooled.items()
        if areas["blocks"]
    ]
    if not lines:
        return []
    return [
        "  flat areas: luma deviation, and the 99th percentile of chroma error, in 8-bit levels",
        f"{'codec':<{width}} {'luma deviation':>14} {'original':>9} {'chroma error':>13} "
        f"{'blocks':>8}",
        *lines,
    ]
