"""Model and decoder files, and what they compute: latents, pixels, colour axes."""
