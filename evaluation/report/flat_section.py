"""What the page says of flat areas."""

from collections.abc import Sequence

from metamer.evaluation.measure.flat_areas import pooled_flat_areas
from metamer.evaluation.measure.rows import Row


def flat_section(rows: Sequence[Row]) -> list[dict]:
    """A row for every codec and setting or rate, over all pictures that have flat areas."""
    groups: dict[tuple[str, float], list[dict]] = {}
    for row in rows:
        if "flat_areas" in row:
            groups.setdefault((row["codec"], row["setting"]), []).append(row)
    section = []
    for (codec, setting), group in groups.items():
        areas = pooled_flat_areas(row["flat_areas"] for row in group)
        if areas["blocks"]:
            bpp = sum(row["bpp"] for row in group) / len(group)
            section.append(
                {
                    "codec": codec,
                    "setting": f"{setting:g}",
                    "bpp": f"{bpp:.3f}",
                    "luma": f"{areas['luma_deviation']:.3f}",
                    "original": f"{areas['luma_deviation_original']:.3f}",
                    "chroma": f"{areas['chroma_error']:.2f}",
                    "blocks": str(areas["blocks"]),
                }
            )
    return section
