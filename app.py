"""The server: Streamlit's app around the shell, with a health check and security headers.

Start it with `streamlit run app.py`.
"""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import Route

from mohet_keys.ui import memory

with memory.loading():
    from mohet_keys.ui import access, downloads, resources, unforeseen
    from mohet_keys.ui.server import (
        SecurityHeaders,
        at_the_door,
        healthz,
        icon,
        lifespan,
        readyz,
    )

unforeseen.keep_quiet()
access.keep_log()
only_near = at_the_door()
app = st.App(
    Path(__file__).parent / "mohet_keys" / "ui" / "shell.py",
    lifespan=lifespan,
    routes=[
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/favicon.png", icon),  # its type says that it is an SVG
        Route(f"{downloads.PLACE}{{token}}", downloads.serve),
    ],
    middleware=[
        Middleware(access.Requests, behind_proxy=resources.has_team()),
        Middleware(SecurityHeaders),
        *only_near,
    ],
    on_script_error=unforeseen.say,
)
