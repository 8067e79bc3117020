"""The training loop, top to bottom: data → rate and distortion → gradients → average → log → checkpoint."""

import dataclasses
import itertools
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from lightning_fabric import Fabric, seed_everything
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from codec.errors import RecipeError
from perception import create
from train.data import Crops, Photographs, centre_crops, find
from train.networks import Codec
from train.recipe import Recipe, Stage, from_mapping
from train.running import CHECKPOINT, LOG, Progress, earlier, learning_rate, load, save, stop_if_not_finite, uses_bf16

START_CROP = 176  # crops that the lapped transform is fitted to
VALIDATION_CROPS = 16
DISTORTION = create("mse")


def spread_levels(batch: int, levels: int, generator: torch.Generator) -> Tensor:
    """(N,) quality levels, one from each of N equal slices of [0, levels − 1], shuffled."""
    places = (torch.arange(batch) + torch.rand(batch, generator=generator)) / batch
    return places[torch.randperm(batch, generator=generator)] * (levels - 1)


def rate_distortion(codec: Codec, image: Tensor, level: Tensor, stage: Stage, model=None) -> dict[str, Tensor]:
    """bpp, mse (in [0, 1] units), lambda and loss = bpp + λ·255²·MSE, each (N,)."""
    linear = stage.parts == "entropy"
    decoded, coded = (model or codec)(image, level, stage.proxy, stage.temperature, linear)
    pixels = image.shape[-2] * image.shape[-1]
    mse = DISTORTION.between(image, decoded.float())
    bpp = (coded.bits + coded.hyper_bits) / pixels
    weight = codec.lagrangian(level)
    return {"bpp": bpp, "mse": mse, "lambda": weight, "loss": bpp + weight * 255**2 * mse}


@torch.no_grad()
def validate(codec: Codec, crops: Tensor, stage: Stage, device: torch.device) -> list[dict]:
    """Rate and PSNR at each quality level, hard rounding, on held-out crops."""
    rounded = dataclasses.replace(stage, proxy="straight_through")
    rows = []
    for level in range(codec.options.levels):
        parts = []
        for batch in crops.split(8):
            at = torch.full((len(batch),), float(level), device=device)
            parts.append(rate_distortion(codec, batch.to(device).float() / 255, at, rounded))
        mean = {key: torch.cat([part[key] for part in parts]).mean().item() for key in ("bpp", "loss")}
        psnr = -10 * torch.log10(torch.cat([part["mse"] for part in parts])).mean().item()
        rows.append({"level": level, "bpp": mean["bpp"], "psnr": psnr, "loss": mean["loss"]})
    return rows


