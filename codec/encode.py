"""Pictures to `.mtm` files: read, analyse, choose a form for every tile, code, write."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from metamer.codec import transforms
from metamer.codec.encoder import rate_control
from metamer.codec.encoder.assembly import assemble, assemble_lossless
from metamer.codec.encoder.effort.levels import Effort
from metamer.codec.encoder.forms import SURE, choose_form, networks_form
from metamer.codec.encoder.masking import error_importance
from metamer.codec.encoder.target import Target, measure_files, smallest_reaching
from metamer.codec.encoder.tiled_picture import TiledPicture
from metamer.codec.format import container
from metamer.codec.format.container import Kind, Section
from metamer.codec.grid import Box, latent_area
from metamer.codec.network import latents
from metamer.codec.network.colour_axes import Turn, choose_turn
from metamer.codec.network.model import Model, load_model
from metamer.codec.options import QUALITIES, EncodeOptions, Progress, quality_index
from metamer.codec.picture import vp8l
from metamer.codec.picture.load import Picture, Source, quantise_transparency, read_source
from metamer.codec.stream.sections import extra_sections
from metamer.entropy.coder import Encoder, Meter

# pixels; tiles cost a little rate, a whole picture takes some 160 bytes a pixel
TILED_ABOVE = 4 << 20


def encode(
    image: Source,
    quality: float = 50.0,
    *,
    lossless: bool | None = None,
    max_bytes: int | None = None,
    bpp: float | None = None,
    target: Mapping[str, float] | None = None,
    model: str = "base",
    tile: bool = False,
    max_pixels: int | None = None,
    threads: int = 0,
    icc: str = "convert",
    metadata: str = "keep",
    first_frame: bool = False,
    alpha_quality: int = 100,
    effort: int = 0,
    distortion: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Encodes a picture.

    What the bytes decode to is the same on every machine and for every number of threads. The bytes
    themselves have not depended on threads so far either (tests/codec/system/test_jobs.py), though
    the analysis network is floating point; with effort they may differ between machines.

    Args:
        image: A PIL image; a uint8 array (H, W), (H, W, 3) or (H, W, 4); the path of a picture
            file, its bytes, or the file opened for reading bytes. Grey pictures are coded as grey.
        quality: 0 (smallest) … 100 (best).
        lossless: True keeps every visible pixel as it is, whatever the quality. By default what is
            drawn rather than photographed is kept so, tile by tile, where that is the better trade
            (`codec.encoder.forms`). False leaves everything to the networks.
        max_bytes: Take the highest quality that fits into so many bytes, instead of ``quality``.
        bpp: The same in bits a pixel of the whole file.
        target: A metric and a value, as {"psnr": 38}: take the smallest file whose decoded picture
            reaches it, instead of ``quality``. `metamer metrics list` has the metrics; all but
            `psnr` need the extra `perception`.
        model: A shipped model's name, or the path of a model file.
        tile: Code tiles of 1024 × 1024 pixels apart, each with a checksum, so that parts can be
            decoded and damage stays where it is. Pictures of more than `TILED_ABOVE` pixels always
            are.
        max_pixels: How many pixels the picture may have; by default
            `codec.format.limits.MAX_PIXELS`.
        threads: 0 for every core.
        icc: ``convert`` colours to sRGB, or ``keep`` them as they are, with their profile.
        metadata: ``keep`` or ``strip`` EXIF and XMP.
        first_frame: Take the first frame or page of several, instead of refusing them.
        alpha_quality: 100 codes transparency without loss; less, down to 0, with fewer levels.
        effort: 0 … 9, time spent on a better trade of bits against error, of which decoders need
            not know (`codec.encoder.effort`); above 3 it takes PyTorch.
        distortion: What error is to ``effort``, as weights of distances of `metamer.perception`; by
            default what the model was trained on.
        progress: Called after each step of ``effort``.

    Returns:
        The bytes of a `.mtm` file.

    Raises:
        ImageError: The picture cannot be read, does not fit into ``max_bytes`` or ``bpp``, or does
            not reach ``target``.
        ModelError: The model cannot be loaded, or does not know the distortion.
        ValueError: An option is out of its range.
        ImportError: ``effort`` needs the extra `train`, or ``target`` the extra `perception`, which
            is not installed.

    Examples:
        >>> picture = Image.radial_gradient("L")  # 256x256
        >>> len(encode(picture, 10)) < len(encode(picture, 90))
        True
        >>> len(encode(picture, max_bytes=500)) <= 500
        True
    """
    options = EncodeOptions(
        quality,
        lossless=lossless,
        max_bytes=max_bytes,
        bpp=bpp,
        target=target,
        model=model,
        tile=tile,
        max_pixels=max_pixels,
        threads=threads,
        icc=icc,
        metadata=metadata,
        first_frame=first_frame,
        alpha_quality=alpha_quality,
        effort=effort,
        distortion=distortion,
        progress=progress,
    )
    goal = None if target is None else Target.of(target)
    job = _Job.of(image, options)
    limit = options.byte_limit(job.picture.image.width * job.picture.image.height)
    if lossless:
        return job.lossless_file()
    if goal:
        return job.file_reaching(goal, options)
    if limit is None:
        return job.refined_file(quality_index(quality))
    return job.file_within(limit)


