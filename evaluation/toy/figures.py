"""What coders make of a source: cells and codewords, and how near to the best they come."""

import math
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from torch import Tensor, nn

from metamer.evaluation import plots
from metamer.evaluation.plots.style import COLOURS, new_panels, set_logarithmic
from metamer.evaluation.toy import optima
from metamer.evaluation.toy.sources import Source
from metamer.evaluation.toy.training import METHODS, Score

SEEN = 1 << 17  # vectors that tell how probable each codeword is
GRID = 700  # points a side at which cells are distinguished
SHADES = {"klt": COLOURS[3], "ltc": COLOURS[4], "ntc": COLOURS[0], "vq": COLOURS[1]}
ScoredCoders = list[tuple[nn.Module, Score]]


def cell_numbers(cells: Tensor) -> Tensor:
    """A number (N,) for every different row of (N, K)."""
    return torch.unique(cells, dim=0, return_inverse=True)[1]


@torch.no_grad()
def codebook(coder: nn.Module, source: Source, count: int = SEEN) -> tuple[np.ndarray, np.ndarray]:
    """Codewords that vectors of the source get (K, dimensions), and the share of vectors that get
    each (K,).
    """
    vectors = source.sample(count, torch.Generator().manual_seed(0))
    cells, _, decoded = coder(vectors)
    number = cell_numbers(cells)
    counts = torch.bincount(number).numpy()
    first = np.unique(number.numpy(), return_index=True)[1]
    return decoded[first].numpy(), counts / count


def score_title(score: Score) -> str:
    return (
        f"{METHODS[score.method]}, λ = {score.tradeoff:g}\n"
        f"R + λD = {score.cost:.2f} (R {score.rate:.2f}, D {score.distortion:.3g})"
    )


def plot_plane(source: Source, scored: ScoredCoders, path: Path) -> None:
    """A panel a coder: the density, the cells' borders, codewords with areas as their
    probabilities.
    """
    figure, panels = new_panels(len(scored), 5, 5.2, columns=math.ceil(math.sqrt(len(scored))))
    sample = source.sample(SEEN, torch.Generator().manual_seed(0))
    low, high = np.quantile(sample.numpy(), [0.002, 0.998], axis=0) + np.array([[-0.7], [0.7]])
    across, up = (torch.linspace(low[axis], high[axis], GRID) for axis in (0, 1))
    points = torch.stack(torch.meshgrid(across, up, indexing="xy"), -1).reshape(-1, 2)
    density = source.density(points).reshape(GRID, GRID)
    extent = (low[0], high[0], low[1], high[1])
    for panel, (coder, score) in zip(panels, scored, strict=True):
        with torch.no_grad():
            number = cell_numbers(coder(points)[0]).reshape(GRID, GRID)
        border = np.zeros((GRID, GRID, 4))
        border[..., :3] = to_rgb(COLOURS[1])
        border[:, 1:, 3] = number[:, 1:] != number[:, :-1]
        border[1:, :, 3] += (number[1:] != number[:-1]).numpy()
        panel.imshow(
            density.sqrt(),
            cmap="Greys",
            origin="lower",
            extent=extent,
            vmax=1.6 * density.max().sqrt(),
        )
        panel.imshow(border.clip(0, 1), origin="lower", extent=extent)
        codewords, shares = codebook(coder, source)
        panel.scatter(*codewords.T, s=1 + 1200 * shares, color=COLOURS[0], linewidths=0, zorder=3)
        panel.set(xlim=extent[:2], ylim=extent[2:], aspect="equal", title=score_title(score))
        panel.grid(visible=False)
        panel.spines[:].set_visible(False)
    plots.save_figure(figure, path, 80)


