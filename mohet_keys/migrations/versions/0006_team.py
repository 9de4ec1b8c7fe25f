"""The people who sign in, and keys that they share: each stands on its owner's shelf or the team's.

What is here already is private to its owner, who typed every secret.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_LISTS = {
    "api_key_name": ("provider", "name_key"),
    "api_key_age": ("provider", "created_at", "id"),
    "api_key_rank": ("provider", "rank", "name_key", "id"),
    "api_key_all_age": ("created_at", "id"),
    "api_key_all_name": ("name_key", "id"),
    "api_key_all_rank": ("rank", "name_key", "id"),
    "api_key_secret": ("has_secret", "secret_at", "rank", "id"),
    "api_key_used": ("used_at", "created_at"),
}
"""The indexes of lists, without the column that each begins with."""


def upgrade() -> None:
    """Make the tables and the columns; an empty one would be nobody's, so none stays empty."""
    for table, column in (
        ("api_key", "shelf"),
        ("api_key", "typed_by"),
        ("former_secret", "typed_by"),
    ):
        op.add_column(table, sa.Column(column, sa.Text, nullable=False, server_default=""))
    op.execute("UPDATE api_key SET shelf = owner, typed_by = owner")
    op.execute(
        "UPDATE former_secret SET typed_by = "
        "(SELECT owner FROM api_key WHERE api_key.id = former_secret.key_id)"
    )
    _index_by("shelf")
    op.execute("ALTER TABLE check_hour RENAME COLUMN owner TO shelf")
    op.create_index("event_actor", "event", ["actor", "id"])
    op.create_table(
        "person",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("named", sa.Boolean, nullable=False),
        sa.Column("first_seen", sa.DateTime, nullable=False),
        sa.Column("last_seen", sa.DateTime, nullable=False),
    )
    op.create_table(
        "notice",
        sa.Column("id", _NUMBER, sa.Identity(), primary_key=True),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("notice_person", "notice", ["person", "id"])
    _rules()


def _rules() -> None:
    op.create_table(
        "rule",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("providers", sa.Text),
        sa.Column("hosts", sa.Text, nullable=False),
        sa.Column("only_these_hosts", sa.Boolean, nullable=False),
        sa.Column("private_keys", sa.Boolean, nullable=False),
        sa.Column("person_limit", sa.Integer),
        sa.Column("key_limit", sa.Integer),
    )
    op.create_table(
        "person_use",
        sa.Column("person", sa.Text, primary_key=True),
        sa.Column("day", sa.Text, primary_key=True),
        sa.Column("key_id", sa.Text, primary_key=True),
        sa.Column("requests", _NUMBER, nullable=False),
        sa.Column("errors", _NUMBER, nullable=False),
        sa.Column("tokens_in", _NUMBER, nullable=False),
        sa.Column("tokens_out", _NUMBER, nullable=False),
    )
    op.create_index("person_use_key", "person_use", ["key_id", "day"])
    op.create_index("person_use_day", "person_use", ["day"])


def _index_by(column: str) -> None:
    """Make the indexes of lists anew, so that each begins with this column."""
    for name, rest in _LISTS.items():
        op.drop_index(name, "api_key")
        op.create_index(name, "api_key", [column, *rest], unique=name == "api_key_name")


def downgrade() -> None:
    """Only for the test that makes a store of the earlier version."""
    op.drop_table("person_use")
    op.drop_table("rule")
    op.drop_table("notice")
    op.drop_table("person")
    op.drop_index("event_actor", "event")
    op.execute("ALTER TABLE check_hour RENAME COLUMN shelf TO owner")
    _index_by("owner")
    op.drop_column("former_secret", "typed_by")
    op.drop_column("api_key", "typed_by")
    op.drop_column("api_key", "shelf")
