"""What the tests need to know of the shipped model `base`, whichever that is."""

from metamer.codec.network import decoders, model

ID = model.load_model("base").id.hex()  # what its conformance streams' names begin with
DECODERS = {
    decoder.name: decoder.slider
    for decoder in decoders.shipped_decoders()
    if decoder.decodes.hex() == ID
}
PLAIN = [name for name, slider in DECODERS.items() if not slider]  # those of one realism

PHOTOGRAPH, TILED, DAMAGED = f"{ID}-landscape-184x104-q45", f"{ID}-tiles-1072x24-q50", "damaged"
BLOCKS, RESIDUAL, MIXED = (
    f"{ID}-drawn-blocks-200x90-q50",
    f"{ID}-drawn-residual-56x40-q90",
    f"{ID}-drawn-tiles-1072x96-q50",
)
LOSSLESS, LOSSLESS_ALPHA = "00000000-lossless-tiles-1072x20", "00000000-lossless-alpha-72x40"
LOSSLESS_GREY = "00000000-lossless-grey-33x17"
ALPHA, FLAT, GREY, CROP = (
    f"{ID}-alpha-72x40-q40",
    f"{ID}-flat-48x80-q50",
    f"{ID}-grey-64x64-q20",
    f"{ID}-crop-64x64-q50",
)
