"""What a newcomer already has is found on this machine, quickly, and nothing of it is sent."""

from __future__ import annotations

import asyncio
import time

import pytest

from mohet_keys import discovery
from mohet_keys.discovery import LocalServer, Variable, local_servers, value_of, variables
from mohet_keys.http import Outbound
from mohet_keys.simulator.server import Simulator
from tests.leaks import canary
from tests.sink import deaf_port, port_of_nobody
from tests.waiting import BUSY


def look(**candidates: tuple[str, ...]) -> list[LocalServer]:
    """Look for servers at these base URLs."""
    return asyncio.run(local_servers(Outbound(), candidates=candidates))


def test_servers_that_run_are_found() -> None:
    """LMStudio and Ollama are found where they answer, each once."""
    with Simulator() as simulator:
        here = {name: simulator.endpoint(name) for name in ("lmstudio", "ollama")}
        nobody = f"http://127.0.0.1:{port_of_nobody()}/v1"
        found = look(lmstudio=(nobody, here["lmstudio"]), ollama=(here["ollama"], here["ollama"]))
    assert found == [LocalServer(name, here[name]) for name in ("lmstudio", "ollama")]


def test_a_server_that_wants_a_token_is_found_too() -> None:
    """It is there; that it needs a key is for the check to say."""
    with Simulator() as simulator:
        assert look(lmstudio=(simulator.endpoint("lmstudio-auth"),)) != []


def test_t41_no_secret_and_no_cloud_is_asked() -> None:
    """Only this machine is asked, without any key."""
    with Simulator() as simulator:
        look(lmstudio=(simulator.endpoint("lmstudio"),), ollama=(simulator.endpoint("ollama"),))
        assert len(simulator.requests) == 2
        assert all("authorization" not in request.headers for request in simulator.requests)


def test_another_server_at_the_port_is_no_find() -> None:
    """A web page at the port is no server for models."""
    with Simulator() as simulator:
        simulator.world.forced["ollama"] = "html"
        assert look(ollama=(simulator.endpoint("ollama"),)) == []


def test_silence_takes_two_seconds_at_most() -> None:
    """Ports that neither answer nor refuse are given up together."""
    with deaf_port() as port:
        deaf = f"http://127.0.0.1:{port}/v1"
        began = time.monotonic()
        assert look(lmstudio=(deaf, deaf, deaf), ollama=(deaf, deaf)) == []
    assert time.monotonic() - began < discovery.PATIENCE + BUSY


def test_a_container_asks_its_host_as_well() -> None:
    """In a container localhost is the container, so the host is tried by its name."""
    assert discovery._usual(container=True)["ollama"] == (
        "http://localhost:11434/v1",
        "http://host.docker.internal:11434/v1",
    )
    assert discovery._usual(container=False)["lmstudio"] == ("http://localhost:1234/v1",)


@pytest.mark.parametrize(
    "name",
    ["OPENAI_API_KEY", "GROQ_API_KEY", "OPENROUTER_API_KEY", "MISTRAL_API_KEY", "OLLAMA_API_KEY"],
)
def test_variables_are_named_and_not_shown(name: str) -> None:
    """A key in the environment is found by its name; its value is given only when asked for."""
    secret = canary("sk-")
    (found,) = variables({name: secret, "PATH": "/bin"})
    assert found == Variable(name.removesuffix("_API_KEY").lower(), name)
    assert secret not in repr(found)
    held = value_of(found, {name: secret})
    assert secret not in repr(held)
    assert held.get_secret_value() == secret


def test_empty_variables_are_none() -> None:
    """A variable that is set to nothing offers nothing."""
    assert variables({"OPENAI_API_KEY": "  ", "GROQ_API_KEY": ""}) == []
