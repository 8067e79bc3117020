"""Writes metamer.1, the manual page, from the command's own help: python packaging/manual.py >
packaging/metamer.1
"""

import inspect

import click

from metamer.cli import RUNTIME, WORKSHOP, main
from metamer.commands.options import sections

EXAMPLES = {
    "metamer encode *.jpg -o small/ -q 40": "Encode photographs into a folder.",
    "metamer encode photo.jpg --bpp 0.3": "The best quality within 0.3 bits a pixel.",
    "metamer decode small/*.mtm": "Decode to PNG, beside each.",
    "cat photo.jpg | metamer encode - | metamer decode - > copy.png": "In a pipe.",
}
EXIT_STATUS = {
    "0": "Done.",
    "1": "Something failed; standard error has a line for each failure. "
    "Other files were still worked on.",
    "2": "The command line is wrong.",
    "3": "With --salvage: a file was damaged. What is whole of it was decoded; "
    "standard error says what is not.",
    "130, 143": "Ended by SIGINT (Ctrl-C) or SIGTERM. "
    "Files are whole or not there, as after any other end.",
}


def escaped(text: str) -> str:
    """Prose for roff: no character of it is a request."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
    return rf"\&{text}" if text.startswith((".", r"\(aq")) else text


def paragraphs(text: str) -> list[str]:
    """A docstring's, one line each, with a request between them."""
    joined = [escaped(" ".join(part.split())) for part in inspect.cleandoc(text).split("\n\n")]
    return ".PP\n".join(f"{part}\n" for part in joined).splitlines()


def tagged(term: str, text: str) -> list[str]:
    return [".TP", rf"\fB{escaped(term)}\fR", escaped(text)]


def options(command: click.Command) -> list[str]:
    """In words of our own: click's differ from version to version."""
    lines = []
    for title, group in sections(command):
        lines += [".PP", rf"\fI{title}\fR"] if title != "Options" else []
        for option in group:
            default = f" Default: {option.default}." if option.show_default else ""
            lines += tagged(", ".join(option.opts) + argument_of(option), f"{option.help}{default}")
    return lines


def argument_of(option: click.Option) -> str:
    if option.is_flag:
        return ""
    numbers = isinstance(option.type, (click.types.IntParamType, click.types.FloatParamType))
    kind = "NUMBER" if numbers else "FILE" if isinstance(option.type, click.Path) else "NAME"
    return f" {option.metavar or kind}"


def page() -> str:
    """The manual page in roff's man macros."""
    root = click.Context(main, info_name="metamer")
    lines = [
        r".\" Made by packaging/manual.py",
        '.TH METAMER 1 "" "Metamer" "User Commands"',
        ".SH NAME",
        r"metamer \- a learned image codec: photographs to small files and back",
        ".SH SYNOPSIS",
        r"\fBmetamer\fR [\fIOPTION\fR]... \fICOMMAND\fR [\fIARGUMENT\fR]...",
        ".SH DESCRIPTION",
        *paragraphs(main.help or ""),
        ".SH OPTIONS",
        *options(main),
        ".SH COMMANDS",
    ]
    for name in RUNTIME:  # the rest is the workshop's, whose own --help says what it does
        command = main.get_command(click.Context(main), name)
        context = click.Context(command, info_name=name, parent=root)
        usage = escaped(" ".join([f"metamer {name}", *command.collect_usage_pieces(context)]))
        lines += [f".SS {usage}", *paragraphs(command.help or ""), *options(command)]
    workshop = ", ".join(WORKSHOP[:-1]) + f" and {WORKSHOP[-1]}"
    lines += [
        ".SS Workshop",
        escaped(
            f"To train, measure and draw there are {workshop}; they need the package's extras, and "
            "their --help describes them."
        ),
    ]
    for title, entries in (("EXIT STATUS", EXIT_STATUS), ("EXAMPLES", EXAMPLES)):
        lines += [
            f".SH {title}",
            *(line for term, text in entries.items() for line in tagged(term, text)),
        ]
    return (
        "\n".join([*lines, ".SH SEE ALSO", r"\fBcwebp\fR(1), \fBavifenc\fR(1), \fBcjxl\fR(1)"])
        + "\n"
    )


if __name__ == "__main__":
    click.echo(page(), nl=False)
