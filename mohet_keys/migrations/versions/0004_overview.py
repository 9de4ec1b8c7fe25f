"""What every check came to, what was sent each day, and when a key is looked at next."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables; a secret that is here already counts as old as the last change of its key
    that may have brought it."""
    op.add_column("api_key", sa.Column("secret_at", sa.DateTime))
    op.execute(
        "UPDATE api_key SET secret_at = CASE WHEN revision = 1 THEN created_at ELSE updated_at END"
    )
    op.add_column("key_check", sa.Column("credit", sa.Float))
    op.add_column("key_check", sa.Column("expires_at", sa.DateTime))
    op.add_column("process", sa.Column("used_at", sa.DateTime))
    op.create_index("api_key_secret", "api_key", ["owner", "has_secret", "secret_at", "rank", "id"])
    op.create_index("key_check_expires", "key_check", ["expires_at", "key_id", "revision"])
    told = sa.text("action != 'watch'")
    op.create_index(
        "event_told", "event", ["owner", "id"], sqlite_where=told, postgresql_where=told
    )
    _history()
    _use()
    op.create_table(
        "watch",
        _key_id(primary_key=True),
        sa.Column("next_at", sa.DateTime, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
    )


def _key_id(*, primary_key: bool) -> sa.Column[str]:
    reference = sa.ForeignKey("api_key.id", ondelete="CASCADE")
    return sa.Column("key_id", sa.Text, reference, primary_key=primary_key, nullable=False)


def _history() -> None:
    op.create_table(
        "check_history",
        sa.Column("id", _NUMBER, sa.Identity(), primary_key=True),
        _key_id(primary_key=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("latency_ms", sa.Integer),
        sqlite_autoincrement=True,
    )
    op.create_index("check_history_key", "check_history", ["key_id", "id"])
    op.create_index("check_history_at", "check_history", ["at"])
    op.create_table(
        "check_hour",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("hour", sa.DateTime, primary_key=True),
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("verdict", sa.Text, primary_key=True),
        sa.Column("checks", _NUMBER, nullable=False),
        sa.Column("timed", _NUMBER, nullable=False),
        sa.Column("latency_ms", _NUMBER, nullable=False),
    )


def _use() -> None:
    op.create_table(
        "daily_use",
        _key_id(primary_key=True),
        sa.Column("day", sa.Text, primary_key=True),
        sa.Column("requests", _NUMBER, nullable=False),
        sa.Column("errors", _NUMBER, nullable=False),
        sa.Column("tokens_in", _NUMBER, nullable=False),
        sa.Column("tokens_out", _NUMBER, nullable=False),
        sa.Column("last_at", sa.DateTime, nullable=False),
    )
    op.create_index("daily_use_day", "daily_use", ["day"])


def downgrade() -> None:
    """Only for the test that makes a store of the earlier version."""
    for table in ("watch", "daily_use", "check_hour", "check_history"):
        op.drop_table(table)
    op.drop_index("event_told", "event")
    op.drop_index("api_key_secret", "api_key")
    op.drop_index("key_check_expires", "key_check")
    op.drop_column("process", "used_at")
    op.drop_column("key_check", "expires_at")
    op.drop_column("key_check", "credit")
    op.drop_column("api_key", "secret_at")
