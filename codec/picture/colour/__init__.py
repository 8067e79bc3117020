"""Colour profiles, and everything to sRGB."""
