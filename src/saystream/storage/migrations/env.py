"""Run by Alembic inside ``database.migrate``, which opened the transaction and passes its connection."""

from alembic import context

from saystream.storage.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
