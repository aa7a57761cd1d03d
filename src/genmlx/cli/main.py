"""The command ``genmlx``: one subcommand a file, each with `add_parser` and a function that returns the exit code."""

import argparse
from collections.abc import Sequence

from rich.console import Console

from genmlx import __version__
from genmlx.cli import demo, doctor
from genmlx.numerics.errors import GenMLXError

__all__ = ["main"]

_INTERRUPTED = 130  # what shells report after Ctrl-C


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        argv: the arguments after the program's name; those of the process by default.

    Returns:
        The exit code: 0 when all went well.
    """
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except GenMLXError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="genmlx", description="Probabilistic programming on MLX arrays.")
    parser.add_argument("--version", action="version", version=f"genmlx {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (demo, doctor):
        command.add_parser(commands)
    return parser
