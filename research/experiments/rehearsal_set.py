"""A rehearsal set: held-out photographs, distorted as TID2013-resim is, with ColorVideoVDP's
verdict in place of opinions.

    python -m research.experiments.rehearsal_set PHOTOS OUT

Choices among our own trainings are made by agreement with it (`metamer metrics judge tid2013 OUT`):
Kodak, from which TID2013-resim is made, must choose nothing.
"""

import itertools
from pathlib import Path

import click
import numpy as np
from PIL import Image
from tqdm import tqdm

from metamer.codec.errors import ImageError
from metamer.codec.system import files
from metamer.evaluation.images import held_out_paths, read_image, save_image, to_tensor
from metamer.evaluation.ratings.resimulation.dataset import HEIGHT, WIDTH
from metamer.evaluation.ratings.resimulation.definitions import DISTORTIONS, LEVELS
from metamer.evaluation.ratings.resimulation.strengths import distort, level_strengths
from metamer.perception import create

REFERENCES = 16
SLOW = 22  # colour quantisation takes as long as all others together


def references(photos: Path) -> list[np.ndarray]:
    """(384, 512, 3) uint8: the middle of `REFERENCES` photographs that validation.txt names, spread
    evenly over it.
    """
    pictures = (np.asarray(read_image(path)) for path in held_out_paths(photos))
    fitting = [
        picture for picture in pictures if picture.shape[0] >= HEIGHT and picture.shape[1] >= WIDTH
    ]
    if len(fitting) < REFERENCES:
        raise ImageError(
            f"{photos}: {len(fitting)} held-out photographs of {WIDTH}x{HEIGHT} or more, "
            f"{REFERENCES} are needed"
        )
    sample = (fitting[place] for place in np.linspace(0, len(fitting) - 1, REFERENCES).astype(int))
    middle = [((p.shape[0] - HEIGHT) // 2, (p.shape[1] - WIDTH) // 2, p) for p in sample]
    return [
        np.ascontiguousarray(p[top : top + HEIGHT, left : left + WIDTH]) for top, left, p in middle
    ]


def rehearse(photos: Path, out: Path) -> None:
    """Writes reference_images, distorted_images and mos_with_names.txt (just-objectionable
    differences, 10 at most).
    """
    images = {f"I{number:02d}": picture for number, picture in enumerate(references(photos), 1)}
    teacher, lines = create("cvvdp"), []
    for folder in ("reference_images", "distorted_images"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for name, image in images.items():
        save_image(Image.fromarray(image), out / "reference_images" / f"{name}.png")
    kinds = [kind for kind in DISTORTIONS.values() if kind.number != SLOW]
    for kind, level in tqdm(list(itertools.product(kinds, LEVELS)), unit="level", disable=None):
        for name, strength in level_strengths(kind, level, images).items():
            distorted = distort(kind, name, images[name], level, strength)
            file = f"{name.lower()}_{kind.number:02d}_{level}.png"
            save_image(Image.fromarray(distorted), out / "distorted_images" / file)
            lines.append(
                f"{teacher(to_tensor(images[name]), to_tensor(distorted)).item():.5f} {file}\n"
            )
    files.write_file(str(out / "mos_with_names.txt"), "".join(lines).encode())


@click.command()
@click.argument("photos", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def main(photos: Path, out: Path) -> None:
    """Make the set from the held-out photographs of PHOTOS."""
    rehearse(photos, out)


if __name__ == "__main__":
    main()
