"""The patch critic: tells photographs from decodes, and so bounds the divergence between the two
from below.

It looks at pixels, through the network of Mentzer et al., "High-fidelity generative image
compression" (HiFiC), NeurIPS 2020, appendix A.1, or at the features of a network that knows
photographs already, which is quicker to learn from (Sauer et al., "Projected GANs converge faster",
NeurIPS 2021). As one codec serves every rate here, the quality level is a further condition.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from metamer.perception.backbones.imagenet import Network
from metamer.perception.distances.wasserstein import LAYERS
from metamer.train.loss.critic_losses import LOSSES
from metamer.train.recipe.fields import Count, Flag, Natural, Positive, documented

CONDITION = 12  # channels that the latents are squeezed into (HiFiC)
PIXELS = "pixels"
LossName = Literal[
    "non-saturating", "least-squares", "kl", "reverse-kl", "jensen-shannon", "pearson"
]
BETAS = (0.5, 0.9)  # of Adam: with more momentum the critic is late, and is fooled


@documented
@dataclass
class CriticOptions:
    """A patch critic, trained beside the network."""

    weight: Positive = 0.15
    """What one nat of the critic counts, as a share of the distortion at the start
    (`train.loss.objective`)."""
    input: Literal["pixels", "squeezenet", "alexnet", "vgg16"] = "pixels"
    """`pixels`, or a network whose features it looks at (weights: `metamer weights fetch`)."""
    loss: LossName = "non-saturating"
    """The divergence that it bounds (`train.loss.critic_losses`)."""
    spectral_norm: Flag = True
    """Bound each layer's largest singular value (Miyato et al., ICLR 2018)."""
    conditional: Flag = True
    """Show it the decoded latents, too, if the network has any."""
    width: Count = 64
    """Channels of the first layer, HiFiC's being 64; for features, of every head."""
    pretraining_steps: Natural = 0
    """Steps at the beginning in which the critic learns and the network does not listen."""
    learning_rate: Positive = 1e-4
    """Adam's, which falls as the stage's does."""


class Critic(nn.Module):
    """Images (N, 3, H, W) in [0, 1], latents (N, M, H/16, W/16) in deviations or None, quality
    weights (N, K) → (N, C, h, w).

    The output is V of Nowozin et al.: a number for every patch, greater where it looks like a
    photograph.
    """

    def __init__(self, latents: int, levels: int, options: CriticOptions):
        super().__init__()
        self.norm = spectral_norm if options.spectral_norm else nn.Identity()
        conditional = options.conditional and latents > 0
        self.conditions = CONDITION * conditional
        self.condition = (
            self.norm(nn.Conv2d(latents + levels, CONDITION, 3, padding=1)) if conditional else None
        )

    def conditioned(self, value: Tensor, latent: Tensor | None, weights: Tensor) -> Tensor:
        """``value`` (N, C, h, w), and if the critic is conditional the latents and the quality,
        squeezed, as further channels.
        """
        if self.condition is None:
            return value
        planes = weights[:, :, None, None].expand(-1, -1, *latent.shape[-2:])
        condition = F.leaky_relu(self.condition(torch.cat([torch.asinh(latent), planes], 1)), 0.2)
        return torch.cat([value, F.interpolate(condition, size=value.shape[-2:])], 1)


