"""When something was last sent through each key."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the column, and fill it from the days of use that are kept."""
    op.add_column("api_key", sa.Column("used_at", sa.DateTime))
    op.execute(
        "UPDATE api_key SET used_at = "
        "(SELECT max(last_at) FROM daily_use WHERE daily_use.key_id = api_key.id)"
    )
    op.create_index("api_key_used", "api_key", ["owner", "used_at", "created_at"])


def downgrade() -> None:
    """Only for the test that makes a store of the earlier version."""
    op.drop_index("api_key_used", "api_key")
    op.drop_column("api_key", "used_at")
