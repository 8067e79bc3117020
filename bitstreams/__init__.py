"""The normative format (FORMAT.md) and the streams that every build must decode alike."""
