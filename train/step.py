"""One training step of a codec: rate and distortion → critic → gradients → average.

Nothing in a step reads a value back from the device, so that a GPU never waits for Python.
"""

import dataclasses
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from metamer.train.bands import by_band
from metamer.train.levels import draw_levels, step_seed
from metamer.train.loss.critic import Opponent
from metamer.train.loss.objective import Distortion, RateTarget
from metamer.train.networks.codec import KEEPING, CachedLatents, Codec
from metamer.train.networks.entropy_model import level_weights
from metamer.train.recipe import Recipe, Stage
from metamer.train.running import learning_rate, uses_bf16


def rate_distortion(
    codec: Codec,
    distortion: Distortion,
    image: Tensor,
    level: Tensor,
    stage: Stage,
    noise=None,
    model=None,
    affine=None,
    file_bits: bool = False,
    cached: CachedLatents | None = None,
) -> dict[str, Tensor]:
    """What coding ``image`` (N, 3, H, W) at ``level`` (N,) costs and leaves, N rows each.

    bpp, as the proxy has it, and, with ``file_bits``, file_bpp, rounded; mse; (N, D) distances;
    distortion, their mix in units of mean squared error; lambda; loss = bpp + λ·255²·distortion;
    and, for the critic, decoded image, latents in deviations, quality weights. model: ``codec`` as
    several processes wrap it. cached: of `Codec.forward`.
    """
    decoded, coded = (model or codec)(
        image,
        level,
        stage.parts,
        stage.proxy,
        stage.proxy_temperature,
        noise,
        stage.texture_noise,
        affine,
        stage.rdoq_lambda,
        stage.rdoq_group_weights,
        file_bits,
        cached,
    )
    decoded = decoded.float()
    weights = level_weights(level, codec.options.levels)
    distances = distortion.each(image, decoded)
    mix, multiplier = distortion.mix(distances, weights), codec.lagrangian(level)
    pixels = image.shape[-2] * image.shape[-1]
    bpp = (coded.bits + coded.hyper_bits) / pixels
    with torch.no_grad():
        mse = distances[:, 0] if distortion.is_plain else (image - decoded).square().mean((1, 2, 3))
    file_bpp = {"file_bpp": coded.file_bits / pixels} if file_bits else {}
    return {
        "bpp": bpp,
        **file_bpp,
        "mse": mse.detach(),
        "distances": distances,
        "distortion": mix,
        "lambda": multiplier,
        "loss": bpp + multiplier * 255**2 * mix,
        "decoded": decoded,
        "latent": coded.latent / codec.entropy.deviation[:, None, None],
        "weights": weights,
    }


@dataclass
class Chance:
    """What a step draws, from the seed and the step alone: the same for any number of processes.

    Of this process's share of the batch: level (n,), noise, which cached latents do without,
    balance (n,), the weights of samples. every_weight: (batch, K) quality weights of the whole
    batch.
    """

    level: Tensor
    noise: tuple[Tensor, ...] | None
    balance: Tensor
    every_weight: Tensor

    @classmethod
    def draw(
        cls, recipe: Recipe, stage: Stage, codec: Codec, step: int, own: slice, device: torch.device
    ) -> "Chance":
        seed = step_seed(recipe, step)
        generator = torch.Generator().manual_seed(seed)
        level, noise = draw_levels(recipe, stage, generator), None
        if recipe.cached_latents is None:
            dither = (
                generator if device.type == "cpu" else torch.Generator(device).manual_seed(seed)
            )
            noise = tuple(part[own] for part in codec.noise(stage.batch, stage.crop, dither))
        balance = codec.lagrangian(level).pow(-recipe.level_balance_exponent)
        weights = level_weights(level, recipe.network.levels)
        level, balance, weights = (
            value.to(device, non_blocking=True)
            for value in (level[own], (balance / balance.mean())[own], weights)
        )
        return cls(level, noise, balance, weights)


def parameter_groups(codec: Codec, linear_share: float) -> list[dict]:
    """The linear transforms start at their optimum and move slowly; all else at the full rate."""
    linear = [
        p for part in (codec.analysis.linear, codec.synthesis.linear) for p in part.parameters()
    ]
    chosen = {id(p) for p in linear}
    rest = [p for p in codec.parameters() if id(p) not in chosen]
    return [{"params": rest, "share": 1.0}, {"params": linear, "share": linear_share}]


