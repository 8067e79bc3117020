"""`metamer serve`."""

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; others can reach only what is not of this machine alone.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8600,
    show_default=True,
    help="0 takes any that is free.",
)
def serve(folder, host, port) -> None:
    """Show the pictures of FOLDER, .mtm files among them, on a page for browsers of this machine.
    Ctrl-C ends it.
    """
    from metamer.serving.server import Server

    with Server(folder, host, port) as server:
        click.echo(server.address)
        server.serve_forever()
