"""Real, tiny training: it learns, resumes to the same bits, survives trouble; mixes, critics,
rates, several processes.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml

from metamer.codec.errors import RecipeError
from metamer.train import checkpoints
from metamer.train.data import open_data
from metamer.train.loss.objective import Distortion
from metamer.train.loss.rate_distortion import rate_distortion
from metamer.train.networks.codec import Codec
from metamer.train.recipe import old_names
from metamer.train.recipe.checks import from_mapping
from metamer.train.recipe.files import load as load_recipe
from metamer.train.recipe.options import Recipe, Stage
from metamer.train.run import log, resuming, setup, training
from metamer.train.run.log import DivergedError
from metamer.train.step import trainer
from metamer.train.step.draws import spread_levels
from metamer.train.step.optimisation import learning_rate
from tests.conftest import ROOT, TINY_RECIPE, run_metamer


@pytest.fixture
def tiny(tmp_path) -> Recipe:
    (tmp_path / "recipe.yaml").write_text(TINY_RECIPE)
    return load_recipe(tmp_path / "recipe.yaml")


def rows(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def beginning(tmp_path_factory, photographs) -> Path:
    """A checkpoint with the Karhunen-Loève start of a network with channels enough that its error
    falls up to the top level.
    """
    torch.manual_seed(0)
    codec = Codec(
        from_mapping(
            {**mixture(""), "critic": None, "stages": [{"name": "none", "steps": 1}]}
        ).network
    )
    codec.start_from(setup.first_crops(open_data([photographs]).training, 96, 0, 24))
    path = tmp_path_factory.mktemp("beginning") / "start.pt"
    checkpoints.save(path, {"average": codec.state_dict()})
    return path


def stage(name: str, steps: int, **fields) -> dict:
    return {"name": name, "steps": steps, "batch": 4, "crop": 96, "warmup_steps": 2, **fields}


def mixture(start, **fields) -> dict:
    """A recipe of everything: two distances, a critic, rates that are kept, and stages that train
    all and the decoder.
    """
    tiny = yaml.safe_load(TINY_RECIPE)
    return {
        **tiny,
        "network": {**tiny["network"], "groups": [8, 56], "lambda_high": 0.01},
        "start": str(start),
        "stages": [stage("everything", 5), stage("decoder", 3, parts="decoder")],
        "distortion": {"mse": 1, "perceptnet": 1},
        "critic": {"width": 4},
        "rate_control": "start",
        "rate_control_speed": 0.1,
        "balance_crops": 8,
        "save_every": 3,
        "validate_every": 4,
        "log_every": 1,
        **fields,
    }


def trained(photographs: Path, out: Path, values: dict) -> dict:
    """The last checkpoint of a recipe."""
    training.train(from_mapping(values), [photographs], out)
    return checkpoints.load(out / "checkpoint.pt")


@pytest.fixture(scope="module")
def mixed_run(tmp_path_factory, beginning, photographs) -> Path:
    """`mixture`, trained."""
    out = tmp_path_factory.mktemp("mixed") / "run"
    trained(photographs, out, mixture(beginning))
    return out


def leaves(value, name: str = ""):
    """(name, tensor or number) of everything inside a checkpoint."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(part, f"{name}.{key}")
    else:
        yield name, value


def assert_same_to_the_last_bit(state: dict, other_state: dict) -> None:
    pairs = list(zip(leaves(state), leaves(other_state), strict=True))
    for (name, value), (theirs_name, other_value) in pairs:
        assert name == theirs_name
        assert (
            torch.equal(value, other_value)
            if isinstance(value, torch.Tensor)
            else value == other_value
        ), name


def changed_parameters(start: Path, state: dict) -> set[str]:
    before = checkpoints.load(start)["average"]
    return {name for name, value in state["model"].items() if not torch.equal(value, before[name])}


