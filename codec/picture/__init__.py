"""What people have, to pixels and back: picture files, colour, metadata, transparency."""
