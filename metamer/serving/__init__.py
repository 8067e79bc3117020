"""A local page over a folder of `.mtm` files and pictures."""
