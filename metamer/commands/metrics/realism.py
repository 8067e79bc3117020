"""`metamer metrics realism`: sets of pictures."""

import json
from pathlib import Path

import click

from metamer.commands.options import json_option


@click.command()
@click.argument("references", type=click.Path(path_type=Path))
@click.argument("images", type=click.Path(path_type=Path))
@click.option(
    "--features",
    "layer",
    default="squeezenet:fire5",
    show_default=True,
    metavar="NETWORK:LAYER",
    help="Features of a Fréchet distance beside Inception's.",
)
@click.option(
    "--pim",
    default="pim",
    show_default=True,
    metavar="WEIGHTS",
    help="PIM's weights: their name, or a .safetensors file.",
)
@click.option(
    "--critic",
    type=click.Choice(["squeezenet", "alexnet", "vgg16"]),
    metavar="NETWORK",
    help="Also train a critic on features of half of the pictures, and report what it finds on "
    "the other half. "
    "NETWORK is squeezenet, alexnet or vgg16: one that the codec was not trained on.",
)
@json_option
def realism(
    references: Path, images: Path, layer: str, pim: str, critic: str | None, as_json: bool
) -> None:
    """Measure how far the pictures of IMAGES, as a set, lie from those of REFERENCES, which are
    called the same.

    FID/256, KID, Fréchet distances in a layer of a network and in PIM's z, and with --critic what a
    critic finds; each with a 95 % interval over pictures.
    """
    from metamer.evaluation.realism import comparison, measures

    result = comparison.compare_folders(references, images, layer, pim, critic)
    for line in measures.small_sample_cautions(result):
        click.echo(line, err=True)
    click.echo(json.dumps(result, indent=1) if as_json else measures.realism_text(result))
