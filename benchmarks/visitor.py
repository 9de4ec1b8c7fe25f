"""A visitor without a browser: runs a Streamlit script the way a session does, and times it.

What counts is the time from the start of the script run to its end, on its thread. Parsing what
was drawn, sending it and Streamlit's own tidying up come after that and are the same for all.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamlit import runtime
from streamlit.proto.ClientState_pb2 import ContextInfo
from streamlit.proto.Delta_pb2 import Delta
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.runtime.fragment import MemoryFragmentStorage
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import RerunData, ScriptRunner, ScriptRunnerEvent
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.runtime.state import SessionState


@dataclass(slots=True)
class Run:
    """One script run: seconds on the clock, seconds of processor, and what was drawn."""

    wall: float = 0.0
    cpu: float = 0.0
    drawn: list[ForwardMsg] = field(default_factory=list)

    def deltas(self) -> list[tuple[tuple[int, ...], Delta]]:
        """What was drawn, each with its place on the page."""
        return [(tuple(m.metadata.delta_path), m.delta) for m in self.drawn if m.HasField("delta")]


class Visitor:
    """One session at a script. The first visit names the page; what follows are reruns of it."""

    def __init__(self, script: Path, page: str, query: str = "") -> None:
        _have_a_runtime(script)
        self._script = str(script)
        self._query = query
        self._page = page
        self._hash = ""
        self._state = SessionState()
        self._cache = ScriptCache()
        self._fragments = MemoryFragmentStorage()
        self._pages = PagesManager(self._script, self._cache)
        self._loop = asyncio.new_event_loop()

    def run(self) -> Run:
        """Run the script from top to bottom. Raises RuntimeError when it draws an exception."""
        runner = ScriptRunner(
            session_id="benchmark",
            main_script_path=self._script,
            session_state=self._state,
            uploaded_file_mgr=MemoryUploadedFileManager("/uploads"),
            script_cache=self._cache,
            initial_rerun_data=self._request(),
            user_info={"email": None},
            fragment_storage=self._fragments,
            pages_manager=self._pages,
            event_loop=self._loop,
        )
        run = Run()
        runner.on_event.connect(_stopwatch(run), weak=False)
        runner.start()
        if runner._script_thread:  # there is no other way to wait for the end
            runner._script_thread.join()
        self._hash = self._pages.current_page_script_hash
        _refuse_exceptions(run)
        return run

    def close(self) -> None:
        """End the session."""
        self._loop.close()

    def _request(self) -> RerunData:
        return RerunData(
            query_string=self._query,
            widget_states=WidgetStates(),
            page_script_hash=self._hash,
            page_name="" if self._hash else self._page,
            context_info=ContextInfo(timezone="Europe/Berlin", locale="de-DE"),
        )


def _stopwatch(run: Run) -> Any:
    """A listener that is called on the script's own thread, so that its thread time counts."""

    def heard(_sender: object, event: ScriptRunnerEvent, **about: Any) -> None:
        if event is ScriptRunnerEvent.ENQUEUE_FORWARD_MSG:
            run.drawn.append(about["forward_msg"])
        elif event is ScriptRunnerEvent.SCRIPT_STARTED:
            run.wall, run.cpu = time.perf_counter(), time.thread_time()
            run.drawn.clear()
        elif event is ScriptRunnerEvent.SCRIPT_STOPPED_WITH_SUCCESS:
            run.wall, run.cpu = time.perf_counter() - run.wall, time.thread_time() - run.cpu

    return heard


def _have_a_runtime(script: Path) -> None:
    """Streamlit's own runtime, which scripts refer to; it is never started."""
    if not runtime.exists():
        files = MemoryMediaFileStorage("/media"), MemoryUploadedFileManager("/uploads")
        runtime.Runtime(runtime.RuntimeConfig(str(script), *files))


def _refuse_exceptions(run: Run) -> None:
    for _, delta in run.deltas():
        if delta.new_element.HasField("exception"):
            raise RuntimeError(f"The page failed: {delta.new_element.exception.message}")
