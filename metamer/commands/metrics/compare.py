"""`metamer metrics compare`: pictures, or two folders of them."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import click

from metamer.codec.errors import MetamerError
from metamer.commands.metrics.chosen import DEFAULT_METRICS, chosen_distances, number_text
from metamer.commands.options import json_option, metric_option


@click.command()
@click.argument("reference", type=click.Path(path_type=Path))
@click.argument(
    "images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE…"
)
@metric_option
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="CSV instead of a table.")
def compare(
    reference: Path,
    images: tuple[Path, ...],
    specs: tuple[str, ...],
    as_json: bool,
    as_csv: bool,
) -> None:
    """Measure IMAGEs against REFERENCE.

    Or, where both are folders, the pictures of one against those of the same names in the other,
    with their mean in the last row.
    """
    from metamer.evaluation.measure.pairs import compare_pairs, mean_row, smallest_side
    from metamer.evaluation.realism.comparison import paired_pictures

    if as_json and as_csv:
        raise click.UsageError("give --json or --csv, not both")
    whole_folders = reference.is_dir()
    if whole_folders:
        if len(images) != 1 or not images[0].is_dir():
            raise MetamerError(f"{reference} is a folder; compare it with one other folder")
        pairs = list(zip(*paired_pictures(reference, images[0]), strict=True))
    else:
        pairs = [(reference, path) for path in images]
    distances = chosen_distances(specs, DEFAULT_METRICS, smallest_side(pairs))
    rows = compare_pairs(pairs, distances)
    if whole_folders:
        rows.append(mean_row(rows))
    labels = [distance.label for distance in distances]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    else:
        click.echo((csv_text if as_csv else table_text)(rows, labels))


def csv_text(rows: Sequence[dict], labels: Sequence[str]) -> str:
    """Rows for spreadsheets, numbers in full."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, ["image", *labels], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().rstrip("\n")


def table_text(rows: Sequence[dict], labels: Sequence[str]) -> str:
    """Rows for people."""
    width = max(len(row["image"]) for row in rows)
    widths = {label: max(9, len(label)) for label in labels}
    lines = [" " * width + "".join(f"  {label:>{widths[label]}}" for label in labels)]
    for row in rows:
        values = (f"  {number_text(row[label]):>{widths[label]}}" for label in labels)
        lines.append(f"{row['image']:<{width}}" + "".join(values))
    return "\n".join(lines)
