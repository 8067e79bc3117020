"""The parts of the reference that are made from code: commands, the Python interface, recipes.

A page says where one goes with a line such as `<!-- generated: runtime commands -->`.
"""

import importlib
import re
from collections.abc import Iterable, Iterator

import click
from manual import argument_of

from metamer.cli import RUNTIME, WORKSHOP, main
from metamer.commands.options import sections
from metamer.train.recipe import reference

MARK = re.compile(r"^<!-- generated: (.+) -->$", re.MULTILINE)
INTERFACES = {
    "interface": "metamer",
    "perception": "metamer.perception",
    "train": "metamer.train",
}


def filled(markdown: str) -> str:
    """A page with its marks replaced."""
    return MARK.sub(lambda match: "\n\n".join(generated(match[1])), markdown)


def generated(what: str) -> Iterator[str]:
    """The paragraphs that a mark stands for."""
    if what in INTERFACES:
        package = INTERFACES[what]
        return (f"::: {package}.{name}" for name in importlib.import_module(package).__all__)
    if what == "recipes":
        return iter((reference.markdown(),))
    names = {"runtime commands": RUNTIME, "workshop commands": WORKSHOP}[what]
    return (part for name in names for part in command_parts(name, main, "metamer"))


def command_parts(name: str, group: click.Group, above: str) -> Iterator[str]:
    """A command's heading, usage, description and options, and those of its subcommands."""
    command = group.get_command(click.Context(group), name)
    called = f"{above} {name}"
    context = click.Context(command, info_name=name)
    yield f"{'#' * (1 + len(called.split()))} {called}"
    yield f"```\n{' '.join([called, *command.collect_usage_pieces(context)])}\n```"
    yield cleaned(command.help or "")
    for title, options in sections(command):
        yield f"**{title}**"
        yield table(("option", "what it does"), map(option_row, options))
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            yield from command_parts(below, command, called)


def option_row(option: click.Option) -> tuple[str, str]:
    names = ", ".join(option.opts + option.secondary_opts)
    default = f" Default: `{option.default}`." if option.show_default else ""
    return f"`{names}{argument_of(option)}`", cleaned(option.help or "") + default


def cleaned(text: str) -> str:
    """Help as Markdown: paragraphs, and no character that starts markup."""
    joined = "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))
    parts = re.split("(`+[^`]+`+)", joined)  # code, at odd places, stays as it is
    parts[::2] = [re.sub(r"([*_<\[])", r"\\\1", part) for part in parts[::2]]
    return "".join(parts)


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(c.replace("|", r"\|") for c in line) + " |" for line in lines
    )