def test_training_learns(tiny_run):
    scores = [row["validation"] for row in rows(tiny_run) if "validation" in row]
    losses = [sum(level["loss"] for level in score) for score in scores]
    assert len(losses) == 3 and losses[-1] < losses[0]
    steps = [row for row in rows(tiny_run) if "loss" in row]
    assert [row["step"] for row in steps] == list(range(4, 61, 4))
    assert {row["stage"] for row in steps} == {"entropy model", "joint", "integers"}
    assert all(row["images_per_second"] > 0 and row["bpp"] > 0 for row in steps)


def test_progress_line_tells_loss_rate_psnr_speed_and_time_left(photographs, tmp_path):
    (tmp_path / "recipe.yaml").write_text(TINY_RECIPE.replace("steps: 40", "steps: 4"))
    completed = run_metamer(
        "train", tmp_path / "recipe.yaml", "--data", photographs, "--out", tmp_path / "run"
    )
    line = completed.stderr.decode()
    for word in ("loss", "bpp", "PSNR", "images/s", "<"):
        assert word in line


def test_resuming_gives_the_same_weights_to_the_last_bit(
    tiny_run, tiny, photographs, tmp_path, monkeypatch
):
    """Stopped between checkpoints in every stage: 28 → 25, 47 → 45, 52 → 52 (a stage's end), 58 →
    55.
    """
    original_step = log.Log.step
    for interruption in (28, 47, 52, 58):

        def stop(self, step, *arguments, interruption=interruption, **options):
            if step == interruption:
                raise KeyboardInterrupt
            return original_step(self, step, *arguments, **options)

        monkeypatch.setattr(log.Log, "step", stop)
        with pytest.raises(KeyboardInterrupt):
            training.train(
                tiny,
                [photographs],
                tmp_path / "run",
                resume=(tmp_path / "run" / "checkpoint.pt").exists(),
            )
        assert checkpoints.load(tmp_path / "run" / "checkpoint.pt")["step"] < interruption
    monkeypatch.setattr(log.Log, "step", original_step)
    training.train(tiny, [photographs], tmp_path / "run", resume=True)
    uninterrupted, resumed = (
        checkpoints.load(tiny_run / "checkpoint.pt"),
        checkpoints.load(tmp_path / "run" / "checkpoint.pt"),
    )
    assert uninterrupted["step"] == resumed["step"] == 60
    for kind in ("model", "average"):
        for name, value in uninterrupted[kind].items():
            assert torch.equal(value, resumed[kind][name]), f"{kind}.{name}"
    steps = [row["step"] for row in rows(tmp_path / "run") if "loss" in row]
    assert steps == list(range(4, 61, 4))  # no row twice


