"""CompressAI's architectures, trained with Metamer's distances, critic and rate control.

They have a single rate each, their own stand-in for rounding and their own entropy coder; what is
exported is a checkpoint that CompressAI itself loads.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from metamer.codec.errors import RecipeError
from metamer.perception.registry import suggestion
from metamer.train import checkpoints
from metamer.train.networks.compressai_package import (
    ARCHITECTURES,
    architecture_class,
    published_size,
)
from metamer.train.networks.interface import Network, Reconstruction
from metamer.train.recipe.fields import Count, Positive, documented
from metamer.train.recipe.options import Stage

FAMILY = "compressai"
# of the published networks of qualities 1 to 8 for mean squared error; CompressAI's model zoo
LAMBDAS = (0.0018, 0.0035, 0.0067, 0.0130, 0.0250, 0.0483, 0.0932, 0.1800)
QUALITIES = {
    "cheng2020-anchor": 6,
    "cheng2020-attn": 6,
}  # published, where fewer than of the others

# With channels last, oneDNN as of torch 2.13 overruns memory in the backward pass of a strided 1×1
# convolution of few channels, nn.Conv2d(3, 8, 1, stride=2), as the skip of cheng2020's first block
# is; without oneDNN it does not. That elic2022 failed was seen once, and not again.
OVERRUNNING = ("cheng2020-anchor", "cheng2020-attn", "elic2022")


@documented
@dataclass
class CompressAIOptions:
    """One of CompressAI's architectures, `compressai:NAME`. It has a single quality level."""

    architecture: str
    """`compressai:` and one of bmshj2018-factorized, bmshj2018-hyperprior, mbt2018-mean, mbt2018,
    cheng2020-anchor, cheng2020-attn, elic2022."""
    quality: Annotated[int, Field(strict=True, ge=1, le=8)] = 3
    """The published network whose size and λ are taken, 1 to 8, to 6 for cheng2020."""
    channels: list[Count] = field(default_factory=list)
    """N, or N and M, as its class takes them, instead of the size of the quality."""
    multiplier: Positive | None = None
    """λ of bpp + λ·255²·distortion, instead of that of the quality."""
    levels: ClassVar[int] = 1

    def __post_init__(self) -> None:
        name = self.name
        if name not in ARCHITECTURES:
            raise ValueError(
                f"architecture: {FAMILY}: and one of {', '.join(ARCHITECTURES)}, not '{name}'"
                + suggestion(name, ARCHITECTURES)
            )
        if self.quality > QUALITIES.get(name, 8):
            raise ValueError(f"quality: of {name} there are 1 to {QUALITIES[name]}")
        if len(self.channels) > 2:
            raise ValueError("channels: N, or N and M")

    @property
    def name(self) -> str:
        return self.architecture.partition(":")[2]


