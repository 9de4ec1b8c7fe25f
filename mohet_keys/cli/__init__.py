"""The command line: `main` runs one command."""

from mohet_keys.cli.program import main

__all__ = ["main"]
