"""Writes down every call and every look-up of a name that this process makes.

Python imports this by itself where its folder is on PYTHONPATH, before anything of the program.
"""

from __future__ import annotations

import json
import os
import sys

_NOTED = {
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
}
"""The events that tell of the network, and which argument says where to."""
_book = os.open(os.environ["CENSUS_BOOK"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def _note(event: str, args: tuple[object, ...]) -> None:
    if event in _NOTED:
        os.write(_book, f"{json.dumps([event, args[_NOTED[event]]], default=repr)}\n".encode())


sys.addaudithook(_note)
