"""The training loop, top to bottom: data → rate and distortion → critic → gradients → average → log → checkpoint."""

import dataclasses
import itertools
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from lightning_fabric import Fabric, seed_everything
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from codec.errors import RecipeError
from train import start as starts
from train.critic import Opponent
from train.data import Crops, CropsInColour, Photographs, centre_crops, find
from train.entropy_model import level_weights
from train.networks import KEEPING, Codec
from train.objective import Distortion, RateTarget
from train.recipe import Recipe, Stage, from_mapping
from train.running import (
    CHECKPOINT,
    LOG,
    DivergedError,
    Progress,
    earlier,
    learning_rate,
    load,
    save,
    stop_if_not_finite,
    uses_bf16,
)

START_CROP = 176  # crops that the lapped transform is fitted to
VALIDATION_CROPS = 16


def spread_levels(batch: int, levels: int, generator: torch.Generator, power: float = 1.0) -> Tensor:
    """(N,) quality levels (K − 1)·u^power, one u from each of N equal slices of [0, 1], shuffled."""
    places = (torch.arange(batch) + torch.rand(batch, generator=generator)) / batch
    return places[torch.randperm(batch, generator=generator)] ** power * (levels - 1)


def rate_distortion(
    codec: Codec, distortion: Distortion, image: Tensor, level: Tensor, stage: Stage, noise=None, model=None, affine=None,
    file_bits: bool = False,
) -> dict[str, Tensor]:
    """What coding ``image`` (N, 3, H, W) at ``level`` (N,) costs and leaves, N rows each.

    bpp, as the proxy has it, and, with ``file_bits``, file_bpp, rounded; mse; each (N, D) distance; distortion, their mix in units of mean squared
    error; lambda; loss = bpp + λ·255²·distortion; and, for the critic, decoded image, latents in deviations, quality weights.
    """
    decoded, coded = (model or codec)(
        image, level, stage.parts, stage.proxy, stage.temperature, noise, stage.texture, affine, stage.tradeoff, stage.worth,
        file_bits)
    decoded = decoded.float()
    weights = level_weights(level, codec.options.levels)
    each = distortion.each(image, decoded)
    mix, multiplier = distortion.mix(each, weights), codec.lagrangian(level)
    pixels = image.shape[-2] * image.shape[-1]
    bpp = (coded.bits + coded.hyper_bits) / pixels
    with torch.no_grad():
        mse = each[:, 0] if distortion.is_plain else (image - decoded).square().mean((1, 2, 3))
    file_bpp = {"file_bpp": coded.file_bits / pixels} if file_bits else {}
    return {
        "bpp": bpp, **file_bpp, "mse": mse.detach(), "each": each,
        "distortion": mix, "lambda": multiplier, "loss": bpp + multiplier * 255**2 * mix, "decoded": decoded,
        "latent": coded.latent / codec.entropy.deviation[:, None, None], "weights": weights,
    }


@torch.no_grad()
def validate(codec: Codec, distortion: Distortion, crops: Tensor, stage: Stage, device: torch.device) -> list[dict]:
    """Rate, PSNR and every distance at each quality level, hard rounding, on held-out crops."""
    rounded = dataclasses.replace(stage, proxy="straight_through")
    rows = []
    for level in range(codec.options.levels):
        parts = []
        for batch in crops.split(8):
            at = torch.full((len(batch),), float(level), device=device)
            parts.append(rate_distortion(codec, distortion, batch.to(device).float() / 255, at, rounded))
        found = {key: torch.cat([part[key] for part in parts]) for key in ("bpp", "loss", "mse", "each")}
        each = dict(zip(distortion.names, found["each"].mean(0).tolist(), strict=True))
        rows.append({"level": level, "bpp": found["bpp"].mean().item(), "psnr": -10 * found["mse"].log10().mean().item(),
                     "loss": found["loss"].mean().item(), **each})
    return rows


