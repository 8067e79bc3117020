"""What ships of a trained run: a model file, a decoder file, files for browsers."""
