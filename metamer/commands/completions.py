"""`metamer completions`."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completions(shell: str) -> None:
    """Print what completes this command in SHELL.

    For bash: metamer completions bash > ~/.local/share/bash-completion/completions/metamer. For
    zsh: into a file _metamer in a folder of $fpath. For fish: >
    ~/.config/fish/completions/metamer.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(
        kind(
            click.get_current_context().find_root().command, {}, "metamer", "_METAMER_COMPLETE"
        ).source()
    )
