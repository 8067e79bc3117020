"""What a recipe may say. The strings below the fields are the reference's text."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from metamer.train.loss.critic import CriticOptions
from metamer.train.recipe.fields import (
    Count,
    Decay,
    Flag,
    Natural,
    NonNegative,
    Positive,
    Share,
    documented,
)

Precision = Literal["auto", "32-true", "bf16-mixed"]
Proxy = Literal["mixed", "uniform_noise", "straight_through", "soft_round"]


@documented
@dataclass
class Stage:
    """One phase of training. Adam and the averaged weights carry on from one stage to the next."""

    name: str
    """What the log calls it."""
    steps: Count
    """Steps of the stage."""
    parts: str = "all"
    """What is trained. Metamer's own network: `all`; `entropy`, the entropy model, quantiser steps
    and slowly the linear transforms, with both residual networks left out, which is cheap;
    `transforms`, encoder and decoder, or `decoder` alone, both for the streams of the model that
    the run started from. CompressAI's: `all`, `decoder`."""
    batch: Count = 8
    """Crops a step, over all processes together."""
    gradient_accumulation: Count = 1
    """Parts that each process computes its crops in, one after the other, before it changes a
    weight: the same step in less memory."""
    crop: Annotated[int, Field(strict=True, ge=64, multiple_of=16)] = 192
    """Side of the square crops, in pixels."""
    learning_rate: Positive = 1e-3
    """Adam's, at its highest."""
    warmup_steps: Natural = 200
    """Steps in which the learning rate rises to that."""
    final_learning_rate_share: Share = 0.05
    """What the learning rate falls to along a cosine, as a share of its highest; 1 keeps it."""
    weight_average_decay: Decay | None = None
    """Of the averaged weights during this stage, in place of the recipe's: where the learning rate
    falls, a long average remembers worse weights."""
    level_exponent: Positive = 1.0
    """Quality levels are drawn as (K − 1)·u^level_exponent, u uniform in [0, 1]; above 1 favours
    low rates."""
    proxy: Proxy = "mixed"
    """What stands for rounding: additive noise (`uniform_noise`), rounding with the gradient of the
    identity (`straight_through`), noise for the rate and that for the distortion (`mixed`), or
    `soft_round` (`train.networks.entropy_model.proxies`)."""
    proxy_temperature: Positive = 0.3
    """Of `soft_round`; towards 0 it rounds."""
    rdoq_lambda: NonNegative = 0.0
    """Bits that a squared quantiser step of error is worth where residuals are rounded as the
    encoder rounds them (rate-distortion optimised quantisation,
    `codec.network.rdoq.choose_residuals`); 0 rounds to the nearest."""
    rdoq_group_weights: list[Positive] = field(default_factory=list)
    """What rdoq_lambda is multiplied by in each group of latents, besides the relative square of
    its step, as later groups are predicted from earlier ones; all alike if empty."""
    integer_networks: Flag = False
    """Round the entropy networks to integers, with straight-through gradients; where they stay as
    they are, they always are."""


@documented
@dataclass
class CacheOptions:
    """Latents that a decoder alone is trained on, computed once, of whole photographs
    (`train.latents`)."""

    qualities: Annotated[int, Field(strict=True, ge=2)] = 17
    """How many, from the lowest to the highest."""
    every: Count = 4
    """A photograph is coded at every so manyth of them, neighbours in turn at others."""
    margin: Natural = 1
    """Latent positions around a crop that are decoded and not counted."""
    folder: str = ""
    """Where files are kept, some 3 bytes a pixel and quality; by default in the run's."""


@documented
@dataclass
class EncoderOptions:
    """What an exported model's encoder goes by; training does not."""

    rdoq_lambda: Annotated[list[Positive], Field(min_length=1)] = field(
        default_factory=lambda: [22.0]
    )
    """Bits that it gives for a squared quantiser step less of error when it rounds latents
    (rate-distortion optimised quantisation), from the lowest level up, the last for all above."""
    rdoq_group_weights: list[Positive] = field(default_factory=list)
    """What that is multiplied by in each group of latents, from the coarsest on, besides the
    relative square of its step; all alike if empty."""
    masking: Annotated[float, Field(strict=True, ge=0, le=2)] = 0.0
    """How much it spares smooth places at the cost of texture; 1 as structural similarity does."""


