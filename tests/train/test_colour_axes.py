"""Batches are turned as the encoder turns pictures."""

import numpy as np
import torch

from metamer.codec.network import colour_axes as codec_axes
from metamer.train import colour_axes
from metamer.train.data import Batches, Crops, Photographs, Plan, find
from tests.codec.network.test_colour_axes import coloured


def test_as_the_encoder_does():
    pictures = [coloured(seed) for seed in range(4)] + [np.full((160, 96, 3), 77, np.uint8)]
    batch = torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).copy()).float() / 255
    affines = colour_axes.affines(batch)
    torch.testing.assert_close(affines[4], torch.eye(3, 4))
    with torch.autocast("cpu", torch.bfloat16):  # which must not reach pictures
        turned = colour_axes.turn(batch, affines)
        restored = colour_axes.restore(turned, affines)
    for turned_planes, picture, planes in zip(turned[:4], pictures, batch, strict=False):
        affine = codec_axes.principal_turn([picture]).affine()
        np.testing.assert_allclose(
            turned_planes.numpy(),
            codec_axes.turn_colours(planes[None].numpy(), affine)[0],
            atol=1e-5,
        )
    torch.testing.assert_close(restored, batch, atol=1e-5, rtol=0)


def test_crops_turn_with_their_whole_picture(photographs):
    held_out = Photographs(find(photographs)[0])
    crops = Crops(held_out, 96, 5)
    affines_of_pictures = [
        colour_axes.affine(held_out[index].permute(1, 2, 0).numpy())
        for index in range(len(held_out))
    ]
    batches = list(Batches(held_out, Plan(96, 5, 4, range(3), slice(1, 4))))
    for step, (images, affines) in enumerate(batches):
        for place, (crop, affine) in enumerate(zip(images, affines, strict=True)):
            assert torch.equal(crop, crops[4 * step + 1 + place])
            assert any(torch.equal(affine, expected) for expected in affines_of_pictures)
    assert len({affine.numpy().tobytes() for _, affines in batches for affine in affines}) > 1
