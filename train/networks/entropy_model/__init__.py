"""The probability model of the latents, and what stands for rounding."""
