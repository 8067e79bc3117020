"""What the command says on standard error."""

import click

from metamer.codec.errors import MetamerError
from metamer.codec.system import terminal
from metamer.perception.install_hints import advice


def is_input_fault(problem: Exception) -> bool:
    """Whether an error tells of the input rather than of a mistake here: of all ValueErrors, those
    of `perception` alone.
    """
    if not isinstance(problem, ValueError) or isinstance(problem, MetamerError):
        return True
    from metamer.perception.errors import PerceptionError

    return isinstance(problem, PerceptionError)


def explain(problem: Exception) -> str:
    """One line for a person."""
    if isinstance(problem, MemoryError):
        return "not enough memory"
    if isinstance(problem, ModuleNotFoundError) and problem.name:
        return f"this needs the package {problem.name}: {advice(problem.name)}"
    return " ".join(str(problem).split())


def say(line: str) -> None:
    """A line on standard error, without what a terminal would obey."""
    click.echo(terminal.printable(line), err=True)
