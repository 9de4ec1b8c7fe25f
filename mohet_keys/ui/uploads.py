"""Files that a visitor hands in: read once, and gone from the server's memory at once.

Streamlit keeps what was uploaded until the session ends, in the widget's value and beside it. A
`.env` file is full of secrets, so it is taken out of both.
"""

from __future__ import annotations

from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from mohet_keys.ui.state import take_out


def take(widget: str) -> tuple[str, bytes] | None:
    """Name and content of the file in an uploader, which is empty then; None without a file.

    Only in a callback. The uploader needs a new widget key to be drawn empty.
    """
    file = take_out(widget)
    if not isinstance(file, UploadedFile):
        return None
    content = file.getvalue()
    _forget(file)
    return file.name, content


def _forget(file: UploadedFile) -> None:
    context = get_script_run_ctx()
    kept = context.uploaded_file_mgr if context else None
    if context and isinstance(kept, MemoryUploadedFileManager):
        kept.remove_file(context.session_id, file.file_id)
    file.seek(0)
    file.truncate()
