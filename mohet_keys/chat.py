"""The chat: streams a reply through a saved key, to a coroutine or to a thread."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mohet_keys import background
from mohet_keys.changes import Unheard, Waits
from mohet_keys.chat_keys import ChatKey, KeySource
from mohet_keys.http import Outbound
from mohet_keys.incoming import Limits
from mohet_keys.model import ChatEvent, Delta, Ended, Message, Note, Usage
from mohet_keys.running import Running

if TYPE_CHECKING:
    from mohet_keys.talk import Talk

__all__ = ["ChatEvent", "ChatService", "Delta", "Ended", "Message", "Note", "Running", "Usage"]

WATCH_EVERY = 5.0
"""Seconds between two looks at whether the key is still there, when nobody tells of a change."""


class ChatService:
    """Talks to models through saved keys. Holds nothing of a conversation, and no key.

    `changes` tells when to look after the key of a reply that comes in, and `watch_every` how many
    seconds later at the latest; `limits` replaces those that each provider gets.
    """

    def __init__(
        self,
        keys: KeySource,
        outbound: Outbound,
        *,
        changes: Waits | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        watch_every: float = WATCH_EVERY,
        limits: Limits | None = None,
    ) -> None:
        self._keys = keys
        self._outbound = outbound
        self._changes = changes or Unheard()
        self._clock = clock
        self._monotonic = monotonic
        self._watch_every = watch_every
        self._limits = limits

    def stream(
        self, key_id: str, *, owner: str, messages: Sequence[Message], model: str
    ) -> AsyncGenerator[ChatEvent, None]:
        """The reply as it comes; the last event is an Ended, whatever happens.

        Closing the generator, or cancelling whoever reads it, closes the connection.
        """
        return self._talk(key_id, owner, messages, model).events()

    def start(self, key_id: str, *, owner: str, messages: Sequence[Message], model: str) -> Running:
        """The same on the background loop, for a thread to read: use it in a `with` block."""
        return Running(self._talk(key_id, owner, messages, model), background.shared())

    def _talk(self, key_id: str, owner: str, messages: Sequence[Message], model: str) -> Talk:
        # With it comes all that is known of answers, which no page needs to be drawn.
        from mohet_keys.talk import Talk

        return Talk(
            ChatKey(self._keys, key_id, owner, self._clock, self._changes, self._watch_every),
            self._outbound,
            tuple(messages),
            model,
            clock=self._clock,
            monotonic=self._monotonic,
            limits=self._limits,
        )
