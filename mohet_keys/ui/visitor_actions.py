"""What the buttons about the visitor do."""

from __future__ import annotations

import streamlit as st

from mohet_keys.errors import RefusedError, StoreError
from mohet_keys.ui import resources, said
from mohet_keys.ui.state import Said, ui
from mohet_keys.ui.text import escape


def sign_out() -> None:
    """End the sign-in everywhere, then have the browser forget it.

    In this order: while the store cannot take it, the cookie would go on counting elsewhere.
    """
    try:
        identity = said.identity(resources.entrance())
        if identity is not None:
            resources.parts().visitors.leave(identity)
    except RefusedError:
        pass  # whoever was never let in has nothing to end
    except StoreError as error:
        ui().said.append(Said("error", escape(str(error))))
        return
    st.logout()
