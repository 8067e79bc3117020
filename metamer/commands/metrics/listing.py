"""`metamer metrics list`."""

import json
import math

import click

from metamer.commands.metrics.chosen import number_text
from metamer.commands.options import json_option
from metamer.perception.registry import metrics as registered


@click.command("list")
@json_option
def list_metrics(as_json: bool) -> None:
    """List every distance with what one must know of it."""
    rows = [
        {
            "name": m.name,
            "aliases": m.aliases,
            "title": m.title,
            "paper": m.paper,
            "family": m.family,
            "range": [None if math.isinf(end) else end for end in (m.low, m.high)],
            "identical": None if m.no_reference else m.best,
            "better": "higher" if m.higher_is_better else "lower",
            "true_distance": m.true_distance,
            "trainable": m.trainable,
            "no_reference": m.no_reference,
            "min_side": m.min_side,
            "weights": m.weights,
            "package": m.package,
        }
        for m in registered().values()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    click.echo(
        f"{'name':<14} {'better':<7} {'range':<11} {'min side':>8}  {'train':<5} {'needs':<28} "
        "title (paper)"
    )
    for metric, row in zip(registered().values(), rows, strict=True):
        needs = ", ".join((*metric.weights, *filter(None, [metric.package]))) or "–"
        span = f"{number_text(metric.low)} … {number_text(metric.high)}"
        click.echo(
            f"{metric.name:<14} {row['better']:<7} {span:<11} {metric.min_side:>8}  "
            f"{'yes' if metric.trainable else 'no':<5} {needs:<28} {metric.title} ({metric.paper})"
        )
