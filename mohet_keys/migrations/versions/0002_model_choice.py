"""The model that each owner chose for a key."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "model_choice",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column(
            "key_id", sa.Text, sa.ForeignKey("api_key.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("updated_at", sa.DateTime, nullable=False),
    )


def downgrade() -> None:
    """Only for the test that makes a store of the earlier version."""
    op.drop_table("model_choice")
