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
from metamer.train.networks.codec import CachedLatents
from metamer.train.networks.interface import Network
from metamer.train.recipe.options import Recipe, Stage
from metamer.train.step.bands import by_band
from metamer.train.step.draws import Chance
from metamer.train.step.optimisation import learning_rate, uses_bf16

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
        self.apart = network.auxiliary_parameters()
        for parameter in self.apart:
            parameter.requires_grad_(False)
        self.average = AveragedModel(
            network, multi_avg_fn=get_ema_multi_avg_fn(recipe.weight_average_decay)
        ).to(fabric.device)
        optimiser = torch.optim.Adam(network.parameter_groups(recipe), fused=True)
        self.model, self.optimiser = fabric.setup(network, optimiser)
        self.auxiliary = (
            torch.optim.Adam(self.apart, lr=AUXILIARY_LEARNING_RATE) if self.apart else None
        )

    def enter(self, stage: Stage) -> None:
        """Prepares the networks for the steps of ``stage``."""
        for network in (self.network, self.average.module):
            network.enter(stage)

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
        """One step.

        Args:
            stage: The stage that it belongs to.
            place: The step within the stage.
            step: The step within the run.
            image: (n, 3, S, S) uint8, this process's share of the batch, on the device.
            affine: (n, 3, 4) what an encoder would turn their colours by, `train.colour_axes`.
            own: Which of the batch's samples they are.
            cached: Latents to decode, where the recipe caches them.

        Returns:
            What of it is worth logging, scalars on the device.
        """
        recipe, fabric = self.recipe, self.fabric
        chance = Chance.draw(recipe, stage, self.network, step, own, fabric.device)
        image = image.float().div(255)
        rate = learning_rate(stage, place)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]

        self.optimiser.zero_grad()
        parts, results = shares(len(image), stage.gradient_accumulation), []
        for part in parts:
            # processes add up their gradients once
            with fabric.no_backward_sync(self.model, enabled=part is not parts[-1]):
                results.append(
                    self.backward(
                        stage,
                        step,
                        image[part],
                        affine[part],
                        chance.part(part),
                        None if cached is None else cached.part(part),
                    )
                )
        result = joined(results)
        loss = torch.stack([one["minimised"] for one in results]).sum()
        shown = [result[key] for key in ("decoded", "latent", "weights")]
        norm = fabric.clip_gradients(
            self.model, self.optimiser, max_norm=recipe.gradient_clip, error_if_nonfinite=False
        )
        self.optimiser.step()
        logged = {
            "loss": loss,
            "bpp": result["bpp"].mean(),
            "psnr": -10 * result["mse"].log10().mean(),
        }
        if self.auxiliary:
            logged["auxiliary"] = self.step_auxiliary()
        self.average.update_parameters(self.network)
        if self.opponent:
            with torch.autocast(
                fabric.device.type, torch.bfloat16, enabled=uses_bf16(recipe.precision)
            ):
                judged = self.opponent.learn(
                    image, *shown, rate / stage.learning_rate, recipe.gradient_clip
                )
            logged |= {"realism": result["realism"].mean(), "critic": judged}
        if self.target:
            self.target.update(fabric.all_gather(result["file_bpp"]).flatten(), chance.every_weight)
        told = {"loss": result["loss"], "bpp": result["bpp"], "psnr": -10 * result["mse"].log10()}
        if recipe.network.levels > 1:
            logged |= by_band(chance.level, recipe.network.levels, told)
        distances = result["distances"].mean(0).unbind()
        return logged | {
            "gradient": norm,
            **{
                f"each.{name}": value
                for name, value in zip(self.distortion.names, distances, strict=True)
            },
        }

    def backward(
        self,
        stage: Stage,
        step: int,
        image: Tensor,
        affine: Tensor,
        chance: Chance,
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
            multiplier = multiplier * self.target.factor(chance.weight)
        loss = ((result["bpp"] + multiplier * 255**2 * distortion) * chance.balance).mean()
        loss = loss / stage.gradient_accumulation
        fabric.backward(loss)
        found = {**result, "realism": realism, "minimised": loss}
        return {key: None if value is None else value.detach() for key, value in found.items()}

    def step_auxiliary(self) -> Tensor:
        """A step of what `Network.auxiliary_loss` trains; returns that loss.

        It sees no images, so several processes take the same step without a word to each other.
        """
        for parameter in self.apart:
            parameter.requires_grad_(True)
        loss = self.network.auxiliary_loss()
        for parameter, gradient in zip(
            self.apart, torch.autograd.grad(loss, self.apart), strict=True
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


def shares(count: int, parts: int) -> list[slice]:
    """So many equal parts of ``count`` samples."""
    size = count // parts
    return [slice(first, first + size) for first in range(0, count, size)]


def joined(results: list[dict[str, Tensor | None]]) -> dict[str, Tensor | None]:
    """Rows of all parts of a batch, in order; what has none is left out."""
    if len(results) == 1:
        return results[0]
    return {
        key: None if value is None else torch.cat([one[key] for one in results])
        for key, value in results[0].items()
        if value is None or value.ndim
    }
