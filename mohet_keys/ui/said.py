"""What Streamlit was told of the visitor: by a signed cookie, or in the headers of a proxy.

It was told when the tab connected, and is not told anew: whether it still counts is in the store.
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from mohet_keys.entrance import Entrance, Mode
from mohet_keys.errors import RefusedError
from mohet_keys.identity import Identity, from_claims, from_header
from mohet_keys.ui import clock


def identity(entrance: Entrance) -> Identity | None:
    """Who the visitor is; None for nobody. Raises RefusedError for whoever may not come in."""
    user = st.user.to_dict()
    if entrance.mode is Mode.HEADER:
        return _of_proxy(user, entrance)
    if user.get("is_logged_in") is not True:
        return None
    return from_claims(user, entrance.rules, clock.now())


def _of_proxy(user: Mapping[str, object], entrance: Entrance) -> Identity | None:
    if not user.get("email"):
        return None
    for header in entrance.headers or {}:
        # Streamlit takes the first, which a proxy that adds its own leaves to the visitor.
        if len(st.context.headers.get_all(header)) > 1:
            raise RefusedError(f"{header} came twice. The proxy has to replace it.")
    return from_header(user, entrance.rules)