def test_another_recipe_does_not_resume(tiny_run, tiny, photographs, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    tiny.seed = 5
    with pytest.raises(RecipeError, match="seed was 0 and is 5"):
        training.train(tiny, [photographs], tmp_path / "run", resume=True)
    tiny.seed = 0
    tiny.stages.append(Stage("more", steps=1, batch=2, crop=96))
    training.train(tiny, [photographs], tmp_path / "run", resume=True)
    assert checkpoints.load(tmp_path / "run" / "checkpoint.pt")["step"] == 61


def test_divergence_stops_and_keeps_the_last_good_checkpoint(
    tiny, photographs, tmp_path, monkeypatch
):
    original = rate_distortion

    def poisoned(codec, distortion, image, level, stage, *arguments, **options):
        result = original(codec, distortion, image, level, stage, *arguments, **options)
        if stage.name == "joint":
            result["distortion"] = result["distortion"] * float("nan")
        return result

    monkeypatch.setattr(trainer, "rate_distortion", poisoned)
    with pytest.raises(
        DivergedError, match=r"nan at step 40 of stage joint; .*checkpoint\.pt holds"
    ):
        training.train(tiny, [photographs], tmp_path / "run")
    state = checkpoints.load(tmp_path / "run" / "checkpoint.pt")
    assert state["step"] == 40
    assert all(torch.isfinite(value).all() for value in state["model"].values())


def test_an_existing_run_is_not_overwritten(tiny_run, tiny, photographs):
    with pytest.raises(RecipeError, match="--resume"):
        training.train(tiny, [photographs], tiny_run)


def test_a_stage_can_start_from_another_run(tiny_run, tiny, photographs, tmp_path):
    tiny.stages = [Stage("tune", steps=2, batch=2, crop=96, learning_rate=1e-6, warmup_steps=1)]
    tiny.start = str(tiny_run / "checkpoint.pt")
    training.train(tiny, [photographs], tmp_path / "run")
    before, after = (
        setup.restore_average(tiny_run / "checkpoint.pt")[0],
        setup.restore_average(tmp_path / "run/checkpoint.pt")[0],
    )
    for weight, restored in zip(before.parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(weight, restored, atol=1e-5, rtol=1e-4)


def test_learning_rate_rises_then_falls():
    stage = Stage("s", steps=100, warmup_steps=10, learning_rate=1.0, final_learning_rate_share=0.1)
    values = [learning_rate(stage, step) for step in range(100)]
    assert values[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert values[10:] == sorted(values[10:], reverse=True)
    assert values[10] == pytest.approx(1.0) and values[-1] == pytest.approx(0.1, abs=1e-3)


def test_levels_cover_the_range():
    levels = spread_levels(8, 9, torch.Generator().manual_seed(0))
    assert sorted((levels.sort().values).floor().tolist()) == list(range(8))


def test_a_step_takes_what_a_stage_asks_for():
    """Half of the levels lie below ((K − 1)/2)^power."""
    levels = spread_levels(4000, 5, torch.Generator().manual_seed(0), 2.0)
    assert levels.max() <= 4 and levels.median().item() == pytest.approx(4 * 0.5**2, rel=0.02)


def test_a_run_of_everything_resumes_to_the_last_bit(
    mixed_run, beginning, photographs, tmp_path, monkeypatch
):
    """Weights, their average, the critic, both optimisers, the factors of λ, what balances the mix.
    Stopped 4 → 3, 7 → 6.
    """
    original_step = log.Log.step
    for interruption in (4, 7):

        def stop(self, step, *arguments, interruption=interruption, **options):
            if step == interruption:
                raise KeyboardInterrupt
            return original_step(self, step, *arguments, **options)

        monkeypatch.setattr(log.Log, "step", stop)
        with pytest.raises(KeyboardInterrupt):
            training.train(
                from_mapping(mixture(beginning)),
                [photographs],
                tmp_path / "run",
                resume=interruption == 7,
            )
    monkeypatch.setattr(log.Log, "step", original_step)
    training.train(from_mapping(mixture(beginning)), [photographs], tmp_path / "run", resume=True)
    uninterrupted, resumed = (
        checkpoints.load(mixed_run / "checkpoint.pt"),
        checkpoints.load(tmp_path / "run" / "checkpoint.pt"),
    )
    assert_same_to_the_last_bit(uninterrupted, resumed)
    # all took part
    assert (
        uninterrupted["critic"]["optimiser"]["state"][0]["step"] == 8
        and uninterrupted["log_factor"].abs().min() > 0.01
    )


KILLER = """
import os, signal, sys
from metamer.train import checkpoints, command
from metamer.train.run import log
moment, save, step = int(sys.argv[1]), checkpoints.torch.save, log.Log.step

def half(state, path):
    save(state, path)
    if state["step"] == moment:
        with open(path, "r+b") as file:
            file.truncate(os.path.getsize(path) // 2)
        os.kill(os.getpid(), signal.SIGKILL)

def dead(self, done, *others, **more):
    if done == moment:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, done, *others, **more)

checkpoints.torch.save, log.Log.step = half, dead if moment % 5 else step
command.train(sys.argv[2], [sys.argv[3]], sys.argv[4], len(sys.argv) > 5)
"""


def test_a_killed_run_resumes_to_the_same_weights(tiny_run, photographs, tmp_path):
    """SIGKILL within a step, and again half-way through writing a checkpoint: no more than
    save_every steps are run twice.
    """
    path, run = tmp_path / "recipe.yaml", tmp_path / "run"
    path.write_text(TINY_RECIPE.replace("log_every: 4", "log_every: 1"))
    for moment, last_row, saved_step in ((28, 27, 25), (45, 45, 40)):
        resume = ["resume"] if saved_step > 25 else []
        completed = subprocess.run(
            [sys.executable, "-c", KILLER, str(moment), path, photographs, run, *resume],
            cwd=ROOT,
            capture_output=True,
            timeout=300,
        )
        assert completed.returncode == -signal.SIGKILL, completed.stderr.decode()
        assert max(row["step"] for row in rows(run)) == last_row
        assert (
            checkpoints.load(run / "checkpoint.pt")["step"] == saved_step
            and last_row - saved_step <= 5
        )
    training.train(load_recipe(path), [photographs], run, resume=True)
    uninterrupted, resumed = (
        checkpoints.load(tiny_run / "checkpoint.pt"),
        checkpoints.load(run / "checkpoint.pt"),
    )
    for state in (uninterrupted, resumed):
        state["recipe"].pop("log_every")
    assert_same_to_the_last_bit(uninterrupted, resumed)
    assert [row["step"] for row in rows(run) if "loss" in row] == list(range(1, 61))


def torchrun(folder: Path, photographs: Path, *options: str) -> subprocess.Popen:
    """`folder`/recipe.yaml, trained into `folder`/run."""
    command = ("train", folder / "recipe.yaml", "--data", photographs, "--out", folder / "run")
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "torch.distributed.run", *options),
            *("-m", "metamer.cli", *map(str, command)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def finish(*processes: subprocess.Popen) -> None:
    try:
        for process in processes:
            output, _ = process.communicate(timeout=300)
            assert process.returncode == 0, output.decode()
    finally:
        for process in processes:
            process.kill()


@pytest.fixture(scope="module")
def shared_run(tmp_path_factory, beginning, photographs) -> Path:
    """`mixture`, trained by two processes."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(mixture(beginning)))
    finish(torchrun(folder, photographs, "--standalone", "--nproc-per-node", "2"))
    return folder / "run"


def test_two_machines_end_with_the_weights_of_two_processes(
    shared_run, beginning, photographs, tmp_path
):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(mixture(beginning)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        head = f"127.0.0.1:{free.getsockname()[1]}"
    options = (
        *("--nnodes", "2", "--nproc-per-node", "1", "--local-addr", "127.0.0.1"),
        *("--rdzv-backend", "c10d", "--rdzv-endpoint", head),
    )
    finish(*(torchrun(tmp_path, photographs, *options) for _ in range(2)))
    two_machines, two_processes = (
        checkpoints.load(folder / "checkpoint.pt") for folder in (shared_run, tmp_path / "run")
    )
    assert_same_to_the_last_bit(two_machines, two_processes)
    assert [row["step"] for row in rows(tmp_path / "run") if "loss" in row] == list(range(1, 9))


def test_two_processes_end_with_the_weights_of_one(mixed_run, beginning, shared_run):
    """With everything in the recipe, but for the order of sums: 1e-7 where weights moved by 6e-3.

    In the stage that rounds the entropy networks a sum at an edge can tip one latent's mean: 2e-4
    at most was seen.
    """
    before = checkpoints.load(beginning)["average"]
    one_process, two_processes = (
        checkpoints.load(mixed_run / "checkpoint.pt"),
        checkpoints.load(shared_run / "checkpoint.pt"),
    )
    assert two_processes["step"] == 8
    for kind in ("model", "average"):
        difference, moved = (
            torch.cat([(one_process[kind][name] - state[name]).flatten() for name in before])
            for state in (two_processes[kind], before)
        )
        print(
            f"{kind}: at most {difference.abs().max():.1e} apart, moved by up to {moved.abs().max():.1e}"
        )
        print(f"norms: {difference.norm() / moved.norm():.1e}")
        assert difference.abs().max() < 1e-3 and difference.norm() < 2e-3 * moved.norm()
    for (name, weight), (_, other_weight) in zip(
        leaves(one_process["critic"]["model"]),
        leaves(two_processes["critic"]["model"]),
        strict=True,
    ):
        # Adam's first steps divide a gradient near zero by itself: 2 weights in 7,000 came 1.2e-4
        # apart
        torch.testing.assert_close(
            weight, other_weight, atol=5e-4, rtol=0, msg=lambda text, name=name: f"{name}: {text}"
        )
    torch.testing.assert_close(
        one_process["log_factor"], two_processes["log_factor"], atol=1e-4, rtol=1e-3
    )
    # one process writes
    assert [row["step"] for row in rows(shared_run) if "loss" in row] == list(range(1, 9))
    assert [row["step"] for row in rows(shared_run) if "validation" in row] == [4, 8]


def test_a_batch_in_parts_is_the_same_batch(mixed_run, beginning, photographs, tmp_path):
    """With everything in the recipe, as for two processes."""
    stages = [stage | {"gradient_accumulation": 2} for stage in mixture(beginning)["stages"]]
    in_parts = trained(photographs, tmp_path / "run", mixture(beginning, stages=stages))
    at_once, before = (
        checkpoints.load(mixed_run / "checkpoint.pt"),
        checkpoints.load(beginning)["average"],
    )
    difference, moved = (
        torch.cat([(at_once["model"][name] - weights[name]).flatten() for name in before])
        for weights in (in_parts["model"], before)
    )
    print(f"at most {difference.abs().max():.1e} apart, moved by up to {moved.abs().max():.1e}")
    assert 0 < difference.abs().max() < 1e-3 and difference.norm() < 2e-3 * moved.norm()
    assert in_parts["critic"]["optimiser"]["state"][0]["step"] == 8
    torch.testing.assert_close(at_once["log_factor"], in_parts["log_factor"], atol=1e-4, rtol=1e-3)


def test_samples_balanced_by_their_own_loss_count_alike(beginning, photographs, tmp_path):
    """With an exponent of 1 each adds 1 to what is minimised; with ½, the root of its loss."""
    values = mixture(beginning, critic=None, rate_control="lambda", level_balance_exponent=0.0)
    losses = {}
    for exponent in (0.0, 0.5, 1.0):
        out = tmp_path / str(exponent)
        values["stages"] = [stage("one", 1, batch=1)]
        trained(photographs, out, {**values, "loss_balance_exponent": exponent})
        losses[exponent] = next(row["loss"] for row in rows(out) if "loss" in row)
    assert losses[1.0] == pytest.approx(1, rel=1e-6) != losses[0.0]
    assert losses[0.5] == pytest.approx(losses[0.0] ** 0.5, rel=1e-5)


def test_a_batch_that_cannot_be_parted(photographs, tmp_path):
    values = {"stages": [stage("uneven", 1, gradient_accumulation=3)]}
    with pytest.raises(RecipeError, match="4 crops, a process's share, cannot be computed in 3"):
        training.train(from_mapping(values), [photographs], tmp_path / "run")


def test_processes_share_a_batch_without_rest():
    stage_of_12 = Stage("s", steps=1, batch=12)
    shares = [
        setup.process_share(stage_of_12, SimpleNamespace(world_size=3, global_rank=rank))
        for rank in range(3)
    ]
    assert [item for share in shares for item in range(12)[share]] == list(range(12))
    assert {len(range(12)[share]) for share in shares} == {4}


def test_a_batch_that_cannot_be_shared(photographs, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "connect", lambda: SimpleNamespace(world_size=3, global_rank=0))
    with pytest.raises(RecipeError) as problem:
        training.train(
            from_mapping({"stages": [stage("uneven", 1)]}), [photographs], tmp_path / "run"
        )
    assert str(problem.value) == "stage uneven: a batch of 4 cannot be shared by 3 processes"
    assert not (tmp_path / "run").exists()


def test_only_the_decoder_is_trained(beginning, photographs, tmp_path):
    values = mixture(
        beginning, stages=[stage("decoder", 3, parts="decoder")], rate_control="lambda"
    )
    changed = changed_parameters(beginning, trained(photographs, tmp_path / "run", values))
    assert changed == {
        f"synthesis.{name}"
        for name, _ in setup.restore_average(tmp_path / "run/checkpoint.pt")[
            0
        ].synthesis.named_parameters()
    }


def test_transforms_are_trained_for_the_streams_there_are(beginning, photographs, tmp_path):
    """What decodes latents stays: the networks that choose tables, and the quantiser's steps."""
    values = mixture(beginning, stages=[stage("transforms", 3, parts="transforms")])
    changed = changed_parameters(beginning, trained(photographs, tmp_path / "run", values))
    assert {name.split(".")[0] for name in changed} == {"analysis", "synthesis", "entropy"}
    assert {name.split(".")[1] for name in changed if name.startswith("entropy.")} == {
        "hyper_analysis",
        "log_stretch",
    }


@pytest.mark.parametrize("pretraining_steps, listens", [(4, False), (3, True)])
def test_a_critic_is_pretrained(beginning, photographs, tmp_path, pretraining_steps, listens):
    """Of four steps: the codec ends as if there was no critic, though there was; or it does not."""
    values = mixture(beginning, stages=[stage("everything", 4)], critic=None)
    without = trained(photographs, tmp_path / "without", values)
    with_critic = trained(
        photographs,
        tmp_path / "watched",
        {**values, "critic": {"width": 4, "pretraining_steps": pretraining_steps}},
    )
    same = all(
        torch.equal(value, with_critic["model"][name]) for name, value in without["model"].items()
    )
    assert same != listens
    assert with_critic["critic"]["optimiser"]["state"][0]["step"] == 4
    logged = [row["realism"] for row in rows(tmp_path / "watched") if "loss" in row]
    assert [value != 0 for value in logged] == [step >= pretraining_steps for step in range(4)]


def old_named(values: dict, names: dict[str, str]) -> dict:
    """``values`` as earlier releases called them."""
    before = {new: old for old, new in names.items()}
    return {before.get(key, key): value for key, value in values.items()}


def test_a_checkpoint_from_before_mixes_and_critics_resumes(tiny_run, tiny, photographs, tmp_path):
    state = checkpoints.load(tiny_run / "checkpoint.pt")
    for key in ("distortion", "critic", "log_factor"):
        del state[key]
    state["recipe"] = old_named(state["recipe"], old_names.RECIPE)
    for key in ("start", "distortion", "critic", "rate", "rate_speed", "balance_crops", "expect"):
        del state["recipe"][key]
    stages = [old_named(stage, old_names.STAGE) for stage in state["recipe"]["stages"]]
    state["recipe"]["stages"] = stages
    for old in stages:
        del old["level_power"]
    (tmp_path / "run").mkdir()
    checkpoints.save(tmp_path / "run" / "checkpoint.pt", state)
    tiny.stages.append(Stage("more", steps=1, batch=2, crop=96))
    training.train(tiny, [photographs], tmp_path / "run", resume=True)
    assert checkpoints.load(tmp_path / "run" / "checkpoint.pt")["step"] == 61


def test_a_run_s_own_recipe_may_have_keys_of_before(tiny_run, photographs, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    path = tmp_path / "run" / resuming.RECIPE
    values = yaml.safe_load(path.read_text())
    values["stages"] = [{**stage, "texture_noise": []} for stage in values["stages"]]
    path.write_text(yaml.safe_dump(values))
    training.train(None, [photographs], tmp_path / "run", resume=True)
    assert "texture_noise" not in path.read_text()


def test_the_log_tells_of_every_distance_and_of_the_critic(mixed_run):
    for row in (row for row in rows(mixed_run) if "loss" in row):
        assert (
            set(row["distances"]) == {"mse", "perceptnet"}
            and row["critic"] > 0
            and row["realism"] > 0
        )
        # the mean of logarithms: Jensen
        assert -10 * torch.tensor(row["distances"]["mse"]).log10() < row["psnr"]
    for score in (row["validation"] for row in rows(mixed_run) if "validation" in row):
        assert all(level["perceptnet"] > 0 and level["mse"] > 0 for level in score)


def test_the_loss_is_rate_and_weighted_distortion(beginning, photographs):
    """By the formula, from what the codec itself returns."""
    codec = Codec(from_mapping(mixture(beginning)).network)
    codec.load_state_dict(checkpoints.load(beginning)["average"])
    image = setup.first_crops(open_data([photographs]).training, 96, 3, 4)
    distortion, level = (
        Distortion({"mse": 1.0, "ssim": 3.0}, 4),
        torch.tensor([0.0, 0.5, 2.25, 3.0]),
    )
    distortion.scale.copy_(torch.tensor([[1.0, 0.01], [1.0, 0.02], [1.0, 0.04], [1.0, 0.08]]))
    noise = codec.noise(4, 96, torch.Generator().manual_seed(0))
    with torch.no_grad():
        losses = rate_distortion(codec, distortion, image, level, Stage("s", 1), noise)
        reconstruction = codec(image, level, Stage("s", 1, proxy="mixed"), noise)
    decoded = reconstruction.image
    mse = (image - decoded).square().mean((1, 2, 3))
    ssim = distortion.distances[1].loss(image, decoded)
    scale = 0.01 * 2**level
    bpp = reconstruction.bits / 96**2
    multiplier = 0.0008 * (0.01 / 0.0008) ** (level / 3)
    expected = bpp + multiplier * 255**2 * (0.25 * mse + 0.75 * scale * ssim)
    torch.testing.assert_close(losses["loss"], expected)


def test_a_files_rate_is_counted_as_well_as_the_proxys(beginning, photographs):
    """Noise costs more than rounding does, and a rate to be kept is that of files."""
    codec = setup.begin(from_mapping(mixture(beginning)), None)
    image = setup.first_crops(open_data([photographs]).training, 96, 3, 4)
    plain, level = Distortion({"mse": 1.0}, 4), torch.tensor([0.0, 0.5, 2.25, 3.0])
    by_proxy = {
        proxy: rate_distortion(
            codec, plain, image, level, Stage("s", 1, proxy=proxy), file_bits=True
        )
        for proxy in ("mixed", "straight_through")
    }
    torch.testing.assert_close(by_proxy["mixed"]["file_bpp"], by_proxy["straight_through"]["bpp"])
    assert (by_proxy["mixed"]["bpp"] > 1.1 * by_proxy["mixed"]["file_bpp"]).all() and not by_proxy[
        "mixed"
    ]["file_bpp"].requires_grad


def rates(codec: Codec, crops: torch.Tensor) -> torch.Tensor:
    """ln of the bits a pixel of files at each level."""
    with torch.no_grad():
        levels = (torch.full((len(crops),), float(level)) for level in range(codec.options.levels))
        rounded = Stage("s", 1, proxy="straight_through")
        reconstructions = [codec(crops, level, rounded) for level in levels]
    return torch.stack([part.bits.mean() / crops[0, 0].numel() for part in reconstructions]).log()


def test_a_stage_may_average_over_fewer_steps(beginning, photographs, tmp_path):
    """With a decay of 0 the average is the last step's weights; the recipe's is another."""
    values = mixture(beginning, critic=None, distortion={"mse": 1}, weight_average_decay=0.9)
    for stages, same in (
        ([stage("long", 3), stage("short", 2, weight_average_decay=0.0)], True),
        ([stage("short", 2, weight_average_decay=0.0), stage("long", 3)], False),
    ):
        state = trained(photographs, tmp_path / stages[0]["name"], {**values, "stages": stages})
        model, average = (dict(leaves(state[kind])) for kind in ("model", "average"))
        assert all(torch.equal(average[name], value) for name, value in model.items()) == same


def test_rates_are_kept_where_lambda_would_change_them(beginning, photographs, tmp_path):
    """A trained entropy model, then λ three times what it was: the rate rises by half; held, it
    strays a quarter of that.
    """
    crops = setup.first_crops(open_data([photographs]).training, 96, 7, 24)
    values = mixture(
        beginning,
        distortion={"mse": 1},
        critic=None,
        rate_control="lambda",
        weight_average_decay=0.8,
        balance_crops=24,
    )
    trained(
        photographs,
        tmp_path / "first",
        {**values, "stages": [stage("entropy model", 80, parts="entropy", learning_rate=1e-2)]},
    )
    before = rates(setup.restore_average(tmp_path / "first" / "checkpoint.pt")[0], crops)
    options = {**values["network"], "lambda_low": 3 * 0.0008, "lambda_high": 3 * 0.01}
    strayed = {}
    for rate in ("lambda", "start"):
        trained(
            photographs,
            tmp_path / rate,
            {
                **values,
                "start": str(tmp_path / "first" / "checkpoint.pt"),
                "network": options,
                "rate_control": rate,
                "rate_control_speed": 0.6,
                "stages": [stage("pushed", 60, parts="entropy", learning_rate=3e-2, batch=8)],
            },
        )
        strayed[rate] = (
            (rates(setup.restore_average(tmp_path / rate / "checkpoint.pt")[0], crops) - before)
            .abs()
            .mean()
            .item()
        )
    print(strayed)
    assert strayed["lambda"] > 0.3 and strayed["start"] < 0.5 * strayed["lambda"]


def test_distances_are_balanced_on_another_model(beginning, photographs, tmp_path):
    """Whatever the network that begins has learnt."""
    source = open_data([photographs]).training
    codec, _ = setup.prepared(from_mapping(mixture(beginning)), source, None)
    with torch.no_grad():
        for weights in codec.parameters():
            weights.mul_(0.9)
    changed = tmp_path / "changed.pt"
    checkpoints.save(changed, {"average": codec.state_dict()})
    own, first, second = (
        setup.prepared(from_mapping(mixture(begins, critic=None, balanced_on=model)), source, None)[
            1
        ].scale
        for begins, model in ((beginning, ""), (beginning, "base"), (changed, "base"))
    )
    assert torch.equal(first, second) and not torch.equal(own, first)


def test_rates_may_be_whole_numbers(beginning, photographs, tmp_path):
    values = mixture(
        beginning, stages=[stage("everything", 2)], critic=None, rate_control=[1, 2, 3, 4]
    )
    # all are above what is spent
    assert (trained(photographs, tmp_path / "run", values)["log_factor"] > 0).all()


def test_the_recipes_message_is_printed_at_the_start(beginning, photographs, tmp_path, capfd):
    values = mixture(
        beginning,
        stages=[stage("everything", 1)],
        critic=None,
        rate_control="lambda",
        message="sharper foliage",
    )
    trained(photographs, tmp_path / "run", values)
    assert "sharper foliage" in capfd.readouterr().err


def test_the_commands_start_goes_before_the_recipes(tiny_run, photographs, tmp_path):
    """Also where the recipe alone could not be run: a decoder needs a model to start from."""
    stages = [stage("decoder", 1, parts="decoder")]
    (tmp_path / "recipe.yaml").write_text(
        yaml.safe_dump({**yaml.safe_load(TINY_RECIPE), "stages": stages})
    )
    command = ("train", tmp_path / "recipe.yaml", "--data", photographs, "--out", tmp_path / "run")
    failed = run_metamer(*command)
    assert failed.returncode == 1 and "say start: base" in failed.stderr.decode()
    completed = run_metamer(*command, "--start", tiny_run / "checkpoint.pt")
    assert completed.returncode == 0, completed.stderr.decode()
    assert checkpoints.load(tmp_path / "run" / "checkpoint.pt")["recipe"]["start"] == str(
        tiny_run / "checkpoint.pt"
    )
