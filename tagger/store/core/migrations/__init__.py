"""From any older version to the newest, in the caller's transaction.

Migrations change tables; views and planner statistics follow from the newest tables and are made anew.
"""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from tagger.store.core.statistics import describe
from tagger.store.core.views import create_views, drop_views


def upgrade(connection: Connection) -> None:
    """Migrate the tables, and make views and statistics for them."""
    config = Config()
    config.set_main_option("script_location", "tagger.store.core:migrations")
    config.attributes["connection"] = connection
    drop_views(connection)
    command.upgrade(config, "head")
    create_views(connection)
    describe(connection)
