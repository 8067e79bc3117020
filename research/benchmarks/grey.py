"""What grey photographs cost, against what colour photographs spend on luma, at the same luma PSNR.

    python research/benchmarks/grey.py PHOTOGRAPH… [--model MODEL]

Luma share of a colour file, in two ways, hyper-latents always in the proportion of latents: the
information content of all latents whose basis vectors are luma's, which is to say that most of
their energy lies along grey; or of all latents, each weighted by that share of energy. Grey file:
of the luma (ITU-R BT.601) of the same photograph, header included. A line for each photograph with
the ratios at some qualities of the colour file, then means. Needs the extra [train].
"""

import argparse

import numpy as np
import onnx
from PIL import Image

import metamer
from metamer.codec import transforms
from metamer.codec.encoder.encoding import write_picture
from metamer.codec.encoder.masking import LUMA
from metamer.codec.format import container
from metamer.codec.network import model as models
from metamer.codec.network import passes
from metamer.codec.network.passes import FRACTION
from metamer.codec.options import quality_index
from metamer.codec.picture import pixels
from metamer.entropy.coder import Encoder, Meter

QUALITIES = (5, 20, 35, 50, 65, 80, 95)


def grey_energy(model: models.Model) -> np.ndarray:
    """(M,) share of each basis vector's energy that lies along grey."""
    graph = onnx.load_from_string(model.graph("analysis")).graph
    basis = next(
        onnx.numpy_helper.to_array(constant)
        for constant in graph.initializer
        if "basis" in constant.name
    )
    basis = basis.astype(float).reshape(len(basis), 3, -1)
    return (basis.sum(1) ** 2 / 3).sum(1) / (basis**2).sum((1, 2))


def luma_bits(
    picture: Image.Image, data: bytes, model: models.Model, energy: np.ndarray
) -> np.ndarray:
    """(2,) bits of a colour file that are spent on luma, in both ways."""
    index = quality_index(metamer.info(data).quality)
    _, hyper = transforms.analyse(pixels.to_planes(picture), index, model)
    decoded = metamer.decode_latents(data)
    height, width, count = decoded.shape
    values, bits, meter = decoded.reshape(-1, count), np.zeros(count), Meter(model.tables)
    meter.write(hyper.ravel(), np.repeat(model.arrays["hyper_index"][index], hyper[0].size))

    def residuals(tables, centre, positions, channels):
        residual = (values[positions, channels] - centre) // FRACTION
        coded = model.tables.coded[tables]
        cost = np.zeros(tables.shape)
        cost[coded] = model.tables.cost(residual[coded], tables[coded])
        bits[channels] += cost.sum(0)
        return residual

    if not (passes.run_passes(model, index, hyper, height, width, residuals) == decoded).all():
        raise SystemExit("the latents are not those of the file")
    return np.array([bits[energy > 0.5].sum(), bits @ energy]) * (1 + meter.bits / bits.sum())


def untouched(picture: Image.Image, index: int, model: models.Model) -> bytes:
    """The file of a picture whose colours are not turned, as turned ones have no plane of luma."""
    header = container.Header(model.id, index, *picture.size)
    writer = Encoder(model.tables)
    write_picture(picture, index, model, writer, None)
    return container.pack(header, [container.Section(container.Kind.PICTURE, writer.bytes())])


def psnr(image: np.ndarray, reference: np.ndarray) -> float:
    return -10 * np.log10(np.square(image - reference).mean() / 255**2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", nargs="+")
    parser.add_argument("--model", default="base")
    options = parser.parse_args()
    model = models.load_model(options.model)
    energy, ratios = grey_energy(model), []
    for name in options.photographs:
        picture = pixels.read_rgb(name)
        luma = np.asarray(picture, float) @ LUMA
        grey = Image.fromarray(luma.round().astype(np.uint8))
        share, at, size, psnrs = [], [], [], []
        for quality in QUALITIES:
            data = untouched(picture, quality_index(quality), model)
            share.append(luma_bits(picture, data, model, energy))
            at.append(psnr(np.asarray(metamer.decode(data), float) @ LUMA, luma))
            data = metamer.encode(grey, quality, model=options.model)
            size.append(8 * len(data))
            psnrs.append(psnr(np.asarray(metamer.decode(data), float), np.asarray(grey, float)))
        inside = (np.array(at) >= psnrs[0]) & (np.array(at) <= psnrs[-1])
        ratio = (np.exp(np.interp(at, psnrs, np.log(size)))[:, None] / np.array(share))[inside]
        ratios.append(ratio.mean(0))
        print(
            name,
            " ".join(f"{of_luma:.3f}/{by_energy:.3f}" for of_luma, by_energy in ratio),
            flush=True,
        )
    ratio_array = np.array(ratios)
    for way, column in zip(("latents of luma", "by energy"), ratio_array.T, strict=True):
        print(
            f"{way}: mean of {len(column)} photographs {column.mean():.3f}, median "
            f"{np.median(column):.3f}, "
            f"largest {column.max():.3f}, {np.sum(column > 1.02)} above 1.02"
        )


if __name__ == "__main__":
    main()
