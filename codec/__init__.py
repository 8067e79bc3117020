"""The runtime: photographs to files and back. `metamer` has its functions."""
