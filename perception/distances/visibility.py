"""Visibility: the probability that an observer sees the difference between two images.

After Ak & Le Callet, "Towards perceptually plausible training of image restoration neural
networks", IPTA 2019: small networks stand in for the eye's optics, its photoreceptors and luminance
masking (white boxes in `perception.vision.retina`), and a Siamese network behind them predicts
detection. What differs: its teacher is ColorVideoVDP, whose just-objectionable-difference units
(JOD), calibrated by people's just noticeable differences (JND), give a probability, where the paper
has opinions on JPEG; colour is kept along with the achromatic response; and everything is small
enough to be 20 times as fast as the teacher.

Where the time goes decides the shape. At this distance contrast sensitivity has fallen to less than
half of its peak at 9 cycles per degree, which means over 4x4 pixels still carry. The pathway sees
these means, four to a cell of 8x8, as channels of an eighth of the resolution. Finer detail, up to
38 cycles per degree, goes past it to the detector, through filters of 4x4 code values: these are
near the eye's own scale, and what local luminance would change about such detail counts little.
"""

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metamer.perception.distance import Distance
from metamer.perception.errors import MetricError, WeightsError
from metamer.perception.vision.display import (
    OFFICE,
    STANDARD_4K,
    STANDARD_PIXELS_PER_DEGREE,
    reflected_light,
)
from metamer.perception.weights import load_trained

GRID = 4  # pixels of a mean, each way
CELL = 2  # means of a cell, each way
PHASES = CELL * CELL
# just noticeable differences a JOD of ColorVideoVDP, by JPEG AIC-4's ratings: 3.17 [3.00, 3.32],
# `evaluation.ratings.jnd_scale`
JND_PER_JOD = 3.17
JND_DEVIATION = 1.4826  # of the normal distribution that has 75 % below 1 JND
MASK_SIDE = 4  # over so many features each way, contrast masks contrast
RESPONSE = 100.0  # just noticeable steps that are 1 for the networks; white is at 1.8
DARK = 1e-3  # light, white being 1, that keeps the square root's gradient finite
FLOOR = 1e-6  # the same for roots of differences
# of V, V², V³: a screen's transfer function within 0.01 of V to the power 2.2
CURVE = (0.0125, 0.6822, 0.3053)
CONDITIONS = 6  # what a screen is described by: three numbers and their squares
# that its weights are trained for: peak in cd/m², ambient in lux, pixels a degree
SCREENS = {"peak": (50, 1000), "ambient": (0, 2000), "pixels_per_degree": (25, 120)}


def probability(jod: Tensor) -> Tensor:
    """Of detection, corrected for guessing, for distances in JOD: 2·Φ(JND / 1.4826) − 1. At 1 JND,
    75 % of choices, it is 0.5.
    """
    return torch.erf(JND_PER_JOD * jod / (JND_DEVIATION * math.sqrt(2)))


def cells(image: Tensor) -> Tensor:
    """(N, C, H/4, W/4) → (N, 4·C, H/8, W/8), channels last."""
    return F.pixel_unshuffle(image, CELL).contiguous(memory_format=torch.channels_last)


