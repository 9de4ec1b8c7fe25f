"""What happened to keys, replaced secrets that can come back, and who runs and may do what."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_KEPT = {"event": "id", "event_outcome": "event_id"}


def upgrade() -> None:
    """Make the tables, and see to it that what happened is only ever added to."""
    _events()
    _former_secrets()
    _processes()
    if op.get_bind().dialect.name == "sqlite":
        for table, key in _KEPT.items():
            _refuse(table, "update", "UPDATE")
            _refuse(table, "delete", "DELETE")
            # REPLACE takes a row away without a DELETE that a trigger would hear of.
            there = f"EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})"  # noqa: S608  # ours
            _refuse(table, "replace", "INSERT", f"WHEN {there} ")


def _refuse(table: str, what: str, verb: str, when: str = "") -> None:
    op.execute(
        f"CREATE TRIGGER {table}_no_{what} BEFORE {verb} ON {table} {when}"
        "BEGIN SELECT RAISE(ABORT, 'what happened is only added to'); END"
    )


def _events() -> None:
    op.create_table(
        "event",
        sa.Column("id", _NUMBER, sa.Identity(), primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text),
        sa.Column("key_name", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("event_owner", "event", ["owner", "id"])
    op.create_index("event_key", "event", ["key_id", "id"])
    op.create_table(
        "event_outcome",
        sa.Column("event_id", _NUMBER, sa.ForeignKey("event.id"), primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )


def _former_secrets() -> None:
    op.create_table(
        "former_secret",
        sa.Column(
            "key_id", sa.Text, sa.ForeignKey("api_key.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("data_key_id", sa.Text, nullable=False),
        sa.Column("undo_until", sa.DateTime, nullable=False),
    )


def _processes() -> None:
    op.create_table(
        "lease",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("until", sa.DateTime, nullable=False),
    )
    op.create_table(
        "process",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("masters", sa.Text, nullable=False),
        sa.Column("started_at", sa.DateTime, nullable=False),
        sa.Column("seen_at", sa.DateTime, nullable=False),
    )


def downgrade() -> None:
    """Only for the test that makes a store of the earlier version."""
    for table in ("process", "lease", "former_secret", "event_outcome", "event"):
        op.drop_table(table)
