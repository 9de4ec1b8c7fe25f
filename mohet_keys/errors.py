"""The error family.

    MohetError                 base, never raised itself; has a code and one plain sentence
    ├── InputError             something typed was refused; names the field
    ├── NotFoundError          no such key, or not yours (the two answer alike)
    ├── DeniedError            this person may not do this, or not any more
    ├── SignedOutError         nobody is signed in, or the sign-in is over
    ├── ConflictError          somebody else changed it first
    ├── LockedError            the stored secret cannot be opened; says why and the way back
    │   └── SealError          one sealed value does not belong where it stands, or was altered
    ├── RefusedError           a rule forbids it; nothing changed
    │   ├── PassphraseError    a file does not open with this passphrase, or was altered
    │   └── RuleError          the team's administrators do not allow it
    │       └── LimitError     as many messages were sent this month as they allow
    ├── StoreError             the store cannot be opened or written
    │   └── MasterKeyError     a master key is malformed, or two of them disagree
    └── TransportError         a request got no whole answer; says what kind of failure

Ordinary outcomes (a key is invalid, a server is down) are values (`model.Diagnosis`), not
exceptions. No message here ever holds a secret: each is built from names, hosts and rules.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

Field = Literal["name", "secret", "endpoint", "model", "passphrase"]


class MohetError(Exception):
    """Base of the family. `str(error)` is one or two plain sentences for a person."""

    code: ClassVar[str] = "error"


class InputError(MohetError):
    """Something typed was refused. `field` says which input it belongs to.

    `also` holds what was refused in the other fields of the same form, so that a person sees
    everything at once.
    """

    code = "input"

    def __init__(self, field: Field, message: str, also: tuple[InputError, ...] = ()) -> None:
        super().__init__(message)
        self.field: Field = field
        self.also = also

    def by_field(self) -> dict[Field, str]:
        """Each refused field with its sentence."""
        return {error.field: str(error) for error in (*self.also, self)}


class NotFoundError(MohetError):
    """No such key, or it belongs to somebody else."""

    code = "not_found"

    def __init__(self) -> None:
        super().__init__("There is no such key. It may have been deleted.")


class DeniedError(MohetError):
    """Whoever asks may not do this. Its one sentence tells nothing of what is behind it."""

    code = "denied"

    def __init__(self, message: str = "You may not use Mohet Keys any more.") -> None:
        super().__init__(message)


class SignedOutError(MohetError):
    """Nobody is signed in, which takes no words, or a sign-in is over, and why."""

    code = "signed_out"


class ConflictError(MohetError):
    """The key was changed by somebody else since it was read."""

    code = "conflict"

    def __init__(self, name: str, changed_by: str, changed_at: datetime) -> None:
        super().__init__(f"“{name}” was changed by {changed_by} in the meantime.")
        self.name = name
        self.changed_by = changed_by
        self.changed_at = changed_at


class LockedError(MohetError):
    """The secret cannot be opened now; the key itself is still there."""

    code = "locked"


class SealError(LockedError):
    """A sealed value was altered, or stands in a row it was not sealed for."""

    code = "sealed_for_another"


class RefusedError(MohetError):
    """A rule forbids this; nothing was changed and nothing was sent."""

    code = "refused"


class PassphraseError(RefusedError):
    """A file does not open: another passphrase sealed it, or it was altered. It cannot be told."""

    code = "passphrase"


class RuleError(RefusedError):
    """A rule of the team's administrators forbids this."""

    code = "rule"


class LimitError(RuleError):
    """No more messages this month. `of` is whose limit it is; it starts anew at `resets_at`."""

    code = "limit"

    def __init__(self, of: Literal["person", "key"], limit: int, resets_at: datetime) -> None:
        whose = "Your monthly limit" if of == "person" else "The monthly limit for this key"
        requests = "request" if limit == 1 else "requests"
        day = f"{resets_at.day} {resets_at:%B}"
        super().__init__(
            f"{whose} of {limit:,} {requests} is reached. It starts anew on {day} (UTC)."
        )
        self.of: Literal["person", "key"] = of
        self.limit = limit
        self.resets_at = resets_at


class StoreError(MohetError):
    """The store cannot be opened, read or written."""

    code = "store"


class MasterKeyError(StoreError):
    """A master key is malformed or two sources disagree. Names source and rule, never the value."""

    code = "master_key"


TransportKind = Literal[
    "dns",
    "refused",
    "timeout",
    "deadline",
    "tls",
    "reset",
    "redirect",
    "encoding",
    "too_large",
    "protocol",
    "blocked",
]


class TransportError(MohetError):
    """No whole answer came back. `kind` says why, `detail` may name a host, never a secret."""

    code = "transport"

    def __init__(self, kind: TransportKind, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind: TransportKind = kind
        self.detail = detail