def enlarge_like(features: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(features, size=like.shape[-2:], mode="bilinear", align_corners=False)


def viewing_conditions(peak: float, ambient: float, pixels_per_degree: float) -> Tensor:
    """(CONDITIONS,) what a screen and its room differ in from the standard one: 0 for that.

    peak: white in cd/m²; ambient: light of the room in lux, of which the screen reflects a part.
    """
    screen = replace(STANDARD_4K, peak=peak, reflected=reflected_light(ambient))
    brighter = math.log10(peak / STANDARD_4K.peak)
    paler = math.log10(STANDARD_4K.shown_contrast / screen.shown_contrast)
    finer = math.log2(pixels_per_degree / STANDARD_PIXELS_PER_DEGREE)
    return torch.tensor([brighter, paler, finer, brighter**2, paler**2, finer**2])


def conv3x3(into: int, out: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(into, out, 3, stride, 1, bias=bias)


def conv1x1(into: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(into, out, 1)


class Selu(nn.Module):
    """SELU whose α is trained; the constant factor is left to the next convolution."""

    def __init__(self):
        super().__init__()
        self.alpha = nn.Parameter(torch.tensor(1.6733))

    def forward(self, features: Tensor) -> Tensor:
        positive = F.relu(features)
        return torch.lerp(positive, F.elu(features), self.alpha)


class Scatter(nn.Module):
    """The eye's optics: what blur changes about the light, by an encoder and a decoder of six
    convolutions.
    """

    def __init__(self, width: int):
        super().__init__()
        light = 3 * PHASES
        self.first, self.down, self.coarse = (
            conv3x3(light, width),
            conv3x3(width, width, 2),
            conv3x3(width, width),
        )
        self.mixed, self.fine, self.last = (
            conv1x1(width, width),
            conv1x1(width, width),
            conv1x1(width, light),
        )

    def forward(self, light: Tensor) -> Tensor:
        near = F.relu(self.first(light))
        far = F.relu(self.mixed(F.relu(self.coarse(F.relu(self.down(near))))))
        return light + self.last(F.relu(self.fine(near + enlarge_like(far, near))))


class Pathway(nn.Module):
    """Light, as cells (N, 12, h, w), white being 1, to what `vision.retina` calls scattered,
    receptors and responses.

    Returns all three, cells of 3, 4 and 3 maps; responses are in units of `RESPONSE`.
    """

    def __init__(self, width: int):
        super().__init__()
        self.scatter = Scatter(width)
        self.receptors = nn.Sequential(
            conv1x1(3 * PHASES, 4 * PHASES), nn.ReLU(), conv1x1(4 * PHASES, 4 * PHASES), nn.ReLU()
        )
        self.masking = nn.Sequential(
            conv1x1(4 * PHASES, width),
            Selu(),
            conv1x1(width, width),
            Selu(),
            conv1x1(width, 3 * PHASES),
        )
        # light is positive: so is what follows, and no unit begins dead
        for layer in self.receptors[::2]:
            nn.init.uniform_(layer.weight, 0, 2 / layer.in_channels)

    def forward(self, light: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        scattered = self.scatter(light)
        caught = self.receptors(scattered)
        # roots: the curve to learn is near logarithmic
        return scattered, caught, self.masking((caught + DARK).sqrt())


class Detector(nn.Module):
    """Images (N, 3, H, W) → features; two images' features → distance in JOD.

    Features are those of fine detail, then of ever coarser bands of the retina's responses. They
    are compared as ColorVideoVDP compares contrasts: squared differences, less where both images
    have much of the same around, are pooled over positions, then over features.
    """

    def __init__(self, width: int = 16, detail: int = 13, coarser: int = 2, pools: int = 8):
        super().__init__()
        self.register_buffer(
            "mean",
            torch.eye(3)[..., None, None].expand(3, 3, GRID, GRID) / GRID**2,
            persistent=False,
        )
        self.detail = nn.Parameter(torch.randn(detail, 3, GRID, GRID) / 7)
        self.pathway = Pathway(width)
        into = [3 * PHASES] + [width] * coarser
        self.bands = nn.ModuleList(conv3x3(count, width, bias=False) for count in into)
        self.steps = nn.ModuleList(conv3x3(count, width, 2) for count in into[:-1])
        self.bends = nn.ModuleList(Selu() for _ in range(coarser))
        counts = [detail] + [width] * (coarser + 1)
        # logarithms, as all that must be positive
        self.gain = nn.ParameterList(torch.zeros(count, 1, 1) for count in counts)
        self.ceiling = nn.ParameterList(torch.zeros(count, 1, 1) for count in counts)
        self.mask = nn.ParameterList(
            torch.full((count, count, 1, 1), -3.0) + 3 * torch.eye(count)[..., None, None]
            for count in counts
        )
        self.pool = nn.Parameter(torch.randn(pools, sum(counts)) / 2 - 2)
        self.share = nn.Parameter(torch.zeros(pools))
        # of features, logarithms, by `viewing_conditions`: the screen that the rest is for has none
        # (not trained with the others: research.experiments.visibility_screens)
        self.screen = nn.Parameter(torch.zeros(sum(counts), CONDITIONS), requires_grad=False)

    def light(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) → light as cells (N, 12, H/8, W/8), white being 1, and details (N, D, H/4,
        W/4); edges repeat.

        The curve of the screen is applied to means of code values, not to pixels: a sixteenth of
        the work.
        """
        height, width = image.shape[-2:]
        side = GRID * CELL
        if height % side or width % side:
            image = F.pad(image, (0, -width % side, 0, -height % side), "replicate")
        detail = self.detail - self.detail.mean((2, 3), keepdim=True)
        filtered = F.conv2d(image, torch.cat((self.mean, detail)).contiguous(), stride=GRID)
        code = cells(filtered[:, :3])
        linear, square, cube = CURVE
        return code * (linear + code * (square + cube * code)), filtered[:, 3:]

    def forward(self, image: Tensor) -> list[Tensor]:
        light, detail = self.light(image)
        features = self.pathway(light)[-1]
        filtered = [detail]
        for band, step, bend in zip(self.bands, self.steps, self.bends, strict=False):
            filtered.append(band(features))
            features = bend(step(features))
        return [*filtered, self.bands[-1](features)]

    def differences(self, reference: list[Tensor], image: list[Tensor]) -> list[Tensor]:
        """How much is seen of two images' differences, feature by feature: band by band, (N, C, h,
        w).
        """
        differences = []
        for reference_band, image_band, gain, ceiling, mask in zip(
            reference, image, self.gain, self.ceiling, self.mask, strict=True
        ):
            masked = torch.minimum(self.energy(reference_band), self.energy(image_band))
            masked = F.interpolate(F.conv2d(masked, mask.exp()), size=image_band.shape[-2:])
            difference = image_band - reference_band
            square = difference * difference
            contrast = square / ((-gain).exp() + masked + (-ceiling).exp() * square)
            differences.append(contrast * contrast)
        return differences

    def distance(
        self, reference: list[Tensor], image: list[Tensor], screen: Tensor | None = None
    ) -> Tensor:
        """(N,) in JOD, for two images' features, on the screen of these `viewing_conditions`."""
        differences = self.differences(reference, image)
        return self.jod(
            torch.cat([difference.mean((2, 3)) for difference in differences], 1), screen
        )

    def jod(self, seen: Tensor, screen: Tensor | None = None) -> Tensor:
        """(…, features) of `differences` → (…) in JOD."""
        if screen is not None:
            seen = seen * (self.screen @ screen).exp()
        groups = seen @ self.pool.exp().T
        return ((groups + FLOOR).sqrt() - FLOOR**0.5) @ self.share.exp()

    def distance_map(
        self, reference: list[Tensor], image: list[Tensor], screen: Tensor | None = None
    ) -> Tensor:
        """(N, h, w) in JOD, of every 4x4 pixels: what images would have that differ everywhere as
        these do here.
        """
        fine, *coarse = self.differences(reference, image)
        stacked = torch.cat([fine, *(enlarge_like(difference, fine) for difference in coarse)], 1)
        return self.jod(stacked.movedim(1, -1), screen)

    @staticmethod
    def energy(features: Tensor) -> Tensor:
        """Mean squares around every few positions."""
        return F.avg_pool2d(features * features, MASK_SIDE, ceil_mode=True)


def build_detector(tensors: dict[str, Tensor], source: str) -> Detector:
    """The detector that these weights are of; its sizes follow from theirs. Raises `WeightsError`,
    which names the source.
    """
    try:
        sizes = {
            "width": len(tensors["bands.0.weight"]),
            "detail": len(tensors["detail"]),
            "pools": len(tensors["share"]),
        }
        detector = Detector(coarser=sum(name.startswith("bends.") for name in tensors), **sizes)
        # weights that know one screen alone have nothing of others
        detector.load_state_dict({"screen": detector.screen.data} | tensors)
    except (KeyError, RuntimeError, TypeError, IndexError):
        raise WeightsError(f"{source} does not hold the weights of visibility") from None
    return detector.to(memory_format=torch.channels_last).requires_grad_(False)


class Visibility(Distance):
    """Probability, 0 to 1, that the difference is seen: 0.5 where it is noticed in 75 % of choices
    between two.

    weights: `perception.weights.load_trained`. peak, ambient, pixels_per_degree: white in cd/m²,
    light of the room in lux, and how close one sits to which pixels; by default a 4K screen of 30
    inches in an office at arm's length. ``loss`` is the distance behind it in JOD, which has no
    end: where the probability is near 1, its gradient is gone.
    """

    def __init__(
        self,
        weights: str = "visibility",
        peak: float = STANDARD_4K.peak,
        ambient: float = OFFICE,
        pixels_per_degree: float = STANDARD_PIXELS_PER_DEGREE,
    ):
        super().__init__()
        self.detector = build_detector(load_trained(weights), weights)
        asked = {"peak": peak, "ambient": ambient, "pixels_per_degree": pixels_per_degree}
        for name, (low, high) in SCREENS.items():
            if not low <= asked[name] <= high:
                raise MetricError(f"visibility: {name}={asked[name]} is not {low} to {high}")
        screen = viewing_conditions(**asked)
        if screen.any() and not self.detector.screen.any():
            raise MetricError(f"visibility: {weights} knows one screen, and takes no other")
        self.register_buffer("screen", screen if screen.any() else None, persistent=False)

    def space(self, image: Tensor) -> list[Tensor]:
        return self.detector(image)

    def between(self, reference: list[Tensor], image: list[Tensor]) -> Tensor:
        return probability(self.shortfall(reference, image))

    def shortfall(self, reference: list[Tensor], image: list[Tensor]) -> Tensor:
        return self.detector.distance(reference, image, self.screen)

    def map(self, reference: Tensor, image: Tensor) -> Tensor:
        """Where the difference is seen.

        Args:
            reference: (N, 3, H, W), sRGB in [0, 1], or uint8.
            image: The same shape.

        Returns:
            (N, H, W) float32, the probability with which a difference like that around a pixel
            would be seen if it were everywhere.

        Raises:
            ComparisonError: As for `Distance.forward`.
        """
        height, width = image.shape[-2:]
        jod = self.detector.distance_map(*self.places(reference, image), self.screen)
        whole = F.interpolate(jod[:, None], scale_factor=GRID, mode="bilinear", align_corners=False)
        return probability(whole[:, 0, :height, :width])


class JustNoticeableDifferences(Visibility):
    """How many just noticeable differences lie between two images: what `Visibility` makes a
    probability of, with the same options, and without an end.
    """

    def between(self, reference: list[Tensor], image: list[Tensor]) -> Tensor:
        return JND_PER_JOD * self.shortfall(reference, image)
