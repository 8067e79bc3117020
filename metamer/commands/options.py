"""Options and arguments that several commands share."""

from pathlib import Path

import click

from metamer.codec.errors import FileError

metric_option = click.option("-m", "--metric", "specs", multiple=True, metavar="NAME[:OPTION=VALUE,…]",
                             help="Distance to use; repeatable. `all` for every one that can be used here.")
out_option = click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for results.")
json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
results_argument = click.argument("folders", nargs=-1, required=True, metavar="RESULTS…", type=click.Path(path_type=Path))
published_option = click.option("--published", "others", multiple=True, metavar="NAME",
                                help="Also what others published, on Kodak, dashed (vtm, elic2022, …); repeatable.")


def make_folder(folder: Path) -> Path:
    """The folder, made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise FileError(f"{folder}: {problem.strerror.lower()}") from None
    return folder
