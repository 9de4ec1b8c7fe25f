"""`python -m mohet_keys.simulator [--port N] [--delay S]`: the six providers until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from mohet_keys.simulator.behaviours import BEHAVIOURS
from mohet_keys.simulator.server import Simulator
from mohet_keys.simulator.servers import SERVERS


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve six AI providers on this machine, for tests and the demo."""
    parser = argparse.ArgumentParser(prog="mohet_keys.simulator", description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--pace", type=float, default=0.0, help="seconds between words of a chat")
    asked = parser.parse_args(arguments)
    try:
        simulator = Simulator(asked.port, delay=asked.delay, host=asked.host)
        simulator.world.pace = asked.pace
        with simulator:
            sys.stdout.write(_told(simulator))
            sys.stdout.flush()
            _until_interrupted()
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _told(simulator: Simulator) -> str:
    lines = [f"{name:16} {simulator.endpoint(name)}" for name in SERVERS]
    lines += ["", "The secret chooses the behaviour, for example gsk_sim-revoked-0123456789:"]
    lines += [f"  {word:12} {meaning}" for word, meaning in BEHAVIOURS.items()]
    return "\n".join(lines) + "\n"


def _until_interrupted() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    sys.exit(main())
