"""The commands on the master key: how it stands, another one in its place, the old one retired."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mohet_keys.cli import output
from mohet_keys.cli.base import Done, Json, app, opened

if TYPE_CHECKING:
    from mohet_keys.leases import Running
    from mohet_keys.masterkey_status import DataKeySeen, MasterSeen, Status
    from mohet_keys.resealing import Resealed
    from mohet_keys.rotation import Retired, Rotated

commands = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=False,
    help="Look at the master key, move on to another one, retire the old one.",
)
app.add_typer(commands, name="master-key")

_STOLEN = (
    "Whoever has the old keys may know these secrets. Make new ones at their providers, and put "
    "them in with replace:"
)
_BACKUPS = (
    "Backups that were made before open with the old master key only: keep it, apart from them."
)


@commands.command("status")
def status(json: Json = False) -> Done:
    """Show which master key there is, what it opens, which apps have it, and what to do next."""
    with opened() as parts:
        found = parts.rotation.status()
    return Done(output.document(_status_object(found)) if json else "\n".join(_status(found)))


@commands.command("rotate")
def rotate(
    new_data_key: Annotated[
        bool,
        typer.Option(
            "--new-data-key", help="After a theft: also seal every secret anew, with a new key."
        ),
    ] = False,
    json: Json = False,
) -> Done:
    """Have everything open with the new master key too, while people work.

    Set the new one as MOHET_MASTER_KEY or MOHET_MASTER_KEY_FILE and the old one as
    MOHET_MASTER_KEY_PREVIOUS or MOHET_MASTER_KEY_PREVIOUS_FILE; where the key is a generated one,
    this makes the new one itself.
    """
    with opened() as parts:
        rotated = parts.rotation.rotate(new_data_key=new_data_key)
        found = parts.rotation.status()
    if json:
        return Done(output.document(_rotated_object(rotated, found)))
    return Done("\n".join([*_rotated(rotated), *_resealed(rotated.resealed), _next(found)]))


@commands.command("retire")
def retire(json: Json = False) -> Done:
    """Have everything open with the present master key alone."""
    with opened() as parts:
        retired = parts.rotation.retire()
    if json:
        return Done(output.document(_retired_object(retired)))
    return Done("\n".join(_retired(retired)))


# --- in words -----------------------------------------------------------------------------------


def _status(found: Status) -> list[str]:
    rows = [
        ("Master key", _named(found.present) if found.present else "none"),
        *([("Before it", _named(found.previous))] if found.previous else []),
        *([("Not in place yet", _named(found.waiting))] if found.waiting else []),
    ]
    lines = [output.aligned(rows)]
    if found.data_keys:
        lines += ["", output.aligned([_data_key(key) for key in found.data_keys])]
    if found.apps:
        present = found.present.id if found.present else ""
        lines += ["", output.aligned([_app(each, present) for each in found.apps])]
    return [*lines, "", _next(found)]


def _named(master: MasterSeen) -> str:
    return f"{master.id}, from {output.printable(master.source)}"


def _data_key(key: DataKeySeen) -> tuple[str, ...]:
    role = "recognises secrets" if key.purpose == "fingerprint" else "opens what it sealed"
    opened = {True: "", False: " (damaged)", None: " (not at hand)"}
    under = " and ".join(f"{name}{opened[opens]}" for name, opens in key.opens.items())
    return (
        f"Data key {output.printable(key.id)}",
        "seals now" if key.seals else role,
        "" if key.purpose == "fingerprint" else output.counted(key.secrets, "secret"),
        f"under {output.printable(under) or 'no master key'}",
    )


def _app(running: Running, present: str) -> tuple[str, ...]:
    from mohet_keys.leases import shown_process

    knows = "has the present master key" if present in running.masters else "has it not"
    since = f"since {running.started_at:%Y-%m-%d %H:%M} UTC"
    return f"App: {output.printable(shown_process(running.id))}", since, knows


def _next(found: Status) -> str:
    return output.one_line(found.next[1])


def _rotated(rotated: Rotated) -> list[str]:
    if rotated.is_new:
        return [f"Everything opens with a new master key now: {_named(rotated.present)}."]
    since = "now" if rotated.added else "already"
    return [f"Everything opens {since} with master key {_named(rotated.present)}."]


def _resealed(resealed: Resealed | None) -> list[str]:
    if resealed is None:
        return []
    seals = f"A new data key, {resealed.data_key}, seals from now on."
    if resealed.went_on:
        seals = f"Data key {resealed.data_key} seals now, as an earlier run began it."
    count = output.counted(resealed.done, "secret")
    lines = [
        seals,
        f"{count} sealed anew, {len(resealed.left)} left that cannot be opened.",
        *(f"  {output.one_line(f'{name}: {why}')}" for name, why in resealed.left.items()),
        *(f"Data key {gone} is deleted." for gone in resealed.gone),
    ]
    if resealed.known:
        lines += [_STOLEN, *(f"  {output.printable(name)}" for name in resealed.known)]
    return lines


def _retired(retired: Retired) -> list[str]:
    if not retired.gone:
        return [f"Everything opens already with this alone: {_named(retired.present)}."]
    gone = " and ".join(map(output.printable, retired.gone))
    lines = [
        f"Master key {gone} is retired.",
        f"Everything opens now with this alone: {_named(retired.present)}.",
    ]
    where = f" It lies in {output.printable(str(retired.kept))}." if retired.kept else ""
    return [*lines, f"{_BACKUPS}{where}"]


# --- as JSON ------------------------------------------------------------------------------------


def _status_object(found: Status) -> dict[str, object]:
    step, words = found.next
    present = found.present.id if found.present else ""
    return {
        "master_key": _master_object(found.present),
        "previous": _master_object(found.previous),
        "waiting": _master_object(found.waiting),
        "locked": found.closed,
        "data_keys": [
            {
                "id": key.id,
                "purpose": key.purpose,
                "seals_now": key.seals,
                "secrets": key.secrets,
                "opens_with": dict(key.opens),
            }
            for key in found.data_keys
        ],
        "apps": [
            {
                "id": app.id,
                "started_at": output.moment(app.started_at),
                "seen_at": output.moment(app.seen_at),
                "master_keys": list(app.masters),
                "has_present": present in app.masters,
            }
            for app in found.apps
        ],
        "rotation": found.rotation
        and {"holder": found.rotation.holder, "until": output.moment(found.rotation.until)},
        "resealing_unfinished": found.is_resealing,
        "next": step,
        "advice": words,
    }


def _master_object(master: MasterSeen | None) -> dict[str, str] | None:
    return {"id": master.id, "source": master.source} if master else None


def _rotated_object(rotated: Rotated, found: Status) -> dict[str, object]:
    resealed = rotated.resealed
    step, words = found.next
    return {
        "master_key": _master_object(rotated.present),
        "data_keys_added": rotated.added,
        "is_new": rotated.is_new,
        "resealed": resealed
        and {
            "data_key": resealed.data_key,
            "went_on": resealed.went_on,
            "secrets": resealed.done,
            "left": [{"key": name, "why": why} for name, why in resealed.left.items()],
            "deleted_data_keys": resealed.gone,
            "replace_at_providers": resealed.known,
        },
        "next": step,
        "advice": words,
    }


def _retired_object(retired: Retired) -> dict[str, object]:
    return {
        "master_key": _master_object(retired.present),
        "retired": retired.gone,
        "kept": str(retired.kept) if retired.kept else None,
    }
