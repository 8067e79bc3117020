"""Networks that can be trained: Metamer's own, from pixels to bits."""
