"""`metamer evaluate`."""

from pathlib import Path

import click

from metamer.commands.options import Command, Finite, advanced_option, dask_option


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--codec",
    "codecs",
    multiple=True,
    metavar="[NAME=]CODEC",
    help="Repeatable: PEER or PEER:OPTION=VALUE,… (jpeg:subsampling=4:4:4); MODEL, MODEL+DECODER "
    "or "
    "MODEL+DECODER@REALISM; compressai:NETWORK[@CHECKPOINT]; a program's FILE.toml; NAME= is what "
    "results call it. Default: base and all PEERs.",
)
@click.option(
    "-m",
    "--metric",
    "specs",
    multiple=True,
    metavar="NAME[:OPTION=VALUE,…]",
    help="Distance to measure by; repeatable. Default: psnr and ms-ssim.",
)
@click.option(
    "--quality",
    "settings",
    multiple=True,
    metavar="[CODEC=]N,N,…",
    help="Settings to measure at, of all codecs or of one; repeatable. Default: some over a "
    "codec's range.",
)
@click.option(
    "--bpp",
    "targets",
    type=Finite(0, min_open=True),
    multiple=True,
    help="Instead, encode every picture as near as can be to this many bits a pixel; repeatable.",
)
@advanced_option(
    "--keep", is_flag=True, help="With --bpp: write what was decoded into OUT/decoded/CODEC@BPP/."
)
@advanced_option(
    "--realism",
    "with_realism",
    is_flag=True,
    help="With --bpp: also FID/256, KID and more, codec by codec.",
)
@advanced_option(
    "--critic",
    type=click.Choice(["squeezenet", "alexnet", "vgg16"]),
    metavar="NETWORK",
    help="With --realism: also divergences that a critic finds, as of `metamer metrics realism`.",
)
@advanced_option(
    "--sheet",
    type=Finite(0, min_open=True),
    metavar="BPP",
    help="With --bpp: draw crops at this one side by side.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder for rows, table and figure.",
)
@advanced_option(
    "--anchor",
    help="Codec that others are compared with; default: jpeg, with --bpp the first codec.",
)
@advanced_option(
    "--published",
    "published_names",
    multiple=True,
    metavar="NAME",
    help="On Kodak: draw and compare with published figures (vtm, elic2022, …); repeatable.",
)
@advanced_option(
    "--bd-range",
    "ranges",
    multiple=True,
    metavar="METRIC=LOW,HIGH",
    help="Average BD-rates in METRIC over this range of it, instead of all that two codecs cover; "
    "repeatable.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Processes, each with a picture of its own.",
)
@dask_option
def evaluate(
    folder,
    codecs,
    specs,
    settings,
    targets,
    keep,
    with_realism,
    critic,
    sheet,
    out,
    anchor,
    published_names,
    ranges,
    jobs,
    dask,
) -> None:
    """Measure rate and distortion on the pictures of FOLDER, against real peers.

    Over a range of settings, with BD-rates; or at equal rates (--bpp), with differences picture by
    picture.
    """
    from metamer.evaluation.codecs import registry as coders
    from metamer.evaluation.rate import matched_rates as matched
    from metamer.evaluation.rate import rate_distortion

    if dask:  # workers have folders of their own
        folder, out = folder.absolute(), out.absolute()
    if (keep or sheet or with_realism) and not targets:
        raise click.UsageError("--keep, --realism and --sheet go with --bpp")
    if critic and not with_realism:
        raise click.UsageError("--critic goes with --realism")
    if (settings or published_names or ranges) and targets:
        wrong = "quality" if settings else "published" if published_names else "bd-range"
        raise click.UsageError(f"give --{wrong} or --bpp, not both")
    names, specs = (
        codecs or ("base", *coders.pillow_codecs()),
        specs or rate_distortion.DEFAULT_METRICS,
    )
    shared = {"specs": specs, "jobs": jobs, "dask": dask}
    if targets:
        report = matched.evaluate_at_rates(
            folder,
            names,
            out,
            targets,
            anchor=anchor,
            keep=keep,
            sheet_rate=sheet,
            with_realism=with_realism,
            critic=critic,
            **shared,
        )
    else:
        report = rate_distortion.evaluate_over_settings(
            folder,
            names,
            out,
            anchor=anchor or "jpeg",
            settings=settings,
            published_names=published_names,
            ranges=ranges,
            **shared,
        )
    click.echo(report)