class PatchCritic(Critic):
    """Looks at pixels; one number for 8x8 of them. HiFiC's fourth layer is 3x3, not 4x4, to stay on
    the grid of the latents.
    """

    def __init__(self, latents: int, levels: int, options: CriticOptions):
        super().__init__(latents, levels, options)
        norm, width = self.norm, options.width
        sizes = [3 + self.conditions, width, 2 * width, 4 * width]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [norm(nn.Conv2d(before, after, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
        layers += [
            norm(nn.Conv2d(4 * width, 8 * width, 3, padding=1)),
            nn.LeakyReLU(0.2),
            norm(nn.Conv2d(8 * width, 1, 1)),
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, image: Tensor, latent: Tensor | None, weights: Tensor) -> Tensor:
        return self.layers(self.conditioned(2 * image - 1, latent, weights))


class FeatureCritic(Critic):
    """Looks at five layers of a frozen network, with a head for each; their verdicts, (N, 5, h, w),
    on the first one's grid.
    """

    def __init__(self, latents: int, levels: int, options: CriticOptions):
        super().__init__(latents, levels, options)
        self.network = Network(options.input)
        self.layers = LAYERS[self.network.name]
        self.heads = nn.ModuleList(
            self.head(self.network.channels[layer] + self.conditions, options.width)
            for layer in self.layers
        )

    def head(self, channels: int, width: int) -> nn.Sequential:
        return nn.Sequential(
            self.norm(nn.Conv2d(channels, width, 1)),
            nn.LeakyReLU(0.2),
            self.norm(nn.Conv2d(width, width, 3, padding=1)),
            nn.LeakyReLU(0.2),
            self.norm(nn.Conv2d(width, 1, 1)),
        )

    def forward(self, image: Tensor, latent: Tensor | None, weights: Tensor) -> Tensor:
        maps = self.network(image, self.layers).values()
        verdicts = [
            head(self.conditioned(torch.asinh(value), latent, weights))
            for head, value in zip(self.heads, maps, strict=True)
        ]
        size = verdicts[0].shape[-2:]
        return torch.cat([F.interpolate(verdict, size=size) for verdict in verdicts], 1)


class Opponent:
    """A critic in training: judges decodes for the codec, then learns from them.

    `judge` leaves the critic as it is; `learn` leaves the codec as it is.
    """

    def __init__(self, options: CriticOptions, latents: int, levels: int, fabric: Fabric):
        self.options, self.fabric, self.loss = options, fabric, LOSSES[options.loss]
        kind = PatchCritic if options.input == PIXELS else FeatureCritic
        self.critic = kind(latents, levels, options).to(memory_format=torch.channels_last)
        learned = [parameter for parameter in self.critic.parameters() if parameter.requires_grad]
        self.model, self.optimiser = fabric.setup(
            self.critic, torch.optim.Adam(learned, betas=BETAS)
        )

    def judge(self, decoded: Tensor, latent: Tensor | None, weights: Tensor) -> Tensor:
        """(N,) what the codec minimises. Gradients reach ``decoded`` alone."""
        if latent is not None:
            latent = latent.detach()
        fixed = {name: value.detach() for name, value in self.critic.named_parameters()}
        self.critic.eval()  # no power iteration
        return self.loss.codec(
            functional_call(self.critic, fixed, (decoded, latent, weights)).float()
        )

    def learn(
        self,
        image: Tensor,
        decoded: Tensor,
        latent: Tensor | None,
        weights: Tensor,
        rate: float,
        clip: float,
    ) -> Tensor:
        """One step at ``rate`` times the critic's learning rate; returns its loss before it."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate * self.options.learning_rate
        self.critic.train()
        both = torch.cat([image, decoded.detach()])
        latents = None if latent is None else torch.cat([latent.detach()] * 2)
        verdicts = self.model(both, latents, torch.cat([weights] * 2)).float()
        loss = self.loss.critic(*verdicts.chunk(2))
        self.optimiser.zero_grad()
        self.fabric.backward(loss)
        self.fabric.clip_gradients(
            self.model, self.optimiser, max_norm=clip, error_if_nonfinite=False
        )
        self.optimiser.step()
        return loss.detach()

    def state(self) -> dict:
        model = {
            name: value
            for name, value in self.critic.state_dict().items()
            if not name.startswith("network.")
        }
        return {"model": model, "optimiser": self.optimiser.state_dict()}

    def load_state(self, state: dict) -> None:
        # all but the frozen network's own
        self.critic.load_state_dict(state["model"], strict=False)
        self.optimiser.load_state_dict(state["optimiser"])
