"""`python -m mohet_keys.simulator [--port N] [--delay S]`: the six providers until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
import time

from mohet_keys.simulator.app import ROOTS
from mohet_keys.simulator.behaviours import BEHAVIOURS
from mohet_keys.simulator.server import Simulator


def main() -> None:
    """Serve on loopback and say what is where."""
    parser = argparse.ArgumentParser(prog="mohet_keys.simulator", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    asked = parser.parse_args()
    with Simulator(asked.port, delay=asked.delay) as running:
        lines = [f"{server:14} {running.endpoint(server)}" for server in ROOTS]
        lines += ["", "Secrets choose the behaviour, for example gsk_sim-revoked-0123456789:"]
        lines += [f"{word:14} {meaning}" for word, meaning in BEHAVIOURS.items()]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return


main()
