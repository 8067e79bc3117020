"""Tables in Markdown, for commands that print them and for pages of results."""

from collections.abc import Iterable, Sequence


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table of cells that are text already.

    >>> print(markdown_table(["codec", "bpp"], [["base", "0.3"]]))
    | codec | bpp |
    | --- | --- |
    | base | 0.3 |
    """
    return "\n".join(
        "| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows)
    )


def interval_text(value: float, low: float, high: float) -> str:
    """A value with its interval.

    >>> interval_text(0.8531, 0.8312, 0.8749)
    '0.853 [0.83, 0.87]'
    """
    return f"{value:.3f} [{low:.2f}, {high:.2f}]"
