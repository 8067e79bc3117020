"""What each lever of training is worth: short runs that differ in it alone, several seeds each,
with intervals.

    python research/benchmarks/levers.py --data PHOTOS [--seeds 0 --seeds 1 --seeds 2] [--levers LEVERS.yaml] --out runs/levers

Every run of a start has as many steps of as many pixels, and the crops, levels and noise of its
seed. It is measured on the held-out crops of `metamer train`, residuals rounded as the encoder
rounds them, whatever it was trained with: rate without headers, PSNR, nine levels. BD-rate is
against the run of the same seed without the lever, so what a seed's crops are like cancels. The
interval is Student's over the seeds; the crops stay the same.

Rows go to OUT/levers.jsonl; what is there already is not run again. The table is printed, as
Markdown.
"""

import json
import shutil
import time
from pathlib import Path

import click
import numpy as np
import torch
import yaml
from scipy import stats

from metamer.evaluation.rate.bjontegaard import bd_rate
from metamer.train import validation
from metamer.train.checkpoints import CHECKPOINT
from metamer.train.data import find
from metamer.train.loss.objective import Distortion
from metamer.train.recipe.files import begun, changed
from metamer.train.recipe.options import Stage
from metamer.train.run import setup, training

RULE = "rule"
# as `codec.network.rdoq.choose_residuals` does with most models that ship
MEASURED = Stage("measured", steps=1, rdoq_lambda=22.0)


def run(recipe: dict, assignments: list[str], seed: int, photographs: Path, scratch: Path) -> dict:
    """Trains and measures: {"seconds": …, "curve": [[bpp, psnr], …]}."""
    # no validation on the way: what it would cost is not the lever's
    checked = begun(
        changed(
            recipe, [*assignments, f"seed={seed}", "validate_every=1000000", "save_every=1000000"]
        )
    )
    shutil.rmtree(scratch, ignore_errors=True)
    start = time.process_time()
    training.train(checked, [photographs], scratch)
    seconds = time.process_time() - start
    codec, _ = setup.restore_average(scratch / CHECKPOINT)
    codec.eval()
    crops = validation.validation_crops(find(photographs)[1])
    rows = validation.validate(
        codec, Distortion({"mse": 1.0}, codec.options.levels), crops, MEASURED, torch.device("cpu")
    )
    return {"seconds": seconds, "curve": [[row["bpp"], row["psnr"]] for row in rows]}


def interval(values: np.ndarray) -> str:
    """Mean and 95 % interval of few values."""
    mean = values.mean()
    if len(values) < 2:
        return f"{mean:+.2f} %"
    half_width = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return f"{mean:+.2f} % [{mean - half_width:+.2f}, {mean + half_width:+.2f}]"


def table(rows: list[dict], start: str) -> str:
    """The levers of one start, best first."""
    rules = {row["seed"]: row for row in rows if row["start"] == start and row["lever"] == RULE}
    lines = []
    for lever in dict.fromkeys(
        row["lever"] for row in rows if row["start"] == start and row["lever"] != RULE
    ):
        lever_rows = [
            row
            for row in rows
            if row["start"] == start and row["lever"] == lever and row["seed"] in rules
        ]
        rates = np.array(
            [
                bd_rate(np.array(rules[row["seed"]]["curve"]), np.array(row["curve"]))[0]
                for row in lever_rows
            ]
        )
        cost = np.mean([row["seconds"] / rules[row["seed"]]["seconds"] for row in lever_rows])
        lines.append(
            (rates.mean(), f"| {lever} | {interval(rates)} | {len(lever_rows)} | {cost:.2f} |")
        )
    return "\n".join(
        [
            f"| {start} | BD-rate | seeds | time |",
            "|---|---|---|---|",
            *(line for _, line in sorted(lines)),
        ]
    )


@click.command()
@click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True
)
@click.option("--seeds", type=int, multiple=True, default=(0, 1, 2), show_default=True)
@click.option(
    "--levers",
    "levers_file",
    type=click.Path(exists=True, path_type=Path),
    default=Path(__file__).with_suffix(".yaml"),
)
@click.option("--out", type=click.Path(path_type=Path), required=True)
def main(data: Path, seeds: tuple[int, ...], levers_file: Path, out: Path) -> None:
    """Runs what has not run yet, seed by seed, and prints the tables."""
    out.mkdir(parents=True, exist_ok=True)
    log = out / "levers.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    finished = {(row["start"], row["lever"], row["seed"]) for row in rows}
    starts = yaml.safe_load(levers_file.read_text())
    for seed in seeds:
        for start, kinds in starts.items():
            for lever, assignments in {RULE: [], **kinds["levers"]}.items():
                if (start, lever, seed) in finished:
                    continue
                row = {
                    "start": start,
                    "lever": lever,
                    "seed": seed,
                    **run(kinds[RULE], assignments, seed, data, out / "run"),
                }
                rows.append(row)
                with open(log, "a") as file:
                    file.write(json.dumps(row) + "\n")
    for start in starts:
        print(table(rows, start), end="\n\n")


if __name__ == "__main__":
    main()
