"""Start: keys, checks, selections and data keys."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the first tables."""
    _keys()
    _key_indexes()
    _checks()
    _selections()
    _data_keys()


def _keys() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("name_key", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("has_secret", sa.Boolean, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("fingerprint", sa.Text),
        sa.Column("data_key_id", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("looks_like", sa.Text),
        sa.Column("allow_http", sa.Boolean, nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("updated_at", sa.DateTime, nullable=False),
        sa.Column("updated_by", sa.Text, nullable=False),
    )


def _key_indexes() -> None:
    op.create_index("api_key_name", "api_key", ["owner", "provider", "name_key"], unique=True)
    op.create_index("api_key_fingerprint", "api_key", ["owner", "fingerprint"], unique=True)
    op.create_index("api_key_age", "api_key", ["owner", "provider", "created_at", "id"])
    op.create_index("api_key_rank", "api_key", ["owner", "provider", "rank", "name_key", "id"])
    op.create_index("api_key_all_age", "api_key", ["owner", "created_at", "id"])
    op.create_index("api_key_all_name", "api_key", ["owner", "name_key", "id"])
    op.create_index("api_key_all_rank", "api_key", ["owner", "rank", "name_key", "id"])


def _checks() -> None:
    op.create_table(
        "key_check",
        sa.Column(
            "key_id", sa.Text, sa.ForeignKey("api_key.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("explanation", sa.Text, nullable=False),
        sa.Column("remedy", sa.Text, nullable=False),
        sa.Column("retry_after", sa.Float),
        sa.Column("endpoint", sa.Text),
        sa.Column("link", sa.Text),
        sa.Column("http_status", sa.Integer),
        sa.Column("latency_ms", sa.Integer),
        sa.Column("checked_at", sa.DateTime, nullable=False),
        sa.Column("models", sa.Text, nullable=False),
        sa.Column("recommended_model", sa.Text),
        sa.Column("proven_verdict", sa.Text),
        sa.Column("proven_reason", sa.Text),
        sa.Column("proven_at", sa.DateTime),
    )


def _selections() -> None:
    op.create_table(
        "selection",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column(
            "key_id", sa.Text, sa.ForeignKey("api_key.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("model", sa.Text),
        sa.Column("updated_at", sa.DateTime, nullable=False),
    )
    op.create_index("ix_selection_key_id", "selection", ["key_id"])


def _data_keys() -> None:
    op.create_table(
        "data_key",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "data_key_wrap",
        sa.Column("data_key_id", sa.Text, sa.ForeignKey("data_key.id"), primary_key=True),
        sa.Column("master_id", sa.Text, primary_key=True),
        sa.Column("blob", sa.LargeBinary, nullable=False),
    )
