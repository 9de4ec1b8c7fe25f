"""Breaks the sealing of secrets in this process, with the words of FAULT_WORDS.

Python imports this by itself where its folder is on PYTHONPATH, before anything of the program.
"""

from __future__ import annotations

import os
from typing import NoReturn

from mohet_keys.vault import Vault


def _broken(*_given: object) -> NoReturn:
    raise RuntimeError(os.environ["FAULT_WORDS"])


Vault.seal = _broken  # type: ignore[method-assign]