def plot_line(source: Source, scored: ScoredCoders, path: Path) -> None:
    """Left the cells and codewords along the line at the middle λ; right rate against distortion,
    with the best and a bound.
    """
    figure, (left, right) = new_panels(2, 6.8, 4.6)
    tradeoffs = sorted({score.tradeoff for _, score in scored})
    middle = tradeoffs[len(tradeoffs) // 2]
    draw_cells(left, source, [item for item in scored if item[1].tradeoff == middle])
    curve = [
        optima.laplace(tradeoff)
        for tradeoff in np.geomspace(min(tradeoffs) / 2, max(tradeoffs) * 2, 60)
    ]
    distortion = np.geomspace(min(best.distortion for best in curve), 2, 200)
    right.plot(
        distortion,
        optima.laplace_bound(distortion),
        color=COLOURS[7],
        linestyle="--",
        label="Shannon's lower bound",
    )
    plot_optimum(
        right,
        [(best.distortion, best.rate) for best in curve],
        "best scalar quantiser (Sullivan 1996)",
        scored,
    )
    right.set_xlabel("mean squared error")
    right.legend()
    plots.save_figure(figure, path)


def draw_cells(panel: Axes, source: Source, here: ScoredCoders) -> None:
    """A row a coder along the line: borders of its cells, codewords with areas as their
    probabilities, over the density.
    """
    points = torch.linspace(-7, 7, 20001)[:, None]
    panel.fill_between(
        points[:, 0],
        source.density(points) * 2 * len(here),
        color=COLOURS[7],
        alpha=0.3,
        linewidth=0,
    )
    for row, (coder, score) in enumerate(here):
        with torch.no_grad():
            number = cell_numbers(coder(points)[0])
        borders = points[1:, 0][number[1:] != number[:-1]]
        panel.vlines(borders, row + 0.15, row + 0.85, color=COLOURS[6], linewidth=1)
        codewords, shares = codebook(coder, source)
        height = np.full(len(codewords), row + 0.5)
        panel.scatter(
            codewords[:, 0], height, s=2 + 400 * shares, color=SHADES[score.method], zorder=3
        )
    panel.set_yticks(
        np.arange(len(here)) + 0.5,
        [METHODS[score.method].replace(" ", "\n", 1) for _, score in here],
    )
    panel.set(
        xlim=(-7, 7),
        ylim=(0, len(here)),
        xlabel="x",
        title=f"cells and codewords at λ = {here[0][1].tradeoff:g}; area: probability",
    )
    panel.spines["left"].set_visible(False)
    panel.tick_params(axis="y", length=0)
    panel.grid(axis="y", visible=False)


def plot_optimum(
    panel: Axes, best: list[tuple[float, float]], name: str, scored: ScoredCoders
) -> None:
    """Rate over logarithmic distortion: the best as a curve, coders as points."""
    panel.plot(*np.array(best).T, color=COLOURS[6], linewidth=1.3, label=name)
    for method, mark in zip(METHODS, "v^os", strict=True):
        points = [(score.distortion, score.rate) for _, score in scored if score.method == method]
        if points:
            panel.plot(
                *np.array(points).T, mark, color=SHADES[method], markersize=7, label=METHODS[method]
            )
    set_logarithmic(panel.xaxis)
    panel.set(ylabel="bits", title="rate against distortion")


def plot_paths(source: Source, scored: ScoredCoders, path: Path) -> None:
    """Left bits against distortion, with the best; right a path and what the coders make of it at
    the largest λ.
    """
    figure, (left, right) = new_panels(2, 6.8, 4.6)
    tradeoffs = sorted({score.tradeoff for _, score in scored})
    best = [
        optima.sawbridge_quantiser(width)
        for width in np.geomspace(0.15 / np.sqrt(max(tradeoffs)), 1, 2000)
    ]
    plot_optimum(left, [(one.distortion, one.rate) for one in best], "the optimum", scored)
    left.set_xlabel("squared error, mean over time")
    left.legend()
    one = source.at(torch.tensor([0.37]))
    chosen = tradeoffs[-1]
    right.plot(source.times(), one[0], color=COLOURS[6], linewidth=1, label="a path")
    for coder, score in scored:
        if score.tradeoff == chosen:
            with torch.no_grad():
                _, bits, decoded = coder(one)
            right.plot(
                source.times(),
                decoded[0],
                color=SHADES[score.method],
                linewidth=1.4,
                label=f"{METHODS[score.method]}: {bits.item():.1f} bits",
            )
    right.set(xlabel="t", title=f"a path and what is made of it at λ = {chosen:g}")
    right.legend()
    plots.save_figure(figure, path)


PLOTS = {"banana": plot_plane, "laplace": plot_line, "sawbridge": plot_paths}
