"""`metamer toy`: coders of toy sources trained, measured, tabulated and drawn."""

import json
from pathlib import Path

import click

from metamer.codec.errors import FileError
from metamer.codec.system import files
from metamer.commands.options import Finite

SOURCES = ("banana", "laplace", "sawbridge")
METHODS = ("klt", "ltc", "ntc", "vq")
FIGURES = (".png", ".svg", ".pdf")


@click.command()
@click.argument("name", type=click.Choice(SOURCES), metavar="|".join(SOURCES))
@click.option(
    "--lambda",
    "tradeoffs",
    type=Finite(0, min_open=True),
    multiple=True,
    metavar="BITS",
    help="What a unit of distortion is worth in bits; repeatable. Default: 8 for banana, else "
    "three.",
)
@click.option(
    "--only",
    "methods",
    type=click.Choice(METHODS),
    multiple=True,
    help="Karhunen-Loève, linear or nonlinear transform coding, or vector quantisation; "
    "repeatable. Default: all.",
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    help="Training steps of the transform coders. Default: minutes' worth.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31),
    default=0,
    show_default=True,
    help="Of weights, training and test vectors.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for coders, SOURCE.json and figure. What is finished there stays, what was "
    "interrupted goes on.",
)
@click.option(
    "--figure",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to draw, .png, .svg or .pdf. Default: SOURCE.png in --out.",
)
def toy(name, tradeoffs, methods, steps, seed, out, figure) -> None:
    """Compare transform coding with vector quantisation on a source where the best is known or
    nearly so.

    Trains transform coding, linear from the Karhunen-Loève transform or nonlinear, and
    entropy-constrained vector quantisation for rate + λ · distortion, in bits and squared error (of
    the sawbridge its mean over time), and measures each on fresh vectors by rounding and ideal code
    lengths.
    """
    figure = figure or out / f"{name}.png"
    if figure.suffix.lower() not in FIGURES:
        raise FileError(f"cannot draw '{figure.suffix}' files; known are {' '.join(FIGURES)}")
    if figure.parent != out and not figure.parent.is_dir():
        raise FileError(f"{figure.parent}: no such folder")
    from metamer.commands.options import make_folder
    from metamer.evaluation.toy import figures, sources, tables
    from metamer.evaluation.toy import training as coders

    make_folder(out)
    source = sources.SOURCES[name]
    scored = [
        coders.load_or_train(
            source, method, tradeoff, coders.training_steps(source, method, steps), seed, out
        )
        for tradeoff in sorted(set(tradeoffs or source.tradeoffs))
        for method in methods or source.methods
    ]
    scores = [score for _, score in scored]
    files.write_file(
        str(out / f"{name}.json"),
        (json.dumps([vars(score) for score in scores], indent=1) + "\n").encode(),
    )
    figures.PLOTS[name](source, scored, figure)
    click.echo(tables.score_text(scores))
