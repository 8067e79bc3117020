"""The `metamer` command. What a command needs is imported when it is called.

Exit status: 0 done, 1 something failed (each failure is a line on stderr), 2 the command line is
wrong, 3 a damaged file was salvaged in part, 130 and 143 ended by SIGINT (Ctrl-C) and SIGTERM.
"""

import importlib
import signal
import sys

import click

from metamer.codec.errors import MetamerError
from metamer.codec.system import terminal
from metamer.messages import explain, is_input_fault, say

INTERRUPTED, TERMINATED = 128 + 2, 128 + 15  # as shells give it

RUNTIME = ("encode", "decode", "info", "serve", "completions")
WORKSHOP = (
    "complexity",
    "data",
    "evaluate",
    "export",
    "metrics",
    "plot",
    "report",
    "study",
    "sweep",
    "toy",
    "train",
    "weights",
)


class Commands(click.Group):
    """Turns errors that are the input's fault into one line and exit status 1; `--debug` shows
    where they arose.
    """

    def list_commands(self, context: click.Context) -> list[str]:
        return [*RUNTIME, *WORKSHOP]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in (*RUNTIME, *WORKSHOP):
            return None
        return getattr(importlib.import_module(f"metamer.commands.{name}"), name)

    def invoke(self, context: click.Context) -> object:
        terminal.occupy_standard_streams()
        # so that what cleans up does
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
        try:
            return super().invoke(context)
        except BrokenPipeError:
            raise  # click ends quietly when nobody reads on
        except KeyboardInterrupt:
            click.echo("metamer: interrupted", err=True)
            context.exit(INTERRUPTED)
        except (MetamerError, MemoryError, ImportError, OSError, ValueError) as problem:
            if context.params.get("debug") or not is_input_fault(problem):
                raise
            say(f"metamer: {explain(problem)}")
            context.exit(1)
        finally:
            signal.signal(signal.SIGTERM, before)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show a traceback when something fails.")
@click.version_option(package_name="metamer-codec")
def main(debug: bool) -> None:
    """Metamer: photographs to small files and back."""


if __name__ == "__main__":
    main()