@documented
@dataclass
class Recipe:
    """One run of training, from its start to its last stage."""

    stages: Annotated[list[Stage], Field(min_length=1)]
    """Run in order."""
    network: Any = field(default_factory=dict)
    """The network, by its `architecture`, and its sizes: Metamer's own unless it says otherwise.
    What a run that starts from a model leaves unsaid is as in that model."""
    start: str = ""
    """A shipped model, a model file or a checkpoint to begin from; empty for a fresh network, which
    for Metamer's own is the lapped Karhunen-Loève transform of the photographs."""
    distortion: Annotated[dict[str, Positive], Field(min_length=1)] = field(
        default_factory=lambda: {"mse": 1.0}
    )
    """Distances, any of `metamer metrics list`, as `name` or `name:option=value,…`, and their
    weights in the mix. They are balanced, so that λ asks for the same rate whichever it is
    (`train.loss.objective`)."""
    critic: CriticOptions | None = None
    """A patch critic that decodes are to pass for photographs before; none unless given."""
    rate_control: Literal["lambda", "start"] | list[Positive] = "lambda"
    """`lambda` keeps λ fixed; `start` keeps every level at the bits a pixel it takes at the start;
    a list says the bits a pixel of each level."""
    rate_control_speed: Annotated[float, Field(strict=True, gt=0, lt=1)] = 0.02
    """How fast λ follows, in ln λ a step."""
    balance_crops: Count = 24
    """Crops that distances are balanced on."""
    balanced_on: str = ""
    """A shipped model or a model file, on whose curve distances are balanced at the λ of each
    level; by default the network that the run begins with, or `base` where that has no curve yet.
    A network that was trained on distances has brought them down, and they would count for
    more."""
    message: str = ""
    """What to tell who starts the run: what to expect."""
    seed: Natural = 0
    """Of crops, noise, qualities and initial weights: the same seed trains the same weights."""
    linear_learning_rate_share: NonNegative = 0.02
    """Learning rate of the transforms' linear part, as a share of the stage's."""
    level_balance_exponent: NonNegative = 0.5
    """Samples are weighted by λ^(−level_balance_exponent), so that every quality counts about
    equally."""
    loss_balance_exponent: NonNegative = 0.0
    """Samples are weighted besides by (R + λD)^(−loss_balance_exponent), their own loss: gradients
    of rich crops are several times as long as those of plain ones, and drown them in noise. With
    it, level_balance_exponent can be 0."""
    slow_momentum: NonNegative = 0.0
    """Weight α of a second, slow average of the gradients in Adam's steps (AdEMAMix, Pagliardini,
    Ablin & Grangier, ICLR 2025): what single gradients say of slow directions is lost in their
    noise. 0 for Adam itself."""
    slow_momentum_decay: Decay = 0.999
    """Decay a step of that average."""
    gradient_clip: Positive = 1.0
    """Largest norm of the gradient; a larger one is scaled down to it."""
    weight_average_decay: Decay = 0.999
    """Decay a step of the exponential moving average of the weights, which is what ships."""
    precision: Precision = "auto"
    """`32-true` or `bf16-mixed`; `auto` is bf16 where the processor multiplies it natively."""
    cached_latents: CacheOptions | None = None
    """For a decoder alone: train it without running encoder and entropy model at every step."""
    encoder: EncoderOptions = field(default_factory=EncoderOptions)
    """What the exported model's encoder goes by. What a run that starts from a model leaves unsaid
    is as in that model."""
    start_crops: Count = 600
    """Crops that the Karhunen-Loève start is fitted to."""
    save_every: Count = 500
    """Steps between checkpoints."""
    validate_every: Count = 1000
    """Steps between validations."""
    log_every: Count = 20
    """Steps between rows of the log."""
