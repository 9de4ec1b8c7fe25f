"""The stage of the demo: a store that is thrown away, and providers on this machine alone."""

from __future__ import annotations

import atexit
import shutil
import socket
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from mohet_keys import demo_store, wiring
from mohet_keys.demo_keys import CAST, CHOSEN, PACES, ROUTES, SWITCHED_OFF
from mohet_keys.demo_way import DemoOutbound
from mohet_keys.errors import StoreError
from mohet_keys.settings import Settings
from mohet_keys.simulator.server import Simulator
from mohet_keys.watches import Next
from mohet_keys.wiring import Parts

REVOKED_AFTER = 90.0
"""Seconds after the first visit until the provider takes back the key that is chatted with."""
PACE = 0.035
"""Seconds between two words of a reply."""


class Stage:
    """The folder and the simulator of one demo. Raises OSError when there is no room for it."""

    def __init__(self, settings: Settings, revoked_after: float = REVOKED_AFTER) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mohet-demo-"))
        atexit.register(self.end)
        self.settings = _settings(settings, self.folder)
        self.simulator = Simulator()
        self._nobody = socket.socket()
        self._turn = threading.Lock()
        self._timer: threading.Timer | None = None
        self._revoked_after = revoked_after

    def begin(self) -> DemoParts:
        """Open the store, and write the past into it."""
        self.simulator.start()
        self._nobody.bind(("127.0.0.1", 0))  # and does not listen: a machine that is switched off
        routes = {
            origin: f"{self.simulator.origin()}/{server}" for origin, server in ROUTES.items()
        }
        port = self._nobody.getsockname()[1]
        outbound = DemoOutbound(routes | {SWITCHED_OFF: f"http://127.0.0.1:{port}"})
        parts = wiring.build(self.settings, outbound=outbound)
        now = datetime.now(UTC).replace(microsecond=0)
        ids = demo_store.fill(parts, self.settings.store_url, now)
        self.simulator.world.requests.clear()
        self.simulator.world.delays |= PACES
        self.simulator.world.pace = PACE
        wired = {each.name: getattr(parts, each.name) for each in fields(Parts)}
        return DemoParts(**wired, stage=self, chosen=ids[CHOSEN])

    def draw_curtain(self, parts: Parts, key_id: str) -> None:
        """Have the chosen key revoked in a while. Only the first call counts."""
        with self._turn:
            if self._timer is None:
                self._timer = threading.Timer(self._revoked_after, self._revoke, [parts, key_id])
                self._timer.daemon = True
                self._timer.start()

    def _revoke(self, parts: Parts, key_id: str) -> None:
        """The provider forgets the key, and whoever watches the keys looks at it next."""
        chosen = next(cast for cast in CAST if (cast.provider, cast.name) == CHOSEN)
        self.simulator.revoke(chosen.secret)
        with suppress(StoreError):  # then the watcher comes when it would have come anyway
            parts.repository.watches.put([Next(key_id, datetime.now(UTC))])

    def end(self) -> None:
        """Stop the providers and delete the folder. May be called again."""
        with self._turn:
            if self._timer is not None:
                self._timer.cancel()
            self.simulator.stop()
            self._nobody.close()
            shutil.rmtree(self.folder, ignore_errors=True)
            atexit.unregister(self.end)


@dataclass(frozen=True, slots=True)
class DemoParts(Parts):
    """The product on the stage. Closing it ends the demo."""

    stage: Stage
    chosen: str
    """The id of the key that is chatted with at first."""

    def visited(self) -> None:
        """Say that somebody watches; what is to be seen then begins."""
        self.stage.draw_curtain(self, self.chosen)

    def close(self) -> None:
        """Let go of the store, and delete it."""
        Parts.close(self)
        self.stage.end()


def begin(settings: Settings, revoked_after: float = REVOKED_AFTER) -> DemoParts:
    """A demo of its own; `revoked_after` is in seconds. Raises StoreError, OSError."""
    stage = Stage(settings, revoked_after)
    try:
        return stage.begin()
    except BaseException:
        stage.end()
        raise


def _settings(settings: Settings, folder: Path) -> Settings:
    """What the demo is started with: of the environment it heeds whether secrets may be shown.

    Everything is named here, so that no variable says where a store or a master key is.
    """
    usual = {
        name: field.get_default(call_default_factory=True)
        for name, field in Settings.model_fields.items()
    }
    own = {"data_dir": folder / "data", "config_dir": folder / "config", "demo": True}
    return Settings(**usual | own | {"allow_reveal": settings.allow_reveal})