@dataclass(frozen=True)
class _Job:
    """A picture on its way to a file.

    Attributes:
        original: The picture as it was read.
        picture: Its tiles.
        extras: The sections besides the picture's.
        lossless: As in `EncodeOptions`.
        effort: How latents are refined, if at all.
    """

    original: Picture
    picture: TiledPicture
    extras: list[Section]
    lossless: bool | None
    effort: Effort | None
    _importance: dict[int, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, image: Source, options: EncodeOptions) -> "_Job":
        original = read_source(
            image,
            icc=options.icc,
            strip=options.metadata == "strip",
            first_frame=options.first_frame,
            max_pixels=options.max_pixels,
        )
        pixels = original.image
        tiled = (
            options.tile
            or pixels.width * pixels.height > TILED_ABOVE
            or max(pixels.size) >= vp8l.MAX_SIDE
        )
        network = _model_for(pixels, options.model, options.threads)
        picture = quantise_transparency(original, options.alpha_quality)
        extras = extra_sections(picture)
        alpha_bytes = sum(len(section.body) for section in extras if section.kind == Kind.ALPHA)
        tiles = TiledPicture(
            pixels, picture.transparency, alpha_bytes, network, tiled, options.lossless is None
        )
        effort = Effort.of(options.effort, options.distortion, network, options.progress)
        return cls(original, tiles, extras, options.lossless, effort)

    def file(self, index: int, effort: Effort | None = None) -> bytes:
        """The file at quality ``index`` of 256."""
        picture = self.picture

        def code(image: Image.Image, box: Box) -> tuple[bytes, np.ndarray]:
            writer = Encoder(picture.model.tables)
            decoded = write_picture(
                image,
                index,
                picture.model,
                writer,
                picture.turn,
                box,
                self._importance_of(image),
                effort,
            )
            return writer.bytes(), decoded

        choices = [
            choose_form(picture, number, index, code)
            if self.lossless is None
            else networks_form(picture, number, code)
            for number in range(len(picture.tiles))
        ]
        return container.pack(*assemble(picture, choices, index, self.extras))

    def refined_file(self, index: int) -> bytes:
        """The same with the effort that was asked for."""
        return self.file(index, self.effort)

    def lossless_file(self) -> bytes:
        """The file that needs no networks."""
        return container.pack(*assemble_lossless(self.picture, QUALITIES - 1, self.extras))

    def file_within(self, limit: int) -> bytes:
        """The best file of at most ``limit`` bytes. Raises ImageError where there is none."""
        if self.lossless is None and self.picture.lossless_bits() * SURE <= 8 * limit:
            data = self.lossless_file()
            if len(data) <= limit:
                return data
        refined = self.refined_file if self.effort else None
        return rate_control.largest_within(self.file, refined, limit, self.picture.model.name)

    def file_reaching(self, target: Target, options: EncodeOptions) -> bytes:
        """The smallest file found that reaches the target. Raises ImageError where there is
        none.
        """
        return smallest_reaching(
            target,
            measure_files(target.judge, self.original, options),
            self.file,
            self.refined_file if self.effort else None,
            self.lossless_file if self.lossless is None else None,
        )

    def _importance_of(self, image: Image.Image) -> np.ndarray:
        """`error_importance`, which no quality changes; of images that ``picture`` keeps."""
        if id(image) not in self._importance:
            self._importance[id(image)] = error_importance(image, self.picture.model)
        return self._importance[id(image)]


def _model_for(picture: Image.Image, name: str, threads: int) -> Model:
    model = load_model(name, threads)
    return model.grey_variant if picture.mode == "L" else model


def write_picture(
    picture: Image.Image,
    index: int,
    model: Model,
    writer: Encoder | Meter,
    turn: Turn | None,
    box: Box | None = None,
    importance: np.ndarray | None = None,
    effort: Effort | None = None,
) -> np.ndarray:
    """Codes what the networks code of a picture, or of a tile of it.

    Args:
        picture: Mode RGB, or L for a `Model.grey_variant`.
        index: The quality, 0 … 255.
        model: The model.
        writer: What latents are written to.
        turn: How colours are turned; as a rule `colour_axes.choose_turn` of the picture.
        box: The tile in latent positions; by default the whole picture.
        importance: `masking.error_importance` of the picture, if at hand.
        effort: How latents are refined, if at all.

    Returns:
        The decoded latents, as `latents.write_latents` does.
    """
    whole = latent_area(*picture.size)
    box = box or whole
    importance = error_importance(picture, model) if importance is None else importance
    importance = importance[box.within(whole)][..., None]
    if effort:
        coding = effort.code(picture, box, index, model, turn, importance)
        coding.recorder.replay(writer)
        return coding.decoded
    latent, hyper = transforms.analyse_box(picture, box, index, model, turn)
    tradeoff = importance * model.tradeoff[index]
    return latents.write_latents(model, index, latent, hyper, writer, tradeoff)


def cross_entropy(
    image: Source, quality: float = 50.0, *, model: str = "base", threads: int = 0
) -> float:
    """The information content of a picture, as the model's tables have it.

    Args:
        image: As for `encode`.
        quality: 0 … 100.
        model: A shipped model's name, or the path of a model file.
        threads: 0 for every core.

    Returns:
        Bits; a file that is left to the networks exceeds them by header and rounding alone.

    Raises:
        ImageError: The picture cannot be read.
        ModelError: The model cannot be loaded.
        ValueError: The quality is out of its range.

    Examples:
        >>> picture = Image.radial_gradient("L")
        >>> cross_entropy(picture, 10) < cross_entropy(picture, 90)
        True
    """
    index, picture = quality_index(quality), read_source(image).image
    network = _model_for(picture, model, threads)
    meter = Meter(network.tables)
    write_picture(picture, index, network, meter, choose_turn(picture))
    return meter.bits
