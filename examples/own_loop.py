"""A training loop of one's own: distances, proxies and entropy model without the rest of Metamer.

    python examples/own_loop.py PHOTOS

Patches of 16² pixels become 32 latents by a linear transform, which learns with the entropy
model to cost few bits and to leave little of a perceptual distance.
"""

import sys

import torch

from metamer import perception
from metamer.train.data import Plan, open_data
from metamer.train.networks.entropy_model.model import EntropyModel


def train(photos: str, steps: int = 500, batch: int = 8, side: int = 96) -> list[float]:
    """The losses of all steps; a loop as any in PyTorch."""
    analysis = torch.nn.Conv2d(3, 32, kernel_size=16, stride=16)
    synthesis = torch.nn.ConvTranspose2d(32, 3, kernel_size=16, stride=16)
    entropy = EntropyModel(groups=[8, 24], levels=2, hyper_latents=8, features=16, width=32)
    distance, squared = perception.create("lpips-squeeze"), perception.create("mse")
    networks = torch.nn.ModuleList([analysis, synthesis, entropy])
    optimiser, losses = torch.optim.Adam(networks.parameters(), lr=2e-3), []
    plan = Plan(crop=side, seed=0, batch=batch, steps=range(steps), share=slice(0, batch))
    for crops, _ in open_data([photos]).training.batches(plan):
        image, level = crops / 255, torch.rand(batch)  # quality, from 0 to 1, of each crop
        coded = entropy(analysis(image), level, proxy="mixed")
        decoded = synthesis(coded.latent)
        bpp = (coded.bits + coded.hyper_bits) / side**2
        distortion = 100 * squared.loss(image, decoded) + distance.loss(image, decoded)
        loss = (bpp + 4**level * distortion).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    losses = train(sys.argv[1])
    print(f"loss {losses[0]:.3f} → {losses[-1]:.3f}")
