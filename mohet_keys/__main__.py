"""`python -m mohet_keys`: the command line."""

from __future__ import annotations

import io
import sys


def _run() -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name is no reason to fail in any encoding
            stream.reconfigure(errors="backslashreplace")
    try:
        from mohet_keys.cli import main  # inside, for Ctrl-C may come while it is being read

        return main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(_run())
