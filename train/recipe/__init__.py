"""Recipes: YAML files that say what to train, checked whole before anything runs."""
