"""A PerceptNet that a sweep trained, and how far apart images lie in each of its layers."""

import zlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from metamer.codec.errors import FileError
from metamer.perception.distances.perceptnet import (
    LAYERS,
    Decoder,
    Encoder,
    build_network,
    tensors_below,
)

PLAIN = "reconstruction"
# features in units of their deviations over photographs, or as the network has them
READOUTS = ("standard", "raw")


class TrainedPoint(nn.Module):
    """One trained encoder and decoder; `Panel` takes it for a sweep over layers.

    layers: the encoder's, then the decoder's, as ``decoder v1`` and so on; its last one is the
    reconstruction. Without ``decoders`` only points that were trained for reconstruction have the
    latter. labels: every layer in every readout.
    """

    def __init__(self, path: Path, decoders: bool = True):
        super().__init__()
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
        except (OSError, SafetensorError) as problem:
            raise FileError(f"{path} cannot be read: {problem}") from None
        self.objective, self.strength = (
            metadata.get("objective", PLAIN),
            float(metadata.get("strength", 0)),
        )
        self.initialisation, self.seed = (
            metadata.get("initialisation", "original"),
            int(metadata.get("seed", 0)),
        )
        self.mark = f"{zlib.crc32(path.read_bytes()):08x}"
        self.encoder = build_network(Encoder, tensors_below(tensors, "encoder"), str(path))
        self.decoder = (
            build_network(Decoder, tensors_below(tensors, "decoder"), str(path))
            if decoders or self.objective == PLAIN
            else None
        )
        self.stages = {
            **self.encoder,
            **{f"decoder {name}": stage for name, stage in (self.decoder or {}).items()},
        }
        self.layers = list(self.stages)
        self.labels = [layer_label(layer, readout) for layer in self.layers for readout in READOUTS]
        self.to(memory_format=torch.channels_last)

    def space(self, image: Tensor) -> list[Tensor]:
        """Features of every layer, in their order."""
        encoded = self.encoder(image.contiguous(memory_format=torch.channels_last))
        decoded = self.decoder(encoded[LAYERS[-1]], image.shape[-2:]) if self.decoder else {}
        return [*encoded.values(), *decoded.values()]

    def between(self, reference: list[Tensor], image: list[Tensor]) -> dict[str, float]:
        """Label → root mean squared difference, for one image each."""
        values = []
        for first, second, stage in zip(reference, image, self.stages.values(), strict=True):
            squares = (first - second).square().mean((0, 2, 3))
            values += [(squares / stage.deviation.square()).mean().sqrt(), squares.mean().sqrt()]
        return dict(zip(self.labels, torch.stack(values).tolist(), strict=True))


def layer_label(layer: str, readout: str) -> str:
    """What a layer's distances in a readout are called."""
    return f"{layer}, {readout}"


END = {readout: layer_label(LAYERS[-1], readout) for readout in READOUTS}  # the encoder's, V1
