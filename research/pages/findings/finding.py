"""A finding of a paper, and what can become of it."""

REPRODUCED, NOT, OPEN = "**reproduced**", "**not reproduced**", "cannot tell"
HEADER = ("paper", "finding", "verdict", "figure", "seeds", "command")

Finding = tuple[str, str, str, str, str, str]
