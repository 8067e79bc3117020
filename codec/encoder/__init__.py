"""What only an encoder decides, and no decoder need know: forms of tiles, rate, target, effort."""
