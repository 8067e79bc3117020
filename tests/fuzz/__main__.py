"""`python -m tests.fuzz --target NAME --inputs N --seconds S --seed K --out FOLDER`: see
tests/fuzz/README.md.
"""

import argparse
import importlib
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fuzz import model_target

# what there is to attack: a module with seeds(), mutate(data, rng), Target, and the SUFFIX of its
# inputs
TARGETS = {
    "streams": "tests.fuzz.target",
    "outputs": "tests.fuzz.outputs",
    "inputs": "tests.fuzz.inputs",
}
MODELS = "models"  # model and decoder files, always unguided
SAVED = 1000  # inputs of model files after which figures are written
# of guided inputs are made of a good file; the others of what led somewhere new, and few of those
# are good
FRESH = 0.3


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description="Feeds hostile files to what reads them."
    )
    parser.add_argument(
        "--target", choices=[*TARGETS, MODELS], default="streams", help="what is attacked"
    )
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--share",
        type=float,
        default=1 / 256,
        help="of inputs with a picture, that go through the networks",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("fuzz"), help="corpus, failing inputs and figures"
    )
    parser.add_argument(
        "--replay", action="store_true", help="run the corpus in --out alone: for coverage"
    )
    parser.add_argument(
        "--unguided", action="store_true", help="mutate the seeds alone: without atheris"
    )
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if options.target == MODELS:
        sys.exit(fuzz_models(options))
    corpus = options.out / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    if not (options.unguided or options.replay):
        import atheris

        with atheris.instrument_imports(include=["codec", "entropy"]):
            target = importlib.import_module(TARGETS[options.target])
    else:
        target = importlib.import_module(TARGETS[options.target])
    from tests.fuzz.harness import LONGEST, warm

    seeds, check = target.seeds(), target.Target(options.share)
    before = warm(check, seeds)
    check.keep(options.out / "at_work")

    def finish() -> None:
        figures = {**check.report(), "memory before, MB": round(before / 1000)}
        if not options.replay:
            (options.out / "figures.json").write_text(json.dumps(figures, indent=1))
            (options.out / f"longest{target.SUFFIX}").write_bytes(check.longest[1])
        for number, (place, (data, trace)) in enumerate(check.failures.items()):
            (options.out / f"failure{number}{target.SUFFIX}").write_bytes(data)
            print(place, trace, sep="\n", file=sys.stderr)
        print(json.dumps(figures, indent=1), flush=True)
        sys.exit(bool(check.failures)) if options.replay or options.unguided else os._exit(
            bool(check.failures)
        )

    def done() -> bool:
        return (
            check.reached["inputs"] >= options.inputs
            or time.perf_counter() - check.started > options.seconds
        )

    if options.replay:
        for path in sorted(corpus.iterdir()):
            check(path.read_bytes())
        finish()
    if options.unguided:
        rng = random.Random(options.seed)
        while not done():
            check(*target.mutate(rng.choice(seeds), rng))
        finish()

    # of the last mutation: atheris tells the target nothing else of it
    parents: dict[bytes, bytes | None] = {}

    def one(data: bytes) -> None:
        check(data, parents.get(data))
        if done():
            finish()

    def mutator(data: bytes, limit: int, seed: int) -> bytes:
        rng = random.Random(seed)
        changed, parent = target.mutate(rng.choice(seeds) if rng.random() < FRESH else data, rng)
        parents.clear()
        if len(changed) <= limit:
            parents[changed] = parent
        return changed[:limit]

    for number, data in enumerate(seeds):
        (corpus / f"seed{number:02}").write_bytes(data)
    settings = {
        "seed": options.seed,
        "max_len": LONGEST,
        "len_control": 0,
        "rss_limit_mb": 0,
        "timeout": 60,
        "detect_leaks": 0,
        "print_final_stats": 0,
        "verbosity": 0,
    }
    atheris.Setup(
        [sys.argv[0], str(corpus), *(f"-{name}={value}" for name, value in settings.items())],
        one,
        custom_mutator=mutator,
    )
    atheris.Fuzz()


def save(check: "model_target.Target", folder: Path) -> None:
    """Figures, what took longest, and one input for each place that failed."""
    (folder / "figures.json").write_text(json.dumps(check.report(), indent=1))
    (folder / "longest.zip").write_bytes(check.longest[1])
    for number, (data, trace) in enumerate(check.failures.values()):
        (folder / f"failure{number}.zip").write_bytes(data)
        (folder / f"failure{number}.txt").write_text(trace)


def fuzz_models(options: argparse.Namespace) -> int:
    """Model and decoder files. Returns the exit status."""
    from tests.fuzz import model_target

    options.out.mkdir(parents=True, exist_ok=True)
    check, rng = model_target.Target(options.share), random.Random(options.seed)
    before = model_target.warm(check)
    while (
        check.reached["inputs"] < options.inputs
        and time.perf_counter() - check.started < options.seconds
    ):
        model_target.feed(check, rng)
        if check.reached["inputs"] % SAVED == 0:
            save(check, options.out)
    check.close()
    figures = {**check.report(), "memory before, MB": round(before / 1000)}
    save(check, options.out)
    print(
        *(f"{place}\n{trace}" for place, (_, trace) in check.failures.items()),
        sep="\n",
        file=sys.stderr,
    )
    print(json.dumps(figures, indent=1), flush=True)
    return int(bool(check.failures))


if __name__ == "__main__":
    main()
