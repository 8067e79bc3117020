"""The distances that come with Metamer, in the order in which they are listed."""

import math

from metamer.perception.metric import Metric


def similarity(name: str, factory: str, title: str, paper: str, **more) -> Metric:
    """A structural similarity: 1 for identical images."""
    more = {
        "low": 0.0,
        "high": 1.0,
        "best": 1.0,
        "higher_is_better": True,
        "family": "structure",
    } | more
    return Metric(name, factory, title, paper, **more)


def deep(
    name: str, factory: str, title: str, paper: str, weights: tuple[str, ...], **more
) -> Metric:
    """A distance between deep features, 0 for identical images."""
    return Metric(
        name,
        factory,
        title,
        paper,
        **{"family": "deep features", "min_side": 16, "weights": weights} | more,
    )


def learned(name: str, factory: str, title: str, paper: str, weights: str, **more) -> Metric:
    """A distance in a space that was trained here, without human ratings."""
    return Metric(
        name,
        factory,
        title,
        paper,
        **{"family": "perceptual space", "weights": (weights,), "min_side": 16} | more,
    )


HERE = "metamer.perception.distances"  # the folder that factories lie in
BHARDWAJ = "Bhardwaj et al., NeurIPS 2020"
ZHANG = "Zhang et al., CVPR 2018"

