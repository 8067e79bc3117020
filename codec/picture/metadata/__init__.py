"""EXIF and XMP, read from picture files and kept true of an upright picture."""
