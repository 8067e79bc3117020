"""The parts of a `.mtm` file: tiles, overlays, sections; what is whole of a damaged one."""
