"""Profiles that say nothing, nonsense, or something that cannot be done: numbers are taken as they
are then.
"""

import numpy as np
import pytest
from PIL import Image, ImageCms

from metamer.codec.picture.colour import conversion, signalled
from tests.codec.picture.crafting import DISPLAY_P3, P3_CHROMATICITY, grey_profile

PICTURE = Image.merge(
    "RGB", [Image.linear_gradient("L"), Image.radial_gradient("L"), Image.new("L", (256, 256), 90)]
)


@pytest.mark.parametrize("profile", [b"", b"junk", bytes(200), DISPLAY_P3[:140]])
def test_profiles_that_do_not_open(profile):
    assert conversion.to_srgb(PICTURE, profile) is PICTURE


def test_profiles_for_other_pictures():
    assert conversion.to_srgb(PICTURE, grey_profile(1.0)) is PICTURE
    inks = PICTURE.convert("CMYK")
    assert conversion.to_srgb(inks, DISPLAY_P3).tobytes() == inks.convert("RGB").tobytes()
    assert (
        conversion.convert_colours(inks, DISPLAY_P3)[0].tobytes() == inks.convert("RGB").tobytes()
    )


def test_lab_is_converted_to_what_it_means():
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    converted, profile = conversion.convert_colours(ImageCms.applyTransform(PICTURE, to_lab), None)
    assert converted.mode == "RGB" and not profile
    assert np.abs(np.asarray(converted, int) - np.asarray(PICTURE)).mean() < 3


@pytest.mark.parametrize(
    "info",
    [
        {},
        {"gamma": 0.0},
        {"gamma": 11.0},
        {"gamma": 0.5, "srgb": 0},
        {"gamma": 0.45455},
        {"gamma": 0.5, "chromaticity": (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.0)},  # y of 0
        # x + y above 1
        {"gamma": 0.5, "chromaticity": (0.3127, 0.329, 0.74, 0.33, 0.3, 0.6, 0.15, 0.06)},
        {
            "gamma": 0.5,
            "chromaticity": (0.3127, 0.329, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3),
        },  # all one colour
    ],
)
def test_png_chunks_that_ask_for_nothing_or_for_nonsense(info):
    assert signalled.png_profile(info) is None


def test_png_chunks_that_stand_for_a_profile():
    built_profile = signalled.png_profile({"gamma": 1 / 2.2, "chromaticity": P3_CHROMATICITY})
    converted, expected = (
        np.asarray(conversion.to_srgb(PICTURE, profile), int)
        for profile in (built_profile, DISPLAY_P3)
    )
    assert (
        np.abs(converted - expected).max() <= 1
        and np.abs(converted - np.asarray(PICTURE)).max() > 10
    )