def validation_crops(held: list[Path]) -> Tensor:
    """(N, 3, 256, 256) uint8 from the held-out photographs, spread evenly over them."""
    return centre_crops(Photographs(held[:: max(1, len(held) // VALIDATION_CROPS)]), 256, VALIDATION_CROPS)


def check_resumable(recipe: Recipe, state: dict) -> None:
    """Raises RecipeError when ``recipe`` would not have led to ``state``; stages not yet begun may differ."""
    now, before = dataclasses.asdict(recipe), dataclasses.asdict(from_mapping(state["recipe"]))
    for key in ("save_every", "validate_every", "log_every", "expect", "start"):
        before[key] = now[key]
    ends = itertools.accumulate(stage["steps"] for stage in before["stages"])
    begun = 1 + sum(end < state["step"] for end in ends)
    now["stages"], before["stages"] = now["stages"][:begun], before["stages"][:begun]
    changed = [key for key in now if now[key] != before[key]]
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


def own_share(stage: Stage, fabric: Fabric) -> slice:
    """Which samples of a step's batch are this process's. Raises RecipeError when they cannot be shared evenly."""
    size, rest = divmod(stage.batch, fabric.world_size)
    if rest:
        raise RecipeError(f"stage {stage.name}: a batch of {stage.batch} cannot be shared by {fabric.world_size} processes")
    return slice(fabric.global_rank * size, (fabric.global_rank + 1) * size)


def batches(photographs: Photographs, stage: Stage, seed: int, steps: range, own: slice) -> DataLoader:
    """This process's crops of ``steps``, with their colours' turns, chosen by nothing but seed, step and place in the batch."""
    order = [step * stage.batch + item for step in steps for item in range(own.start, own.stop)]
    return DataLoader(CropsInColour(photographs, stage.crop, seed), batch_size=own.stop - own.start, sampler=order)


def first_crops(photographs: Photographs, crop: int, seed: int, count: int) -> Tensor:
    """(N, 3, S, S) in [0, 1]: the crops that statistics are taken of before training."""
    crops = Crops(photographs, crop, seed)
    return torch.stack([crops[index] for index in range(count)]).float() / 255


def begin(recipe: Recipe, photographs: Photographs) -> Codec:
    """The codec before the first step: of ``recipe.start``, or the Karhunen-Loève start."""
    if recipe.start:
        return starts.load(recipe.start, recipe.network)
    codec = Codec(recipe.network)
    codec.start_from(first_crops(photographs, START_CROP, recipe.seed, recipe.start_crops))
    return codec


def train(recipe: Recipe, folders: Sequence[Path], out: Path, resume: bool = False) -> None:
    """Runs ``recipe`` on the photographs of ``folders``; writes checkpoint.pt and log.jsonl into ``out``.

    resume: continue from the checkpoint in ``out``; the weights end the same as if nothing had happened.
    Started by `torchrun`, processes share each batch and end with the weights of one alone, but for the order of sums.
    Raises RecipeError, DivergedError.
    """
    out = Path(out)
    checkpoint = out / CHECKPOINT
    state = earlier(out, resume)
    if state is not None:
        check_resumable(recipe, state)
        recipe.start = state["recipe"].get("start", "")
    fabric = connect()
    shares = [own_share(stage, fabric) for stage in recipe.stages]
    seed_everything(recipe.seed, verbose=False)
    levels = recipe.network.levels
    distortion = Distortion(recipe.distortion, levels)
    opponent = Opponent(recipe.critic, sum(recipe.network.groups), levels, fabric) if recipe.critic else None
    training, held = find(*folders)
    photographs = Photographs(training)
    validation = validation_crops(held)

    codec = Codec(recipe.network) if state is not None else begin(recipe, photographs)
    if state is not None:
        codec.load_state_dict(state["model"])
        if "distortion" in state:  # checkpoints from before there was anything to balance lack it
            distortion.restore(state["distortion"])
    elif not distortion.is_plain or recipe.critic or recipe.rate != "lambda":
        codec.entropy.set_quantised(recipe.stages[0].quantised or recipe.stages[0].parts in KEEPING)
        crops = first_crops(photographs, max(stage.crop for stage in recipe.stages), recipe.seed, recipe.balance_crops)
        distortion.balance(codec, crops, recipe.stages[0].parts)
    out.mkdir(parents=True, exist_ok=True)
    codec = codec.to(memory_format=torch.channels_last)
    average = AveragedModel(codec, multi_avg_fn=get_ema_multi_avg_fn(recipe.average))
    optimiser = torch.optim.Adam(parameter_groups(codec, recipe.linear_rate), fused=True)
    target = None
    if recipe.rate != "lambda":
        wanted = distortion.rates if recipe.rate == "start" else torch.tensor(recipe.rate, dtype=torch.float32)
        target = RateTarget(wanted, recipe.rate_speed)
    done = 0
    if state is not None:
        done = state["step"]
        average.module.load_state_dict(state["average"])
        average.n_averaged.fill_(done)
    average.to(fabric.device)
    distortion.to(fabric.device)
    model, optimiser = fabric.setup(codec, optimiser)
    if state is not None:  # only now: optimisers' state belongs on the parameters' device
        optimiser.load_state_dict(state["optimiser"])
        for group in optimiser.param_groups:
            group["fused"] = True  # of earlier runs it was not
        if opponent:
            opponent.load_state(state["critic"])
        if target:
            target.log_factor.copy_(state["log_factor"])

    def snapshot() -> None:
        if fabric.is_global_zero:
            save(checkpoint, {
                "step": done, "model": codec.state_dict(), "average": average.module.state_dict(),
                "optimiser": optimiser.state_dict(), "recipe": dataclasses.asdict(recipe),
                "distortion": distortion.state(),
                "critic": opponent.state() if opponent else None, "log_factor": target.log_factor if target else None,
            })
        fabric.barrier()

    progress = Progress(out / LOG, recipe.log_every, sum(stage.steps for stage in recipe.stages), done, fabric.is_global_zero)
    if fabric.is_global_zero and recipe.expect:
        tqdm.write(recipe.expect, file=sys.stderr)
    first = 0
    for stage, own in zip(recipe.stages, shares, strict=True):
        last = first + stage.steps
        codec.train_only(stage.parts)
        for part in (codec, average.module):
            part.entropy.set_quantised(stage.quantised or stage.parts in KEEPING)
        for batch, affine in batches(photographs, stage, recipe.seed, range(done, last), own):
            # all chance is drawn for the whole batch, from the step alone: it is the same for any number of processes
            rng = torch.Generator().manual_seed(recipe.seed + 1_000_003 * done)
            level = spread_levels(stage.batch, levels, rng, stage.level_power)
            noise = tuple(part[own] for part in codec.noise(stage.batch, stage.crop, rng))
            balance = codec.lagrangian(level).pow(-recipe.rate_balance)
            balance = (balance / balance.mean())[own].to(fabric.device)
            every_weight = level_weights(level, levels)
            level = level[own].to(fabric.device)
            image = batch.to(fabric.device).float().div(255)
            rate = learning_rate(stage, done - first)
            for group in optimiser.param_groups:
                group["lr"] = rate * group["share"]

            # not Fabric's own precision: that would round the images to bf16 too
            with torch.autocast(fabric.device.type, torch.bfloat16, enabled=uses_bf16(recipe.precision)):
                result = rate_distortion(
                    codec, distortion, image, level, stage, noise, model, affine.to(fabric.device), file_bits=target is not None)
                seen = [result[key] for key in ("decoded", "latent", "weights")]
                listens = opponent and done >= recipe.critic.alone
                realism = opponent.judge(*seen) if listens else torch.zeros_like(result["bpp"])
            wanted = result["distortion"]
            if listens:
                wanted = wanted + recipe.critic.weight * distortion.interpolated(distortion.start, result["weights"]) * realism
            multiplier = result["lambda"]
            if target:
                multiplier = multiplier * target.factor(every_weight[own]).to(fabric.device)
            loss = ((result["bpp"] + multiplier * 255**2 * wanted) * balance).mean()
            stop_if_not_finite("loss", loss.item(), done, checkpoint)
            optimiser.zero_grad()
            fabric.backward(loss)
            norm = fabric.clip_gradients(model, optimiser, max_norm=recipe.clip, error_if_nonfinite=False)
            stop_if_not_finite("gradient", norm.item(), done, checkpoint)
            optimiser.step()
            average.update_parameters(codec)
            extra = {}
            if opponent:
                with torch.autocast(fabric.device.type, torch.bfloat16, enabled=uses_bf16(recipe.precision)):
                    said = opponent.learn(image, *seen, rate / stage.learning_rate, recipe.clip)
                stop_if_not_finite("critic's loss", said, done, checkpoint)
                extra = {"realism": realism.mean().item(), "critic": said}
            if target:
                target.update(fabric.all_gather(result["file_bpp"]).flatten().cpu(), every_weight)
            done += 1

            if pace := progress.step(done, stage.batch):
                each = dict(zip(distortion.names, result["each"].mean(0).tolist(), strict=True))
                found = {"loss": loss.item(), "bpp": result["bpp"].mean().item(),
                         "psnr": -10 * torch.log10(result["mse"]).mean().item()}
                line = "{} loss {loss:.3f} bpp {bpp:.3f} PSNR {psnr:.2f}".format(stage.name, **found)
                line += "".join(f" {key} {value:.3f}" for key, value in extra.items())
                progress.report(line, step=done, stage=stage.name, **found, **extra, each=each, gradient=float(norm),
                                learning_rate=rate, **pace)
            if done % recipe.validate_every == 0 and len(validation) and fabric.is_global_zero:
                progress.row(step=done, validation=validate(average.module, distortion, validation, stage, fabric.device))
            if done % recipe.save_every == 0 and done < last:
                snapshot()
        first = last
        if done == last:
            snapshot()
    progress.close()
