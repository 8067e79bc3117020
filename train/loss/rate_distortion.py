"""Rate and distortion of a batch, as training and validation see them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from metamer.train.loss.objective import Distortion
from metamer.train.networks.cached_latents import CachedLatents
from metamer.train.networks.interface import Network
from metamer.train.networks.levels import level_weights
from metamer.train.recipe.options import Stage


def rate_distortion(
    network: Network,
    distortion: Distortion,
    image: Tensor,
    level: Tensor,
    stage: Stage,
    noise: Sequence[Tensor] | None = None,
    model: nn.Module | None = None,
    affine: Tensor | None = None,
    file_bits: bool = False,
    cached: CachedLatents | None = None,
) -> dict[str, Tensor]:
    """What coding images costs and leaves.

    Args:
        network: What codes them.
        distortion: The balanced mix of distances.
        image: (N, 3, H, W) in [0, 1].
        level: (N,) quality levels.
        stage, noise, affine, file_bits: As `Network.forward` takes them.
        model: ``network`` as several processes wrap it.
        cached: Latents for Metamer's own network to decode in place of the images' own.

    Returns:
        N rows each: ``bpp``, as the proxy has it, and, where asked for, ``file_bpp``, rounded;
        ``mse``; ``distances`` (N, D); ``distortion``, their mix in units of mean squared error;
        ``lambda``; ``loss`` = bpp + λ·255²·distortion; and, for the critic, ``decoded`` images,
        ``latent``, if the network has any, and quality ``weights`` (N, K).
    """
    latents = {} if cached is None else {"cached": cached}
    made = (model or network)(image, level, stage, noise, affine, file_bits, **latents)
    decoded = made.image.float()
    weights = level_weights(level, network.options.levels)
    distances = distortion.per_distance(image, decoded)
    mix, multiplier = distortion.mix(distances, weights), network.lagrangian(level)
    pixels = image.shape[-2] * image.shape[-1]
    bpp = made.bits / pixels
    with torch.no_grad():
        mse = distances[:, 0] if distortion.is_plain else (image - decoded).square().mean((1, 2, 3))
    file_bpp = {"file_bpp": made.file_bits / pixels} if file_bits else {}
    return {
        "bpp": bpp,
        **file_bpp,
        "mse": mse.detach(),
        "distances": distances,
        "distortion": mix,
        "lambda": multiplier,
        "loss": bpp + multiplier * 255**2 * mix,
        "decoded": decoded,
        "latent": made.latent,
        "weights": weights,
    }
