"""Each simulated server may take a time of its own to answer."""

from __future__ import annotations

from mohet_keys.simulator.app import World
from mohet_keys.simulator.asgi import Request
from mohet_keys.simulator.servers import SERVERS


def test_a_server_has_its_own_delay_or_that_of_all() -> None:
    """What is said of one server holds for that one."""
    world = World(delay=0.5, delays={"groq": 0.1})
    asked = [Request(SERVERS[name], 0, "GET", "/", "/", "", {}) for name in ("groq", "openai")]
    assert [world.delay_of(each) for each in asked] == [0.1, 0.5]
