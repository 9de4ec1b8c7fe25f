"""A browser's tab without a browser: what it sends over the WebSocket may be forged at will."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
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
    """One connection. `user` is an identity cookie, `resume` the id of a session to go on with.

    `way` is how to get there otherwise than straight: what `websockets` takes for TLS and sockets.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str = "",
        resume: str = "",
        origin: str | None = "",
        headers: list[tuple[str, str]] | None = None,
        cookies: str = "",
        way: Mapping[str, Any] | None = None,
    ) -> None:
        token = generate_xsrf_token_string()
        named = {"_streamlit_xsrf": token, "_streamlit_user": user}
        cookies = "; ".join(
            [*(f"{k}={v}" for k, v in named.items() if v), *filter(None, [cookies])]
        )
        address = urlsplit(url)
        self._opening = connect(
            f"{'wss' if address.scheme == 'https' else 'ws'}://{address.netloc}/_stcore/stream",
            origin=url if origin == "" else origin,  # type: ignore[arg-type]
            additional_headers=[("Cookie", cookies), *(headers or [])],
            subprotocols=[Subprotocol(each) for each in ("streamlit", token, resume) if each],
            max_size=None,
            max_queue=None,  # what nobody reads holds up no goodbye
            open_timeout=PATIENCE,
            proxy=None,
            **(way or {}),
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

    def press(self, key: str, page: str = "", *, wait: bool = True, **typed: str) -> str:
        """Press a button that was drawn last, with texts in fields beside it, and return all that
        is drawn then; nothing without waiting. Buttons and fields go by the end of their keys."""
        states = WidgetStates()
        states.widgets.append(WidgetState(id=self.widget(key), trigger_value=True))
        for field, text in typed.items():
            states.widgets.append(WidgetState(id=self.widget(f".{field}"), string_value=text))
        self.send(page, widgets=states.SerializeToString())
        return self.next() if wait else ""

    def widget(self, key: str) -> str:
        """The id of a widget that was drawn last, by the end of its key."""
        drawn = "\n".join(map(str, self.seen))
        found = re.search(rf'"(\$\$ID-[0-9a-f]+-[^"]*{re.escape(key)})"', drawn)
        assert found, f"nothing was drawn with {key}"
        return found[1]

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

    def cookie(self, name: str) -> str:
        """What the answer to the connection set; empty when nothing."""
        response = self._connection.response
        told = response.headers.get_all("Set-Cookie") if response else []
        values = (line.removeprefix(f"{name}=") for line in told if line.startswith(f"{name}="))
        return next((value.partition(";")[0] for value in values), "")

    @property
    def fragments(self) -> list[str]:
        """The ids of the parts that the last run has repeated by themselves."""
        return [s.auto_rerun.fragment_id for s in self.seen if s.HasField("auto_rerun")]
