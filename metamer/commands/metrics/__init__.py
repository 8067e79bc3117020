"""`metamer metrics`: distances listed, compared, judged, and searched for blind spots."""

import click

from metamer.commands.metrics.compare import compare
from metamer.commands.metrics.listing import list_metrics
from metamer.commands.metrics.people import calibrate, judge, resimulate
from metamer.commands.metrics.probes import (
    detection,
    efficacy,
    neighbours,
    recover,
    tolerance,
    visibility_map,
)
from metamer.commands.metrics.realism import realism


@click.group()
def metrics() -> None:
    """Distances between images: what there is, what they say, whom to trust."""


for command in (
    list_metrics,
    compare,
    judge,
    resimulate,
    calibrate,
    recover,
    efficacy,
    tolerance,
    neighbours,
    realism,
    detection,
    visibility_map,
):
    metrics.add_command(command)
