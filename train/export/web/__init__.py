"""Files for browsers: what decodes, its decoders and its encoder."""