class CompressAINetwork(Network):
    """An architecture of CompressAI as `model`, whose state dictionary is CompressAI's.

    Its likelihoods and its density model need float32, so autocast reaches its transforms alone.
    """

    Options = CompressAIOptions
    parts = {"all": ("",), "decoder": ("model.g_s.",)}  # noqa: RUF012
    keeps_streams = ("decoder",)
    multiple = 64

    def __init__(self, options: CompressAIOptions):
        super().__init__(options)
        size = options.channels or published_size_of(options)
        try:
            self.model = architecture_class(options.name)(*size)
        except (TypeError, AssertionError, RuntimeError, ValueError) as problem:
            raise RecipeError(
                f"network.channels: {options.name} cannot be built of {size}: {problem}"
            ) from None
        self.latent_channels = latent_channels(self.model)
        if options.name in OVERRUNNING:
            self.memory_format = torch.contiguous_format

    def forward(
        self,
        image: Tensor,
        level: Tensor,
        stage: Stage,
        noise: Sequence[Tensor] | None = None,
        affine: Tensor | None = None,
        file_bits: bool = False,
    ) -> Reconstruction:
        """As `Network.forward` has it. noise: the seeds of what the architecture draws, (N,)."""
        rounded = stage.proxy == "straight_through" or stage.parts == "decoder"
        device = image.device.type
        enabled, kind = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)
        precision = torch.autocast(device, kind, enabled=enabled)
        analysis = RecordedTransform(self.model.g_a, precision)
        synthesis = RecordedTransform(self.model.g_s, precision)
        with (
            torch.autocast(device, enabled=False),
            seeded_generators(int(noise[0][0]), image.device) if noise else nullcontext(),
        ):
            decoded, bits = self._coded(image.float(), rounded, analysis, synthesis)
            file_bits_of_latents = bits.detach() if file_bits else None
            if file_bits and not rounded:
                with torch.no_grad():  # the same latents, rounded, which nobody decodes
                    latents = FixedTransform(analysis.output.detach())
                    file_bits_of_latents = self._coded(image, True, latents, nn.Identity())[1]
        return Reconstruction(decoded, bits, synthesis.input, file_bits_of_latents)

    def _coded(
        self, image: Tensor, rounded: bool, analysis: nn.Module, synthesis: nn.Module
    ) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) and (N,) bits, with ``analysis`` and ``synthesis`` in place of the model's.
        rounded: as CompressAI evaluates, not as it trains.
        """
        if self.model.training == rounded:
            self.model.train(not rounded)
        with exchanged(self.model, g_a=analysis, g_s=synthesis):
            output = self.model(image)
        bits = [-part.log2().flatten(1).sum(1) for part in output["likelihoods"].values()]
        return output["x_hat"], torch.stack(bits).sum(0)

    def lagrangian(self, level: Tensor) -> Tensor:
        options = self.options
        multiplier = options.multiplier or LAMBDAS[options.quality - 1]
        return torch.full_like(level, multiplier, dtype=torch.float32)

    def noise(self, batch: int, side: int, generator: torch.Generator) -> tuple[Tensor]:
        """A seed for each image; a process draws by that of the first of its share."""
        return (torch.randint(2**31, (batch,), generator=generator, device=generator.device),)

    def auxiliary_parameters(self) -> list[nn.Parameter]:
        """The quantiles of every entropy bottleneck: the range that its coding table covers."""
        named = self.model.named_parameters()
        return [parameter for name, parameter in named if name.endswith(".quantiles")]

    def auxiliary_loss(self) -> Tensor:
        return self.model.aux_loss()

    @classmethod
    def from_source(cls, options: CompressAIOptions, source: str) -> "CompressAINetwork":
        """A run's checkpoint, or a state dictionary of CompressAI's own. Raises RecipeError."""
        state = checkpoints.load(Path(source))
        if "average" in state:
            return super().from_source(options, source)
        from compressai.zoo import load_state_dict

        network = cls(options)
        try:
            weights = load_state_dict(state.get("state_dict", state))
            with torch.no_grad():
                for name, parameter in network.model.named_parameters():
                    parameter.copy_(weights[name])
        except (KeyError, RuntimeError, AttributeError, TypeError):
            raise RecipeError(
                f"start: {source} holds no {options.name} of the size that the recipe's `network` "
                "says"
            ) from None
        return network

    def export(self, path: Path, card: dict) -> str:
        """Writes a checkpoint that CompressAI loads, coding tables and all (`update()` is done).

        The tables' range is found anew: the averaged quantiles are not those of averaged weights.
        """
        self.model.update(force=True, update_quantiles=True)
        checkpoints.save(path, {"state_dict": self.model.state_dict(), "card": card})
        return f"`metamer evaluate --codec {FAMILY}:{self.options.name}@{path}` measures it"


class RecordedTransform(nn.Module):
    """A transform in the training's precision that keeps its last input and output."""

    def __init__(self, transform: nn.Module, precision: torch.autocast):
        super().__init__()
        self.transform, self.precision = transform, precision
        self.input = self.output = torch.empty(0)

    def forward(self, value: Tensor) -> Tensor:
        with self.precision:
            output = self.transform(value)
        self.input, self.output = value, output.float()
        return self.output


class FixedTransform(nn.Module):
    """Stands for a transform whose output is given."""

    def __init__(self, output: Tensor):
        super().__init__()
        self.output = output

    def forward(self, _: Tensor) -> Tensor:
        return self.output


@contextmanager
def exchanged(model: nn.Module, **parts: nn.Module) -> Iterator[None]:
    """Within it, ``model`` has ``parts`` in place of its own of these names."""
    originals = {name: getattr(model, name) for name in parts}
    try:
        for name, replacement in parts.items():
            setattr(model, name, replacement)
        yield
    finally:
        for name, part in originals.items():
            setattr(model, name, part)


def published_size_of(options: CompressAIOptions) -> tuple[int, ...]:
    architecture_class(options.name)  # the package is there, or the error says that it is not
    return published_size(options.name, options.quality)


def latent_channels(model: nn.Module) -> int:
    """Channels that the synthesis takes: those of its first layer with any."""
    layer = next(module for module in model.g_s.modules() if hasattr(module, "in_channels"))
    return layer.in_channels


@contextmanager
def seeded_generators(seed: int, device: torch.device) -> Iterator[None]:
    """Seeds the random generators within it; after it, their states are those before it."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
