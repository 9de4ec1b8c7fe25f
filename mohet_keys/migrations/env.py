"""What Alembic runs: the steps, on the connection and in the transaction it was handed."""

from alembic import context

from mohet_keys.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
)
context.run_migrations()
