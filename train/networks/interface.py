"""What the training loop asks of a network. All else is the network's own."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from metamer.codec.errors import RecipeError
from metamer.train import checkpoints
from metamer.train.recipe.options import Recipe, Stage


class ArchitectureOptions(Protocol):
    """What a recipe's `network` says: a dataclass, built by `train.recipe.fields.build`."""

    architecture: str  # the name under which `train.networks.registry` finds the network
    levels: int  # K quality levels; 1 where a network has a single rate


@dataclass
class Reconstruction:
    """What a network makes of a batch of N images.

    Attributes:
        image: (N, 3, H, W), what is decoded, nominally in [0, 1], not clipped.
        bits: (N,) what coding costs, with gradients, as the stage's proxy for rounding has it.
        latent: (N, C, h, w) what a conditional critic is shown besides, at about unit variance;
            None where `Network.latent_channels` is 0.
        file_bits: (N,) what a file would take, everything rounded, without gradients; only where it
            was asked for.
    """

    image: Tensor
    bits: Tensor
    latent: Tensor | None = None
    file_bits: Tensor | None = None


class Network(nn.Module, ABC):
    """A network that `metamer train` can train: images → reconstruction and bits.

    Packages offer theirs under the entry-point group `metamer.networks`; examples/own_network is
    one. Parameters and buffers are what a checkpoint holds, so everything that a run goes on from
    lies in them.

    Attributes:
        Options: Dataclass of what a recipe's `network` says (`ArchitectureOptions`), which the
            constructor takes.
        parts: What a stage may train → the beginnings of its parameters' names.
        keeps_streams: Those of ``parts`` that leave alone what decodes latents, for the streams of
            the model that a run starts from.
        settings: Fields of `Stage` besides the common ones that the network goes by; another value
            than the default of any other is an error.
        multiple: What the sides of crops must be multiples of, in pixels.
        has_curve: Whether rate and distortion of an untrained network already trade along its
            levels, so that a mix of distances can be balanced on them (`train.loss.objective`).
        memory_format: How training keeps the weights of convolutions; channels innermost is the
            faster where most are 1x1.
        starts_from_photographs: Whether `start_from` does anything.
        latent_channels: Channels of `Reconstruction.latent`.
    """

    Options: ClassVar[type]
    parts: ClassVar[Mapping[str, tuple[str, ...]]] = {"all": ("",)}
    keeps_streams: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[frozenset[str]] = frozenset()
    multiple: ClassVar[int] = 16
    has_curve: ClassVar[bool] = False
    memory_format: ClassVar[torch.memory_format] = torch.channels_last
    starts_from_photographs: ClassVar[bool] = False
    latent_channels: int = 0

    def __init__(self, options: ArchitectureOptions):
        super().__init__()
        self.options = options

    @abstractmethod
    def forward(
        self,
        image: Tensor,
        level: Tensor,
        stage: Stage,
        noise: Sequence[Tensor] | None = None,
        affine: Tensor | None = None,
        file_bits: bool = False,
    ) -> Reconstruction:
        """Codes a batch as a decoder will see it.

        Args:
            image: (N, 3, H, W) in [0, 1], sides multiples of ``multiple``.
            level: (N,) quality levels in [0, K − 1].
            stage: What is trained, and how rounding is stood for; the proxy `straight_through`
                rounds as a file does, as validation asks.
            noise: What `noise` gave, for these images; drawn here if it is not given.
            affine: (N, 3, 4) maps of colours by which an encoder would turn each whole picture
                (`train.colour_axes`), for networks that turn colours.
            file_bits: Whether `Reconstruction.file_bits` is wanted.
        """

    @abstractmethod
    def lagrangian(self, level: Tensor) -> Tensor:
        """λ (N,) at quality levels (N,): loss = bpp + λ·255²·distortion."""

    @classmethod
    def check_stage(cls, options: ArchitectureOptions, stage: Stage) -> None:
        """Raises RecipeError, or ValueError, for settings that do not fit the network."""

    @classmethod
    def from_source(cls, options: ArchitectureOptions, source: str) -> "Network":
        """The network to begin from: here, the averaged weights of a run's checkpoint.

        Raises:
            RecipeError: ``source`` holds no such network.
        """
        network = cls(options)
        try:
            network.load_state_dict(checkpoints.load(Path(source))["average"])
        except (KeyError, RuntimeError, TypeError):
            raise RecipeError(
                f"start: {source} holds no network built as the recipe's `network` says"
            ) from None
        return network

    def start_from(self, crops: Tensor) -> None:
        """Prepares an untrained network by photographs, crops (N, 3, S, S) in [0, 1]."""

    def noise(self, batch: int, side: int, generator: torch.Generator) -> Sequence[Tensor]:
        """What `forward` draws for ``batch`` images of (side, side) pixels, each (batch, …), so
        that several processes share what one would draw.
        """
        return ()

    def enter(self, stage: Stage) -> None:
        """Prepares for the steps of a stage: gradients reach what it trains and nothing else."""
        auxiliary = {id(parameter) for parameter in self.auxiliary_parameters()}
        for name, parameter in self.named_parameters():
            if id(parameter) not in auxiliary:
                parameter.requires_grad_(name.startswith(self.parts[stage.parts]))

    def parameter_groups(self, recipe: Recipe) -> list[dict]:
        """Adam's groups, each with its ``share`` of the stage's learning rate."""
        auxiliary = {id(parameter) for parameter in self.auxiliary_parameters()}
        return [{"params": [p for p in self.parameters() if id(p) not in auxiliary], "share": 1.0}]

    def auxiliary_parameters(self) -> list[nn.Parameter]:
        """What `auxiliary_loss` trains, by an optimiser of its own, and nothing else does."""
        return []

    def auxiliary_loss(self) -> Tensor:
        """Scalar loss of the `auxiliary_parameters`, which depends on nothing else."""
        raise NotImplementedError

    def export(self, path: Path, card: dict) -> str:
        """Writes what ships of a run, whose averaged weights these are.

        Args:
            path: The file to write.
            card: What to say in it of the run: name, steps, recipe.

        Returns:
            What to tell the user of it, or nothing.
        """
        checkpoints.save(path, {"card": card, "state_dict": self.state_dict()})
        return ""