CATALOGUE = (
    Metric(
        "mse",
        f"{HERE}.pixels:MeanSquaredError",
        "Mean squared error",
        "—",
        "pixels",
        high=1.0,
        true_distance=True,
    ),
    Metric(
        "psnr",
        f"{HERE}.pixels:PeakSignalToNoise",
        "Peak signal-to-noise ratio, dB",
        "—",
        "pixels",
        high=100.0,
        best=100.0,
        higher_is_better=True,
        true_distance=True,
        trainable=False,
    ),
    *(
        Metric(
            f"psnr-{channel}",
            f"{HERE}.pixels:psnr_{channel}",
            f"Peak signal-to-noise ratio of {channel.capitalize()}, dB",
            "ITU-T T.871",
            "pixels",
            high=100.0,
            best=100.0,
            higher_is_better=True,
            trainable=False,
        )
        for channel in ("y", "cb", "cr")
    ),
    Metric(
        "cielab",
        f"{HERE}.cielab:ColourDifference",
        "Mean ΔE*ab in CIELAB",
        "CIE 1976",
        "colour",
        true_distance=True,
        aliases=("delta-e", "lab"),
    ),
    similarity(
        "ssim",
        f"{HERE}.structural_similarity:ssim",
        "Structural similarity",
        "Wang et al., TIP 2004",
        low=-1.0,
        min_side=11,
        true_distance=True,
    ),
    similarity(
        "ssim-luma",
        f"{HERE}.structural_similarity:ssim_luma",
        "Structural similarity of luma, thinned out to about 256 pixels",
        "Wang et al., TIP 2004",
        low=-1.0,
        min_side=11,
    ),
    similarity(
        "ms-ssim",
        f"{HERE}.structural_similarity:ms_ssim",
        "Multi-scale structural similarity",
        "Wang et al., Asilomar 2003",
        min_side=161,
        true_distance=True,
        aliases=("msssim",),
    ),
    similarity(
        "haarpsi",
        f"{HERE}.structural_similarity:haarpsi",
        "Haar perceptual similarity",
        "Reisenhofer et al., SPIC 2018",
        min_side=16,
        package="piq",
    ),
    similarity(
        "vif",
        f"{HERE}.structural_similarity:vif",
        "Visual information fidelity, pixel domain",
        "Sheikh & Bovik, TIP 2006",
        high=math.inf,
        min_side=41,
        package="piq",
    ),
    similarity(
        "fsim",
        f"{HERE}.structural_similarity:fsim",
        "Feature similarity, colour",
        "Zhang et al., TIP 2011",
        min_side=16,
        package="piq",
    ),
    similarity(
        "vsi",
        f"{HERE}.structural_similarity:vsi",
        "Visual saliency-induced similarity",
        "Zhang et al., TIP 2014",
        min_side=16,
        package="piq",
    ),
    similarity(
        "gmsd",
        f"{HERE}.structural_similarity:gmsd",
        "Gradient magnitude similarity deviation",
        "Xue et al., TIP 2014",
        best=0.0,
        higher_is_better=False,
        min_side=16,
        package="piq",
    ),
    similarity(
        "mdsi",
        f"{HERE}.structural_similarity:mdsi",
        "Mean deviation similarity",
        "Nafchi et al., IEEE Access 2016",
        best=0.0,
        high=math.inf,
        higher_is_better=False,
        min_side=16,
        package="piq",
    ),
    deep(
        "lpips-alex",
        f"{HERE}.lpips:lpips_alex",
        "Learned perceptual image patch similarity, AlexNet",
        ZHANG,
        ("alexnet", "lpips-alex"),
        min_side=31,
        aliases=("lpips", "lpips-alexnet"),
    ),
    deep(
        "lpips-vgg",
        f"{HERE}.lpips:lpips_vgg",
        "Learned perceptual image patch similarity, VGG16",
        ZHANG,
        ("vgg16", "lpips-vgg"),
        aliases=("lpips-vgg16",),
    ),
    deep(
        "lpips-squeeze",
        f"{HERE}.lpips:lpips_squeeze",
        "Learned perceptual image patch similarity, SqueezeNet",
        ZHANG,
        ("squeezenet1_1", "lpips-squeeze"),
        min_side=17,
        aliases=("lpips-squeezenet",),
    ),
    deep(
        "dists",
        f"{HERE}.dists:Dists",
        "Deep image structure and texture similarity",
        "Ding et al., TPAMI 2020",
        ("vgg16", "dists"),
        true_distance=True,
    ),
    deep(
        "features",
        f"{HERE}.features:Features",
        "Squared difference of one layer's features",
        "Johnson et al., ECCV 2016",
        ("squeezenet1_1",),
        min_side=17,
        aliases=("feature-loss",),
    ),
    deep(
        "contextual",
        f"{HERE}.contextual:Contextual",
        "Contextual loss: features matched wherever they lie",
        "Mechrez et al., ECCV 2018",
        ("squeezenet1_1",),
        min_side=17,
        aliases=("cx",),
    ),
    deep(
        "wasserstein",
        f"{HERE}.wasserstein:Wasserstein",
        "Wasserstein distortion of local feature statistics",
        "Qiu et al., CISS 2024",
        ("vgg16",),
        aliases=("wd",),
    ),
    learned(
        "perceptnet",
        f"{HERE}.perceptnet:PerceptNet",
        "PerceptNet, trained without ratings",
        "Hernández-Cámara et al., 2025",
        "perceptnet",
    ),
    learned(
        "pim-1", f"{HERE}.pim:pim_1", "Perceptual information metric, one Gaussian", BHARDWAJ, "pim"
    ),
    learned("pim", f"{HERE}.pim:pim", "Perceptual information metric, mixture", BHARDWAJ, "pim"),
    learned(
        "visibility",
        f"{HERE}.visibility:Visibility",
        "Probability that the difference is seen",
        "Ak & Le Callet, IPTA 2019",
        "visibility",
        high=1.0,
    ),
    learned(
        "visibility-jnd",
        f"{HERE}.visibility:JustNoticeableDifferences",
        "Just noticeable differences",
        "Ak & Le Callet, IPTA 2019",
        "visibility",
        aliases=("jnd",),
    ),
    Metric(
        "ssimulacra2",
        f"{HERE}.ssimulacra2:Ssimulacra2",
        "SSIMULACRA 2",
        "Sneyers, 2022",
        "judge",
        low=-math.inf,
        high=100.0,
        best=100.0,
        higher_is_better=True,
        min_side=8,
        package="ssimulacra2",
        trainable=False,
    ),
    Metric(
        "flip",
        f"{HERE}.flip:Flip",
        "FLIP, difference seen when flipping",
        "Andersson et al., HPG 2020",
        "judge",
        high=1.0,
        package="flip-evaluator",
        trainable=False,
    ),
    Metric(
        "cvvdp",
        f"{HERE}.cvvdp:ColorVideoVDP",
        "ColorVideoVDP, JOD units",
        "Mantiuk et al., SIGGRAPH 2024",
        "judge",
        high=10.0,
        best=10.0,
        higher_is_better=True,
        min_side=16,
        package="cvvdp",
        trainable=False,
        aliases=("colorvideovdp",),
    ),
    Metric(
        "brisque",
        f"{HERE}.brisque:Brisque",
        "BRISQUE, of the decoded picture alone, about 0 to 100",
        "Mittal et al., TIP 2012",
        "no reference",
        low=-math.inf,
        best=-math.inf,
        min_side=128,
        weights=("brisque",),
        package="piq",
        trainable=False,
        no_reference=True,
    ),
)
