"""A picture on its way to a file."""

from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from metamer.codec import transforms
from metamer.codec.encoder import size_limit
from metamer.codec.encoder.assembly import assemble, assemble_lossless
from metamer.codec.encoder.effort.levels import Effort
from metamer.codec.encoder.masking import error_importance
from metamer.codec.encoder.metric_target import Target, measure_files, smallest_reaching
from metamer.codec.encoder.mode_decision.choice import SURE, choose_form, networks_form
from metamer.codec.encoder.tiled_picture import TiledPicture
from metamer.codec.format import container
from metamer.codec.format.container import Kind, Section
from metamer.codec.grid import Box, latent_area
from metamer.codec.network import latents
from metamer.codec.network.colour_axes import Turn
from metamer.codec.network.model import Model, load_model
from metamer.codec.options import QUALITIES, EncodeOptions
from metamer.codec.picture import vp8l
from metamer.codec.picture.load import Picture, Source, quantise_transparency, read_source
from metamer.codec.stream.sections import extra_sections
from metamer.entropy.coder import Encoder, Meter

# pixels; tiles cost a little rate, a whole picture takes some 160 bytes a pixel
TILED_ABOVE = 4 << 20


def is_tiled(picture: Image.Image) -> bool:
    """Whether a picture is coded in tiles though nobody asks for them: it is large, or has a side
    that no form without the networks can have.
    """
    large = picture.width * picture.height > TILED_ABOVE
    return large or max(picture.size) >= vp8l.MAX_SIDE


@dataclass(frozen=True)
class Encoding:
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
    def of(cls, image: Source, options: EncodeOptions) -> "Encoding":
        original = read_source(
            image,
            icc=options.icc,
            strip=options.metadata == "strip",
            first_frame=options.first_frame,
            max_pixels=options.max_pixels,
        )
        pixels = original.image
        tiled = options.tile or is_tiled(pixels)
        network = model_for(pixels, options.model, options.threads)
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
        return size_limit.largest_within(self.file, refined, limit, self.picture.model.name)

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


def model_for(picture: Image.Image, name: str, threads: int) -> Model:
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
    rdoq_lambda = importance * model.rdoq_lambda[index]
    return latents.write_latents(model, index, latent, hyper, writer, rdoq_lambda)
