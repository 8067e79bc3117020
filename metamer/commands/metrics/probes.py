"""`metamer metrics recover`, `efficacy`, `tolerance`, `neighbours`, `detection` and `map`."""

from pathlib import Path

import click

from metamer.codec.errors import MetamerError
from metamer.commands.metrics.chosen import chosen_distances
from metamer.commands.options import make_folder, metric_option, out_option
from metamer.perception.registry import from_spec
from metamer.perception.registry import metrics as registered


@click.command()
@click.argument("reference", type=click.Path(path_type=Path))
@metric_option
@click.option(
    "--start",
    type=click.Choice(["noise", "jpeg"]),
    default="noise",
    show_default=True,
    help="Image to start from.",
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Steps of gradient descent.",
)
@click.option(
    "--side",
    type=click.IntRange(161),
    default=176,
    show_default=True,
    help="Size of the central crop that is used.",
)
@out_option
def recover(
    reference: Path, specs: tuple[str, ...], start: str, steps: int, side: int, out: Path
) -> None:
    """Search for blind spots: recover REFERENCE from noise by minimising each distance alone (Ding
    et al. 2021).

    Writes a picture for each distance, recoveries-START.json and a contact sheet into --out;
    results already there are kept.
    """
    from metamer.evaluation.probes import recovery

    trainable = [name for name, metric in registered().items() if metric.trainable]
    image = recovery.read_centre(reference, side)
    distances = chosen_distances([spec for spec in specs if spec != "all"], trainable, side)
    click.echo(recovery.run_recoveries(image, distances, start, steps, make_folder(out)))


@click.command()
@click.argument("network")
@click.option("--layer", help="Layer to draw; default: the network's feature-loss layer.")
@click.option(
    "--photo",
    type=click.Path(path_type=Path),
    help="Also reconstruct this photograph from the chosen channels.",
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=500,
    show_default=True,
    help="Steps of each reconstruction.",
)
@click.option(
    "--pixels-per-degree",
    type=click.FloatRange(8, 240),
    default=32,
    show_default=True,
    help="Viewing distance.",
)
@out_option
def efficacy(
    network: str,
    layer: str | None,
    photo: Path | None,
    steps: int,
    pixels_per_degree: float,
    out: Path,
) -> None:
    """Measure how much NETWORK's channels behave like human vision (Tariq et al. 2020).

    Writes efficacy.csv (every channel of every layer) and the tuning curves of one layer into
    --out.
    """
    from metamer.evaluation.probes import channel_tuning

    for path in channel_tuning.study_channels(
        network, layer, photo, steps, make_folder(out), pixels_per_degree
    ):
        click.echo(path)


@click.command()
@click.argument("photos", type=click.Path(path_type=Path))
@metric_option
@out_option
def tolerance(photos: Path, specs: tuple[str, ...], out: Path) -> None:
    """Test how little small shifts and changes of scale matter, on PHOTOS (those its validation.txt
    names, if it has one).

    A changed picture's distance is given relative to that of noise of equal mean squared error:
    below 1 is tolerant.
    """
    from metamer.evaluation.images import held_out_paths
    from metamer.evaluation.probes.invariance.behaviour import DEFAULT_DISTANCES
    from metamer.evaluation.probes.invariance.tolerance import study_tolerance

    click.echo(
        study_tolerance(
            held_out_paths(photos),
            chosen_distances(specs, DEFAULT_DISTANCES),
            make_folder(out),
        )
    )


@click.command()
@click.argument(
    "clips",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="CLIP…",
)
@metric_option
@out_option
def neighbours(clips: tuple[Path, ...], specs: tuple[str, ...], out: Path) -> None:
    """Test whether neighbouring frames of video are found closer than others. CLIPs are folders of
    numbered frames.
    """
    from metamer.evaluation.probes.invariance.behaviour import DEFAULT_DISTANCES
    from metamer.evaluation.probes.invariance.neighbours import read_clips, study_neighbours

    # before distances are loaded: a wrong folder is reported at once, and alone
    frames = read_clips(clips)
    click.echo(
        study_neighbours(frames, chosen_distances(specs, DEFAULT_DISTANCES), make_folder(out))
    )


@click.command()
@click.argument("photos", type=click.Path(path_type=Path))
@out_option
def detection(photos: Path, out: Path) -> None:
    """Compare visibility with its teacher on PHOTOS (those its validation.txt names, if it has
    one), at every JPEG quality.

    Writes detection.json and detection.png into --out; an interrupted run continues.
    """
    from metamer.evaluation.images import held_out_paths
    from metamer.evaluation.probes import detection as study

    click.echo(study.study_detection(held_out_paths(photos), make_folder(out)))


@click.command("map")
@click.argument("reference", type=click.Path(path_type=Path))
@click.argument("image", type=click.Path(path_type=Path))
@click.option(
    "-m",
    "--metric",
    "spec",
    default="visibility",
    show_default=True,
    metavar="SPEC",
    help="visibility, with options as visibility:peak=500.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="PNG to write.",
)
def visibility_map(reference: Path, image: Path, spec: str, out: Path) -> None:
    """Draw where people see IMAGE differ from REFERENCE: the probability, place by place.

    Black is never, yellow always; REFERENCE lies below in grey.
    """
    from metamer.evaluation.probes.visibility_map import draw_map
    from metamer.perception.distances.visibility import Visibility

    distance = from_spec(spec)
    if not isinstance(distance, Visibility):
        raise MetamerError(f"{spec} has no map; visibility has")
    result = draw_map(reference, image, distance, out)
    click.echo(
        f"seen with probability {result.whole:.2f}; where it is most, {result.highest:.2f}; "
        f"by half of the people or more on {result.area:.1%} of the picture"
    )
