"""A browser's tab without a browser: what it sends over the WebSocket may be forged at will."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.web.server.starlette.starlette_app_utils import (
    create_signed_value,
    generate_xsrf_token_string,
)
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

PATIENCE = 20.0
"""Seconds until the server has to have answered."""


def cookie(secret: str, origin: str, claims: dict[str, object]) -> str:
    """The cookie in which Streamlit keeps an identity token, as it makes it itself."""
    said = {**claims, "origin": origin, "is_logged_in": True, "provider": "example"}
    return create_signed_value(secret, "_streamlit_user", json.dumps(said)).decode()


class Tab:
    """One connection. `user` is an identity cookie, `resume` the id of a session to go on with."""

    def __init__(
        self,
        url: str,
        *,
        user: str = "",
        resume: str = "",
        origin: str | None = "",
        headers: list[tuple[str, str]] | None = None,
    ) -> None:
        token = generate_xsrf_token_string()
        cookies = f"_streamlit_xsrf={token}" + (f"; _streamlit_user={user}" if user else "")
        self._opening = connect(
            f"ws://{urlsplit(url).netloc}/_stcore/stream",
            origin=url if origin == "" else origin,  # type: ignore[arg-type]
            additional_headers=[("Cookie", cookies), *(headers or [])],
            subprotocols=[Subprotocol(each) for each in ("streamlit", token, resume) if each],
            max_size=None,
            open_timeout=PATIENCE,
            proxy=None,
        )
        self.session = ""
        self.seen: list[ForwardMsg] = []

    def __enter__(self) -> Self:
        self._connection: ClientConnection = self._opening.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opening.__exit__(kind, error, trace)

    def run(
        self, page: str = "", *, query: str = "", fragment: str = "", widgets: bytes = b""
    ) -> str:
        """Have a script run, and return all that it drew, as text.

        `page` is the name of a page, `query` what follows it in the address, `fragment` the id of
        a part to run alone, `widgets` forged values of widgets as they go over the wire.
        """
        self.send(page, query=query, fragment=fragment, widgets=widgets)
        return self.next()

    def send(
        self, page: str = "", *, query: str = "", fragment: str = "", widgets: bytes = b""
    ) -> None:
        """The same without waiting for anything."""
        asked = BackMsg()
        asked.rerun_script.page_name = page
        asked.rerun_script.query_string = query
        asked.rerun_script.fragment_id = fragment
        asked.rerun_script.is_auto_rerun = bool(fragment)
        asked.rerun_script.widget_states.MergeFromString(widgets)
        self._connection.send(asked.SerializeToString())

    def next(self) -> str:
        """What the next run draws, that nobody here asked for.

        A run that ended early for another, as one does that leads to another page, is not the end:
        the server is still at work.
        """
        self.seen = []
        while True:
            said = ForwardMsg()
            said.ParseFromString(self._connection.recv(timeout=PATIENCE))  # type: ignore[arg-type]
            self.seen.append(said)
            if said.WhichOneof("type") == "new_session":
                self.session = said.new_session.initialize.session_id
            if said.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                self.seen = []
            elif said.WhichOneof("type") == "script_finished":
                return "\n".join(map(str, self.seen))

    @property
    def fragments(self) -> list[str]:
        """The ids of the parts that the last run has repeated by themselves."""
        return [s.auto_rerun.fragment_id for s in self.seen if s.HasField("auto_rerun")]