class Trainer:
    """Everything that a step changes, and the step itself."""

    def __init__(self, recipe: Recipe, codec: Codec, distortion: Distortion, fabric: Fabric):
        self.recipe, self.fabric, self.distortion = recipe, fabric, distortion.to(fabric.device)
        options = recipe.network
        self.opponent = (
            Opponent(recipe.critic, sum(options.groups), options.levels, fabric)
            if recipe.critic
            else None
        )
        self.target = None
        if recipe.rate_control != "lambda":
            rates = (
                distortion.rates
                if recipe.rate_control == "start"
                else torch.tensor(recipe.rate_control, dtype=torch.float32)
            )
            self.target = RateTarget(rates.to(fabric.device), recipe.rate_control_speed)
        self.codec = codec.to(memory_format=torch.channels_last)
        self.average = AveragedModel(
            codec, multi_avg_fn=get_ema_multi_avg_fn(recipe.weight_average_decay)
        ).to(fabric.device)
        optimiser = torch.optim.Adam(
            parameter_groups(codec, recipe.linear_learning_rate_share), fused=True
        )
        self.model, self.optimiser = fabric.setup(codec, optimiser)

    def enter(self, stage: Stage) -> None:
        """Prepares the networks for the steps of ``stage``."""
        self.codec.train_only(stage.parts)
        for part in (self.codec, self.average.module):
            part.entropy.set_quantised(stage.integer_networks or stage.parts in KEEPING)

    def step(
        self,
        stage: Stage,
        place: int,
        step: int,
        image: Tensor,
        affine: Tensor,
        own: slice,
        cached: CachedLatents | None = None,
    ) -> dict[str, Tensor]:
        """One step; what of it is worth logging, scalars on the device.

        Args:
            place: the step within the stage; step: within the run.
            image: (n, 3, S, S) uint8, this process's share ``own`` of the batch, on the device;
            affine: (n, 3, 4) its colours'.
            cached: latents to decode, where the recipe caches them.
        """
        recipe, fabric = self.recipe, self.fabric
        chance = Chance.draw(recipe, stage, self.codec, step, own, fabric.device)
        image = image.float().div(255)
        rate = learning_rate(stage, place)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]

        # not Fabric's own precision: that would round the images to bf16 too
        with torch.autocast(
            fabric.device.type, torch.bfloat16, enabled=uses_bf16(recipe.precision)
        ):
            result = rate_distortion(
                self.codec,
                self.distortion,
                image,
                chance.level,
                stage,
                chance.noise,
                self.model,
                affine,
                file_bits=self.target is not None,
                cached=cached,
            )
            shown = [result[key] for key in ("decoded", "latent", "weights")]
            listens = self.opponent and step >= recipe.critic.pretraining_steps
            realism = self.opponent.judge(*shown) if listens else torch.zeros_like(result["bpp"])
        distortion, multiplier = result["distortion"], result["lambda"]
        if listens:
            start = self.distortion.interpolated(self.distortion.start, result["weights"])
            distortion = distortion + recipe.critic.weight * start * realism
        if self.target:
            multiplier = multiplier * self.target.factor(chance.every_weight[own])
        loss = ((result["bpp"] + multiplier * 255**2 * distortion) * chance.balance).mean()
        self.optimiser.zero_grad()
        fabric.backward(loss)
        norm = fabric.clip_gradients(
            self.model, self.optimiser, max_norm=recipe.gradient_clip, error_if_nonfinite=False
        )
        self.optimiser.step()
        self.average.update_parameters(self.codec)

        logged = {
            "loss": loss.detach(),
            "bpp": result["bpp"].detach().mean(),
            "psnr": -10 * result["mse"].log10().mean(),
        }
        if self.opponent:
            with torch.autocast(
                fabric.device.type, torch.bfloat16, enabled=uses_bf16(recipe.precision)
            ):
                judged = self.opponent.learn(
                    image, *shown, rate / stage.learning_rate, recipe.gradient_clip
                )
            logged |= {"realism": realism.detach().mean(), "critic": judged}
        if self.target:
            self.target.update(fabric.all_gather(result["file_bpp"]).flatten(), chance.every_weight)
        parts = {"loss": result["loss"], "bpp": result["bpp"], "psnr": -10 * result["mse"].log10()}
        logged |= by_band(chance.level, recipe.network.levels, parts)
        distances = result["distances"].detach().mean(0).unbind()
        return logged | {
            "gradient": norm,
            **{
                f"each.{name}": value
                for name, value in zip(self.distortion.names, distances, strict=True)
            },
        }

    def state(self) -> dict:
        """What a run goes on from, besides its step."""
        return {
            "model": self.codec.state_dict(),
            "average": self.average.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "recipe": dataclasses.asdict(self.recipe),
            "distortion": self.distortion.state(),
            "critic": self.opponent.state() if self.opponent else None,
            "log_factor": self.target.log_factor if self.target else None,
        }

    def restore(self, state: dict) -> None:
        """Goes on from `state` of the same recipe; ``codec`` and ``distortion`` were restored
        before.
        """
        self.average.module.load_state_dict(state["average"])
        self.average.n_averaged.fill_(state["step"])
        self.optimiser.load_state_dict(state["optimiser"])
        for group in self.optimiser.param_groups:
            group["fused"] = True  # of runs from before it was not
        if self.opponent:
            self.opponent.load_state(state["critic"])
        if self.target:
            self.target.log_factor.copy_(state["log_factor"])
