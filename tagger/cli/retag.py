"""`tagger retag`: tags made anew."""

from contextlib import closing

from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import say
from tagger.cli.query import WhichPictures, read_query
from tagger.wording.plural import counted


def retag(
    words: WhichPictures = None,
    config: Config = None,
    database: Database = None,
) -> None:
    """Tag pictures anew, behind all that is new: at once where `tagger run` is running, else at its next start.

    Their tags stay until the new ones are there. After a change of model, crop or categories nobody need ask for it.
    """
    settings = load_settings(config, database)
    from tagger.store.core.database import Database as Store
    from tagger.store.queue import retry
    from tagger.store.search import found

    text, query = read_query(words)
    with closing(Store.open(settings.database, create=False)) as store:
        count = retry.retag(store, found.ids(store, query, text, settings.search.min_score))
    say(f"{counted(count, 'picture')} {'is' if count == 1 else 'are'} tagged anew")