def validation_crops(held: list[Path]) -> Tensor:
    """(N, 3, 256, 256) uint8 from the held-out photographs, spread evenly over them."""
    return centre_crops(Photographs(held[:: max(1, len(held) // VALIDATION_CROPS)]), 256, VALIDATION_CROPS)


def check_resumable(recipe: Recipe, state: dict) -> None:
    """Raises RecipeError when ``recipe`` would not have led to ``state``; stages not yet begun may differ."""
    now, before = dataclasses.asdict(recipe), dict(state["recipe"])
    for key in ("save_every", "validate_every", "log_every"):
        before[key] = now[key]
    ends = itertools.accumulate(stage["steps"] for stage in before["stages"])
    begun = 1 + sum(end < state["step"] for end in ends)
    now["stages"], before["stages"] = now["stages"][:begun], before["stages"][:begun]
    changed = [key for key in now if now[key] != before.get(key)]
    if changed:
        raise RecipeError(f"the run was begun with other {', '.join(changed)}; resume it with its own recipe")


def restore_average(path: Path) -> tuple[Codec, dict]:
    """The averaged weights of a run as a Codec, and the checkpoint they came from."""
    state = load(path)
    codec = Codec(from_mapping(state["recipe"]).network)
    codec.load_state_dict(state["average"])
    return codec, state


def parameter_groups(codec: Codec, linear_rate: float) -> list[dict]:
    """The linear transforms start at their optimum and move slowly; all else at the full rate."""
    linear = [p for part in (codec.analysis.linear, codec.synthesis.linear) for p in part.parameters()]
    chosen = {id(p) for p in linear}
    rest = [p for p in codec.parameters() if id(p) not in chosen]
    return [{"params": rest, "share": 1.0}, {"params": linear, "share": linear_rate}]


def connect() -> Fabric:
    """Fabric on the GPU if there is one, else the CPU; on several processes when started by `torchrun`."""
    world, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    strategy = DDPStrategy(find_unused_parameters=True) if world > 1 else "auto"  # stages may leave networks out
    fabric = Fabric(devices=local, num_nodes=world // local, strategy=strategy)
    fabric.launch()
    torch.backends.cudnn.allow_tf32 = False  # what asks for float32 needs it: integer layers, the linear transforms
    return fabric


def batches(photographs: Photographs, stage: Stage, seed: int, steps: range, fabric: Fabric) -> DataLoader:
    """The crops of ``steps``; which they are depends only on seed, step and process."""
    share = fabric.world_size * stage.batch
    first = fabric.global_rank * stage.batch
    order = [step * share + first + item for step in steps for item in range(stage.batch)]
    return DataLoader(Crops(photographs, stage.crop, seed), batch_size=stage.batch, sampler=order)


def train(recipe: Recipe, folders: Sequence[Path], out: Path, resume: bool = False, start: Path | None = None) -> None:
    """Runs ``recipe`` on the photographs of ``folders``; writes checkpoint.pt and log.jsonl into ``out``.

    resume: continue from the checkpoint in ``out``; the weights end the same as if nothing had happened.
    start: a checkpoint whose averaged weights to begin from, instead of the Karhunen-Loève start.
    Raises RecipeError, DivergedError.
    """
    out = Path(out)
    checkpoint = out / CHECKPOINT
    state = earlier(out, resume)
    if state is not None:
        check_resumable(recipe, state)
    fabric = connect()
    seed_everything(recipe.seed, verbose=False)
    out.mkdir(parents=True, exist_ok=True)

    training, held = find(*folders)
    photographs = Photographs(training)
    validation = validation_crops(held)

    codec = Codec(recipe.network)
    if state is not None:
        codec.load_state_dict(state["model"])
    elif start is not None:
        codec.load_state_dict(load(start)["average"])
    else:
        crops = Crops(photographs, START_CROP, recipe.seed)
        codec.start_from(torch.stack([crops[index] for index in range(recipe.start_crops)]).float() / 255)
    codec = codec.to(memory_format=torch.channels_last)
    average = AveragedModel(codec, multi_avg_fn=get_ema_multi_avg_fn(recipe.average))
    optimiser = torch.optim.Adam(parameter_groups(codec, recipe.linear_rate))
    done = 0
    if state is not None:
        done = state["step"]
        average.module.load_state_dict(state["average"])
        average.n_averaged.fill_(done)
    average.to(fabric.device)
    model, optimiser = fabric.setup(codec, optimiser)
    if state is not None:
        optimiser.load_state_dict(state["optimiser"])  # only now: its state belongs on the parameters' device

    def snapshot() -> None:
        if fabric.is_global_zero:
            save(checkpoint, {"step": done, "model": codec.state_dict(), "average": average.module.state_dict(),
                              "optimiser": optimiser.state_dict(), "recipe": dataclasses.asdict(recipe)})
        fabric.barrier()

    progress = Progress(out / LOG, recipe.log_every, sum(stage.steps for stage in recipe.stages), done, fabric.is_global_zero)
    first = 0
    for stage in recipe.stages:
        last = first + stage.steps
        for part in (codec, average.module):
            part.entropy.set_quantised(stage.quantised)
        for batch in batches(photographs, stage, recipe.seed, range(done, last), fabric):
            rng = torch.Generator().manual_seed(recipe.seed + 1_000_003 * done + fabric.global_rank)
            torch.manual_seed(torch.randint(2**62, (1,), generator=rng).item())  # the noise depends on the step alone
            level = spread_levels(stage.batch, recipe.network.levels, rng).to(fabric.device)
            image = batch.to(fabric.device).float().div(255).contiguous(memory_format=torch.channels_last)
            rate = learning_rate(stage, done - first)
            for group in optimiser.param_groups:
                group["lr"] = rate * group["share"]

            # not Fabric's own precision: that would round the images to bf16 too
            with torch.autocast(fabric.device.type, torch.bfloat16, enabled=uses_bf16(recipe.precision)):
                result = rate_distortion(codec, image, level, stage, model)
            balance = result["lambda"].pow(-recipe.rate_balance)
            loss = (result["loss"] * balance / balance.mean()).mean()
            stop_if_not_finite("loss", loss.item(), done, checkpoint)
            optimiser.zero_grad()
            fabric.backward(loss)
            norm = fabric.clip_gradients(model, optimiser, max_norm=recipe.clip, error_if_nonfinite=False)
            stop_if_not_finite("gradient", norm.item(), done, checkpoint)
            optimiser.step()
            average.update_parameters(codec)
            done += 1

            if pace := progress.step(done, stage.batch * fabric.world_size):
                found = {"loss": loss.item(), "bpp": result["bpp"].mean().item(),
                         "psnr": -10 * torch.log10(result["mse"]).mean().item()}
                line = "{} loss {loss:.3f} bpp {bpp:.3f} PSNR {psnr:.2f}".format(stage.name, **found)
                progress.report(line, step=done, stage=stage.name, **found, gradient=float(norm), learning_rate=rate, **pace)
            if done % recipe.validate_every == 0 and len(validation) and fabric.is_global_zero:
                progress.row(step=done, validation=validate(average.module, validation, stage, fabric.device))
            if done % recipe.save_every == 0 and done < last:
                snapshot()
        first = last
        if done == last:
            snapshot()
    progress.close()
