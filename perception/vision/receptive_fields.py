"""What parametric PerceptNet's linear stages start as: opponent colours, centre and surround, Gabor
functions.

Physiology stands in for learning: Hepburn et al., ICIP 2020, and the parametric model that followed
it. Frequencies count in the layer's own grid at `SAMPLING` samples a degree: the longest of the
periods is then 32 samples, about the filters' side.
"""

import math

import torch
from torch import Tensor

# rows R, G, B; columns achromatic, red-green, yellow-blue
OPPONENT = (
    torch.tensor(
        [
            [39.0454, 30.1207, 14.27948],
            [115.8404, -63.3502, 41.26816],
            [16.3118, 30.2934, -61.51888],
        ]
    )
    / 163.5217
)
# standard deviations in samples; the ratio 1.6 makes nearly a Laplacian (Marr & Hildreth, 1980)
CENTRE, SURROUND = 2.0, 3.2
SAMPLING = 64  # samples a degree
ACHROMATIC, CHROMATIC = (2, 4, 8, 16), (3, 6)  # cycles per degree
ORIENTATIONS = 8
PHASES = (0, math.pi / 2)
ENVELOPE = 0.4  # standard deviation in periods, about one octave of bandwidth
ORIENTATION_POOLING = 20  # degrees
FREQUENCY_POOLING = 1  # octaves


def tuning() -> list[tuple[int, float, float, float]]:
    """(opponent channel, cycles per degree, orientation in degrees, phase) of each of the 128 Gabor
    functions.

    64 look at the achromatic channel, 32 at each chromatic one. The orientation is of the wave's
    normal, from the x axis.
    """
    return [
        (channel, frequency, 180 * number / ORIENTATIONS, phase)
        for channel, frequencies in enumerate((ACHROMATIC, CHROMATIC, CHROMATIC))
        for frequency in frequencies
        for number in range(ORIENTATIONS)
        for phase in PHASES
    ]


def grid(side: int) -> tuple[Tensor, Tensor]:
    """(side, side) x and y in samples from the middle."""
    line = torch.arange(side) - (side - 1) / 2
    y, x = torch.meshgrid(line, line, indexing="ij")
    return x, y


def gaussian(side: int, deviation: float) -> Tensor:
    """(side, side) of sum 1."""
    x, y = grid(side)
    bell = torch.exp(-(x.square() + y.square()) / (2 * deviation**2))
    return bell / bell.sum()


def centre_surround(channels: int = 3, side: int = 21) -> Tensor:
    """(C, C, side, side): a difference of two Gaussians of sum 1 for each channel by itself, of
    unit norm.
    """
    filters = gaussian(side, CENTRE) - gaussian(side, SURROUND)
    return torch.eye(channels)[..., None, None] * (filters / filters.norm())


def gabors(side: int = 31) -> Tensor:
    """(128, 3, side, side): Gabor functions of zero mean and unit norm, each on its channel alone,
    as `tuning` has them.
    """
    x, y = grid(side)
    filters = torch.zeros(len(tuning()), 3, side, side)
    for place, (channel, frequency, orientation, phase) in enumerate(tuning()):
        cycles = frequency / SAMPLING
        angle = math.radians(orientation)
        along = x * math.cos(angle) + y * math.sin(angle)
        envelope = gaussian(side, ENVELOPE / cycles)
        wave = envelope * torch.cos(2 * math.pi * cycles * along + phase)
        wave = wave - envelope * wave.sum()
        filters[place, channel] = wave / wave.norm()
    return filters


def pooling() -> Tensor:
    """(128, 128) in [0, 1]: how much each Gabor function's energy normalises each other's, 1 for
    itself.

    Gaussian in the difference of orientation (modulo 180 degrees) and of frequency in octaves; both
    phases alike; no other opponent channel.
    """
    channel, frequency, orientation, _ = torch.tensor(tuning()).T
    turn = (orientation[:, None] - orientation).abs()
    turn = torch.minimum(turn, 180 - turn) / ORIENTATION_POOLING
    octaves = (frequency[:, None] / frequency).log2() / FREQUENCY_POOLING
    return torch.exp(-(turn.square() + octaves.square()) / 2) * (channel[:, None] == channel)
