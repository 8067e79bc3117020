"""Visibility, trained on a labelled set that a teacher judges."""
