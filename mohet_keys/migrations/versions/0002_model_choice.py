"""The model each owner chose: remembered for each key, not only for the selected one."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table and carry over what was chosen for the selected keys."""
    op.create_table(
        "model_choice",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column(
            "key_id", sa.Text, sa.ForeignKey("api_key.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("listed", sa.Boolean, nullable=False),
        sa.Column("updated_at", sa.DateTime, nullable=False),
    )
    op.execute(
        "INSERT INTO model_choice (owner, key_id, model, listed, updated_at) "
        "SELECT owner, key_id, model, false, updated_at FROM selection WHERE model IS NOT NULL"
    )
    op.drop_column("selection", "model")


def downgrade() -> None:
    """Only for the test that makes a store of the earlier version."""
    op.add_column("selection", sa.Column("model", sa.Text))
    op.drop_table("model_choice")
