"""Analysis and synthesis: a lapped transform, and residual networks on top."""
