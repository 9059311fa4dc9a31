"""Alembic runs this file; `upgrade` hands it an open connection, and there is no other way in."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
