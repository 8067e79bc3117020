"""Model files: the zip file, the arrays in it, and what it must hold."""
