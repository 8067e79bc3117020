"""One training step: what it draws, what it minimises, what it tells of qualities."""
