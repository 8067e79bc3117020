"""The post-hoc critic: the f-divergence between originals and decodes that a critic finds after the
fact, on other pictures.

Nowozin, Cseke & Tomioka, "f-GAN", NeurIPS 2016: for any T, E_p[T] − E_q[f*(T)] ≤ D_f(p‖q) (equation
4; for KL the bound of Nguyen, Wainwright & Jordan, IEEE Transactions on Information Theory 56(11),
2010). T is learned on half of the pictures and the bound evaluated on the other half, then the
other way round: there it is a mean over samples that T has not seen, so its expectation is a lower
bound, however T was found. On the pictures it has learned, which it may know by heart, it would be
none.

p and q are the distributions of what surrounds a place in an original and in a decode (a cell of
16x16 pixels and as much around it as a network sees), not of whole pictures, of which a critic
would say little more than that any two codecs differ. It is unconditional: realism is a divergence
of marginal distributions (Blau & Michaeli, ICML 2019), and a critic that knows the latents bounds
that of joint ones, in which distortion counts, too; and other codecs have no latents of ours.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from metamer.codec.errors import ImageError
from metamer.evaluation.intervals import LEAST_PICTURES, bootstrap_interval
from metamer.perception.backbones.imagenet import Network
from metamer.perception.distances.wasserstein import LAYERS
from metamer.train.loss.critic_losses import LOSSES

NETWORK = "squeezenet"
SIDE = 16  # pixels of a cell
SHOWN = 512  # cells of a picture
FINE = 2  # layers with several positions in a cell
# units of a layer; share of inputs left out while learning; of weights
WIDTH, DROPPED, DECAY = 64, 0.2, 1e-2
BATCH, EPOCHS, PATIENCE, RATE = 256, 100, 5, 3e-4
SELECTING = 4  # one picture in so many of the learning half tells when to stop, and scales T
# nats that T may lie either side of its middle: a few cells judged wrongly must not decide on e^T
SPAN = 2.0


class Cells:
    """An image as the critic sees it: (1, 3, H, W) in [0, 1] → (N, D) of float16, the same 512
    cells at most for a size.

    Means over a cell of five layers of a network, and root mean squares of the first two.
    `ImageError` below its size.
    """

    def __init__(self, network: str = NETWORK):
        # twice as fast on CPUs
        self.network = Network(network).to(memory_format=torch.channels_last)
        self.layers = LAYERS[self.network.name]

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        grid = [max(1, side // SIDE) for side in image.shape[-2:]]
        maps = list(
            self.network(image.contiguous(memory_format=torch.channels_last), self.layers).values()
        )
        pooled = [F.adaptive_avg_pool2d(value, grid) for value in maps]
        pooled += [F.adaptive_avg_pool2d(value.square(), grid).sqrt() for value in maps[:FINE]]
        cells = torch.cat(pooled, 1)[0].flatten(1).T
        sampled = torch.randperm(len(cells), generator=torch.Generator().manual_seed(0))[:SHOWN]
        return cells[sampled].half()


class PostHocCritic(nn.Module):
    """(N, D) cells, `standardised` as those it is made for → (N, 1), V of Nowozin et al., 0 before
    it has learned.
    """

    def __init__(self, cells: Sequence[Tensor]):
        super().__init__()
        mean = torch.stack([part.float().mean(0) for part in cells]).mean(0)
        square = torch.stack([(part.float() - mean).square().mean(0) for part in cells]).mean(0)
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", square.sqrt().clamp_min(1e-4))
        self.layers = nn.Sequential(
            nn.Dropout(DROPPED),
            nn.Linear(len(mean), WIDTH),
            nn.LeakyReLU(0.2),
            nn.Linear(WIDTH, WIDTH),
            nn.LeakyReLU(0.2),
            nn.Linear(WIDTH, 1),
        )
        nn.init.zeros_(self.layers[-1].weight)
        nn.init.zeros_(self.layers[-1].bias)

    def standardised(self, cells: Tensor) -> Tensor:
        """In float16, and with few large values; done once, as it takes longer than the layers."""
        return torch.asinh((cells.float() - self.mean) / self.deviation).half()

    def forward(self, cells: Tensor) -> Tensor:
        return self.layers(cells.float())


def fit_critic(
    critic: PostHocCritic, real: Tensor, fake: Tensor, chosen_by: tuple[Tensor, Tensor]
) -> None:
    """Raises the Jensen-Shannon bound on cells; the critic is then that of the best epoch on those
    of ``chosen_by``.
    """
    loss = LOSSES["jensen-shannon"].critic
    optimiser = torch.optim.AdamW(critic.parameters(), RATE, weight_decay=DECAY)
    # V = 0 finds nothing
    best, waited = (0.0, {name: value.clone() for name, value in critic.state_dict().items()}), 0
    for _ in range(EPOCHS):
        critic.train()
        shuffled = (cells[torch.randperm(len(cells))].split(BATCH) for cells in (real, fake))
        for real_batch, fake_batch in zip(*shuffled, strict=False):
            optimiser.zero_grad()
            loss(critic(real_batch), critic(fake_batch)).backward()
            optimiser.step()
        critic.eval()
        with torch.no_grad():
            bound = -loss(*map(critic, chosen_by)).item()
        waited += 1
        if bound > best[0]:
            best, waited = (
                (bound, {name: value.clone() for name, value in critic.state_dict().items()}),
                0,
            )
        elif waited == PATIENCE:
            break
    critic.load_state_dict(best[1])
    critic.eval()


class FittedCritic:
    """A critic that has learned from pictures' cells, (N, D) each, originals and decodes, and what
    it then finds in others.
    """

    def __init__(self, originals: Sequence[Tensor], images: Sequence[Tensor]):
        choosing = max(1, len(originals) // SELECTING)
        self.critic = PostHocCritic([*originals[choosing:], *images[choosing:]])
        learning, chosen_by = (
            [
                torch.cat(list(map(self.critic.standardised, cells[part])))
                for cells in (originals, images)
            ]
            for part in (slice(choosing, None), slice(choosing))
        )
        fit_critic(self.critic, *learning, chosen_by)
        real, fake = map(self.value, chosen_by)
        # with V scaled, the best of all shifts of T makes the bound that of Donsker & Varadhan
        self.scale = minimize_scalar(
            lambda scale: (
                -self.clipped(real, scale).mean().item()
                - normalising_shift(self.clipped(fake, scale))
            ),
            bounds=(0, 2),
            method="bounded",
        ).x
        self.shift = normalising_shift(self.clipped(fake, self.scale))

    @torch.no_grad()
    def value(self, cells: Tensor) -> Tensor:
        return self.critic(cells).double()

    @staticmethod
    def clipped(value: Tensor, scale: float) -> Tensor:
        return (scale * value).clamp(-SPAN, SPAN)

    def finds(self, original: Tensor, image: Tensor) -> tuple[float, float]:
        """A picture's share of the Jensen-Shannon and of the Kullback-Leibler bound, in nats; it
        can be below 0.
        """
        real, fake = (self.value(self.critic.standardised(cells)) for cells in (original, image))
        ratios = [1 + self.clipped(value, self.scale) + self.shift for value in (real, fake)]
        # Nowozin et al. leave the halves out of the Jensen-Shannon divergence
        return -LOSSES["jensen-shannon"].critic(real, fake).item() / 2, -LOSSES["kl"].critic(
            *ratios
        ).item()


def normalising_shift(value: Tensor) -> float:
    """−log E[eᵛ]: with it added, eᵛ has the mean that a ratio of densities has."""
    return math.log(len(value)) - torch.logsumexp(value.flatten(), 0).item()


def divergence_bounds(
    originals: Sequence[Tensor], images: Sequence[Tensor], seed: int = 0
) -> dict[str, float]:
    """Lower bounds in nats on the divergence of decodes from originals.

    Args:
        originals: (N, D) cells (`Cells`) of every picture.
        images: Of the same pictures, decoded, in the same order.
        seed: Of the halves and of the critics' weights.

    Returns:
        js: Jensen-Shannon, at most log 2; kl: Kullback-Leibler of originals from decodes, of which
            at most about 4 nats can be found, as T is bounded. Means over pictures, each judged by
            the critic that has not learned from it.
        js_low, js_high, kl_low, kl_high: 95 % bootstrap intervals over pictures, the critics being
            what they are.

    Raises:
        ImageError: Fewer than 4 pictures.
    """
    count = len(originals)
    if count < LEAST_PICTURES:
        raise ImageError(
            f"the post-hoc critic needs {LEAST_PICTURES} pictures, two to learn from in each half; "
            f"there are {count}"
        )
    order = np.random.default_rng(seed).permutation(count)
    halves = order[: count // 2], order[count // 2 :]
    values = np.zeros((count, 2))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for learned, held_out in (halves, halves[::-1]):
            judge = FittedCritic([originals[i] for i in learned], [images[i] for i in learned])
            for i in held_out:
                values[i] = judge.finds(originals[i], images[i])
    bounds = {}
    for name, column in zip(("js", "kl"), values.T, strict=True):
        low, high = bootstrap_interval(np.mean, [column])
        bounds |= {name: float(column.mean()), f"{name}_low": low, f"{name}_high": high}
    return bounds
