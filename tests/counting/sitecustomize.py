"""Writes down every statement that this process sends to a database, and the thread it is from.

Python imports this by itself where its folder is on PYTHONPATH, before anything of the program.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from sqlalchemy import Engine, event

_book = os.open(os.environ["STATEMENTS_BOOK"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


@event.listens_for(Engine, "before_cursor_execute")
def _note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
    line = f"{threading.current_thread().name}\t{' '.join(statement.split())[:200]}\n"
    os.write(_book, line.encode())
