"""Integers to bits and back: quantised tables, coding order, range coder."""
