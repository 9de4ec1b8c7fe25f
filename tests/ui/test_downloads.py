"""Files at an address that works once, for a minute, and never for anybody who guesses."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from starlette.requests import Request
from starlette.responses import Response

from mohet_keys.ui import downloads
from mohet_keys.ui.downloads import DOWNLOADS, PLACE, Downloads

CONTENT = b"Who,What\r\n"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The seconds it shows."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Standing still."""
    return Clock()


@pytest.fixture
def files(clock: Clock) -> Downloads:
    """No file waits yet."""
    return Downloads(most=3, most_bytes=100, monotonic=clock)


def offered(files: Downloads, content: bytes = CONTENT) -> str:
    """The token of a file that waits."""
    return files.offer(content, "activity.csv", "text/csv").removeprefix(PLACE)


def test_a_file_is_taken_once(files: Downloads) -> None:
    """Whoever comes second finds nothing."""
    token = offered(files)
    file = files.take(token)
    assert file is not None
    assert (file.content, file.name, file.kind) == (CONTENT, "activity.csv", "text/csv")
    assert files.take(token) is None
    assert not files.is_open(PLACE + token)


def test_only_one_of_many_gets_it(files: Downloads) -> None:
    """Eight who ask at the same moment: one has it."""
    token = offered(files)
    start = threading.Barrier(8)
    got: list[bool] = []

    def take() -> None:
        start.wait()
        got.append(files.take(token) is not None)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False] * 7 + [True]


def test_a_file_waits_for_a_minute(files: Downloads, clock: Clock) -> None:
    """At 59 seconds it is there, at 60 it is gone for good."""
    token = offered(files)
    clock.now += 59
    assert files.is_open(PLACE + token)
    clock.now += 1
    assert not files.is_open(PLACE + token)
    assert files.take(token) is None


def test_what_nobody_takes_leaves_the_memory() -> None:
    """Without anybody asking again a file is let go of, also one that came a little later."""
    files = Downloads(open_for=0.1)
    offered(files)
    time.sleep(0.05)
    offered(files)
    deadline = time.monotonic() + 5
    while files._waiting and time.monotonic() < deadline:
        time.sleep(0.01)
    assert files._waiting == {}


def test_an_address_cannot_be_guessed(files: Downloads) -> None:
    """256 random bits, another address for each file, and no other way to it."""
    tokens = {offered(files) for _ in range(50)}
    assert len(tokens) == 50
    assert {len(token) for token in tokens} == {43}
    token = offered(files)
    for wrong in ("", token[:-1], token.lower(), f"{token}=", f"{token}/", "*", "%", "\x00"):
        assert files.take(wrong) is None
    assert files.take(token) is not None


def test_the_oldest_goes_first(files: Downloads) -> None:
    """More files than may wait, or larger ones, push out those that wait longest."""
    tokens = [offered(files) for _ in range(4)]
    assert [files.is_open(PLACE + token) for token in tokens] == [False, True, True, True]
    large = offered(files, b"x" * 95)
    assert [files.is_open(PLACE + token) for token in [*tokens, large]] == [False] * 4 + [True]


def test_what_is_too_large_is_not_offered(files: Downloads) -> None:
    """And pushes nothing out."""
    token = offered(files)
    with pytest.raises(ValueError, match="size or name"):
        offered(files, b"x" * 101)
    assert files.is_open(PLACE + token)


@pytest.mark.parametrize("name", ["", "../x.csv", 'a"b.csv', "a\r\nX: y.csv", "a b.csv", "é.csv"])
def test_a_name_that_could_break_out_is_refused(files: Downloads, name: str) -> None:
    """A name goes into a header, so it has letters, digits, dots and dashes alone."""
    with pytest.raises(ValueError, match="size or name"):
        files.offer(CONTENT, name, "text/csv")


def test_no_repr_has_the_content(files: Downloads) -> None:
    """What waits is in no log that has the objects."""
    waiting = files.take(offered(files, b"Zanzibar"))
    assert "Zanzibar" not in repr(waiting)


# --- the route --------------------------------------------------------------------------------


def answered(token: str, method: str = "GET") -> Response:
    """What the route answers."""
    scope = {"type": "http", "method": method, "path_params": {"token": token}, "headers": []}
    return asyncio.run(downloads.serve(Request(scope)))


def test_the_route_gives_a_file_to_be_saved() -> None:
    """It is saved under its name, shown by no page, and kept by no cache."""
    token = offered(DOWNLOADS)
    answer = answered(token)
    assert (answer.status_code, answer.body) == (200, CONTENT)
    assert answer.headers["content-disposition"] == 'attachment; filename="activity.csv"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"


def test_gone_and_never_there_are_answered_alike() -> None:
    """Used, unknown and malformed: the same 404 with the same words."""
    token = offered(DOWNLOADS)
    answered(token)
    answers = [answered(wrong) for wrong in (token, "x" * 43, "", "../healthz")]
    assert {(a.status_code, bytes(a.body), str(a.headers)) for a in answers} == {
        (404, bytes(answers[0].body), str(answers[0].headers))
    }
    assert answers[0].headers["cache-control"] == "no-store"


def test_a_look_at_the_head_takes_nothing() -> None:
    """A program that only looks ahead leaves the file to who clicked."""
    token = offered(DOWNLOADS)
    assert answered(token, "HEAD").status_code == 404
    assert answered(token).status_code == 200
