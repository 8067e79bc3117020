"""Pictures side by side."""

from pathlib import Path

from PIL import Image

from metamer.evaluation.plots.style import plt, save_figure, set_title


def plot_contact_sheet(
    pictures: list[tuple[Image.Image, str]], path: Path, title: str = "", columns: int = 6
) -> None:
    """Pictures of one size side by side, each under its caption."""
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    lines = max(caption.count("\n") + 1 for _, caption in pictures)
    height = 2.3 * pictures[0][0].height / pictures[0][0].width + 0.15 * lines + 0.15
    size = (2.4 * columns, height * rows + 0.5)
    figure, panels = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for panel in panels.flat:
        panel.axis("off")
    for panel, (picture, caption) in zip(panels.flat, pictures, strict=False):
        panel.imshow(picture, interpolation="nearest")
        panel.set_title(caption, fontsize=7.5, linespacing=1.25)
    set_title(figure, title)
    save_figure(figure, path, 150)
