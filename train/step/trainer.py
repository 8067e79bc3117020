"""One training step: rate and distortion → critic → gradients → average.

Nothing in a step reads a value back from the device, so that a GPU never waits for Python.
"""

import dataclasses

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from metamer.train.loss.critic import Opponent
from metamer.train.loss.objective import Distortion, RateTarget
from metamer.train.loss.rate_distortion import rate_distortion
from metamer.train.networks.cached_latents import CachedLatents
from metamer.train.networks.interface import Network
from metamer.train.recipe.options import Recipe, Stage
from metamer.train.step.bands import by_band
from metamer.train.step.draws import StepDraws
from metamer.train.step.optimisation import learning_rate, optimiser_of, uses_bf16

SMALLEST_LOSS = 1e-3  # that a sample is balanced by; a critic's part can take the whole below 0
CRITIC_INPUTS = ("decoded", "latent", "weights")  # of what `rate_distortion` gives
AUXILIARY_LEARNING_RATE = 1e-3  # of Network.auxiliary_parameters; CompressAI's examples/train.py


class Trainer:
    """Everything that a step changes, and the step itself."""

    def __init__(self, recipe: Recipe, network: Network, distortion: Distortion, fabric: Fabric):
        self.recipe, self.fabric, self.distortion = recipe, fabric, distortion.to(fabric.device)
        self.opponent = (
            Opponent(recipe.critic, network.latent_channels, network.options.levels, fabric)
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
        self.network = network.to(memory_format=network.memory_format)
        # what the wrapper of several processes is to know of, whatever a stage trains first
        network.requires_grad_(True)
        self.auxiliary_parameters = network.auxiliary_parameters()
        for parameter in self.auxiliary_parameters:
            parameter.requires_grad_(False)
        self.average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn()).to(fabric.device)
        self.model, self.optimiser = fabric.setup(network, optimiser_of(network, recipe))
        self.auxiliary = (
            torch.optim.Adam(self.auxiliary_parameters, lr=AUXILIARY_LEARNING_RATE)
            if self.auxiliary_parameters
            else None
        )

    def enter(self, stage: Stage) -> None:
        """Prepares the networks for the steps of ``stage``."""
        for network in (self.network, self.average.module):
            network.enter(stage)
        decay = stage.weight_average_decay
        self.average.multi_avg_fn = get_ema_multi_avg_fn(
            self.recipe.weight_average_decay if decay is None else decay
        )

    def step(
        self,
        stage: Stage,
        place: int,
        step: int,
        image: Tensor,
        affine: Tensor,
        share: slice,
        cached: CachedLatents | None = None,
    ) -> dict[str, Tensor]:
        """One step.

        Args:
            stage: The stage that it belongs to.
            place: The step within the stage.
            step: The step within the run.
            image: (n, 3, S, S) uint8, this process's share of the batch, on the device.
            affine: (n, 3, 4) what an encoder would turn their colours by, `train.colour_axes`.
            share: Which of the batch's samples they are.
            cached: Latents to decode, where the recipe caches them.

        Returns:
            What of it is worth logging, scalars on the device.
        """
        draws = StepDraws.draw(self.recipe, stage, self.network, step, share, self.fabric.device)
        image = image.float().div(255)
        rate = learning_rate(stage, place)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]

        self.optimiser.zero_grad()
        result, loss = self.accumulate(stage, step, image, affine, draws, cached)
        norm = self.fabric.clip_gradients(
            self.model, self.optimiser, max_norm=self.recipe.gradient_clip, error_if_nonfinite=False
        )
        self.optimiser.step()

        values = {"loss": loss, **self.summarise(result, draws.level)}
        if self.auxiliary:
            values["auxiliary"] = self.step_auxiliary()
        self.average.update_parameters(self.network)
        if self.opponent:
            values["critic"] = self.train_critic(image, result, rate / stage.learning_rate)
        if self.target:
            file_bpp = self.fabric.all_gather(result["file_bpp"]).flatten()
            self.target.update(file_bpp, draws.batch_level_weights)
        return values | {"gradient": norm}

    def summarise(self, result: dict[str, Tensor | None], level: Tensor) -> dict[str, Tensor]:
        """What is logged of `accumulate`'s ``result`` at quality levels ``level`` (n,): scalars."""
        psnr = -10 * result["mse"].log10()
        values = {"bpp": result["bpp"].mean(), "psnr": psnr.mean()}
        if self.opponent:
            values["realism"] = result["realism"].mean()
        levels = self.recipe.network.levels
        if levels > 1:
            samples = {"loss": result["loss"], "bpp": result["bpp"], "psnr": psnr}
            values |= by_band(level, levels, samples)
        distances = result["distances"].mean(0).unbind()
        names = (f"distances.{name}" for name in self.distortion.names)
        return values | dict(zip(names, distances, strict=True))

    def accumulate(
        self,
        stage: Stage,
        step: int,
        image: Tensor,
        affine: Tensor,
        draws: StepDraws,
        cached: CachedLatents | None,
    ) -> tuple[dict[str, Tensor | None], Tensor]:
        """Adds the gradients of the batch, in as many parts as the stage says.

        Returns:
            The rows of `backward` of all samples, and the batch's loss.
        """
        parts, results = split_evenly(len(image), stage.gradient_accumulation), []
        for part in parts:
            # processes add up their gradients once
            with self.fabric.no_backward_sync(self.model, enabled=part is not parts[-1]):
                results.append(
                    self.backward(
                        stage,
                        step,
                        image[part],
                        affine[part],
                        draws.part(part),
                        None if cached is None else cached.part(part),
                    )
                )
        return concatenated(results), torch.stack([part["minimised"] for part in results]).sum()

    def train_critic(
        self, image: Tensor, result: dict[str, Tensor | None], rate_share: float
    ) -> Tensor:
        """A step of the critic, at this share of its highest learning rate; returns its loss."""
        inputs = [result[key] for key in CRITIC_INPUTS]
        with torch.autocast(
            self.fabric.device.type, torch.bfloat16, enabled=uses_bf16(self.recipe.precision)
        ):
            return self.opponent.learn(image, *inputs, rate_share, self.recipe.gradient_clip)

    def backward(
        self,
        stage: Stage,
        step: int,
        image: Tensor,
        affine: Tensor,
        draws: StepDraws,
        cached: CachedLatents | None,
    ) -> dict[str, Tensor | None]:
        """Adds the gradients of a part of the batch, in [0, 1], with what was drawn for it.

        Returns:
            What `rate_distortion` says of it, with the critic's ``realism`` (N,) and what was
            ``minimised``, the part's share of the batch's loss; without gradients.
        """
        recipe, fabric = self.recipe, self.fabric
        # not Fabric's own precision: that would round the images to bf16 too
        with torch.autocast(
            fabric.device.type, torch.bfloat16, enabled=uses_bf16(recipe.precision)
        ):
            result = rate_distortion(
                self.network,
                self.distortion,
                image,
                draws.level,
                stage,
                draws.noise,
                self.model,
                affine,
                file_bits=self.target is not None,
                cached=cached,
            )
            inputs = [result[key] for key in CRITIC_INPUTS]
            listens = self.opponent and step >= recipe.critic.pretraining_steps
            realism = self.opponent.judge(*inputs) if listens else torch.zeros_like(result["bpp"])
        distortion, multiplier = result["distortion"], result["lambda"]
        if listens:
            start = self.distortion.interpolated(self.distortion.start, result["weights"])
            distortion = distortion + recipe.critic.weight * start * realism
        if self.target:
            multiplier = multiplier * self.target.factor(draws.level_weights)
        losses = result["bpp"] + multiplier * 255**2 * distortion
        balance = losses.detach().clamp_min(SMALLEST_LOSS).pow(-recipe.loss_balance_exponent)
        loss = (losses * balance * draws.sample_weights).mean() / stage.gradient_accumulation
        fabric.backward(loss)
        rows = {**result, "realism": realism, "minimised": loss}
        return {key: None if value is None else value.detach() for key, value in rows.items()}

    def step_auxiliary(self) -> Tensor:
        """A step of what `Network.auxiliary_loss` trains; returns that loss.

        It sees no images, so several processes take the same step without a word to each other.
        """
        for parameter in self.auxiliary_parameters:
            parameter.requires_grad_(True)
        loss = self.network.auxiliary_loss()
        for parameter, gradient in zip(
            self.auxiliary_parameters,
            torch.autograd.grad(loss, self.auxiliary_parameters),
            strict=True,
        ):
            parameter.grad = gradient
            parameter.requires_grad_(False)
        self.auxiliary.step()
        self.auxiliary.zero_grad()
        return loss.detach()

    def state(self) -> dict:
        """What a run goes on from, besides its step."""
        return {
            "model": self.network.state_dict(),
            "average": self.average.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "recipe": dataclasses.asdict(self.recipe),
            "distortion": self.distortion.state(),
            "auxiliary": self.auxiliary.state_dict() if self.auxiliary else None,
            "critic": self.opponent.state() if self.opponent else None,
            "log_factor": self.target.log_factor if self.target else None,
        }

    def restore(self, state: dict) -> None:
        """Goes on from `state` of the same recipe; ``network`` and ``distortion`` were restored
        before.
        """
        self.average.module.load_state_dict(state["average"])
        self.average.n_averaged.fill_(state["step"])
        self.optimiser.load_state_dict(state["optimiser"])
        for group in self.optimiser.param_groups:
            group["fused"] = True  # of runs from before it was not
        if self.auxiliary:
            self.auxiliary.load_state_dict(state["auxiliary"])
        if self.opponent:
            self.opponent.load_state(state["critic"])
        if self.target:
            self.target.log_factor.copy_(state["log_factor"])


def split_evenly(count: int, parts: int) -> list[slice]:
    """So many equal parts of ``count`` samples."""
    size = count // parts
    return [slice(first, first + size) for first in range(0, count, size)]


def concatenated(results: list[dict[str, Tensor | None]]) -> dict[str, Tensor | None]:
    """Rows of all parts of a batch, in order; what has none is left out."""
    if len(results) == 1:
        return results[0]
    return {
        key: None if value is None else torch.cat([rows[key] for rows in results])
        for key, value in results[0].items()
        if value is None or value.ndim
    }
