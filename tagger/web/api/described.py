"""A stored picture is described in the API's words."""

from tagger.store.core import pathtext
from tagger.store.search.pictures import FoundPicture, HeadScored, Scored
from tagger.web.api.answers import (
    CategoryAnswer,
    HeadTagAnswer,
    HealthAnswer,
    Image,
    Language,
    TagAnswer,
    name_in,
)


def described(picture: FoundPicture, lang: Language) -> Image:
    """Return the picture with the names of its tags in that language."""
    fields = {name: getattr(picture, name) for name in Image.model_fields}
    fields |= {"path": pathtext.to_text(picture.path)}
    fields |= {"conditions": list(picture.conditions)}
    fields |= {"tags": [_tag(one, lang) for one in picture.tags]}
    fields |= {"categories": [_category(one, lang) for one in picture.categories]}
    fields |= {"heads": [_head_tag(one, lang) for one in picture.heads]}
    fields |= {"health": HealthAnswer.model_validate(picture.health) if picture.health else None}
    return Image(**fields)


def _tag(one: Scored, lang: Language) -> TagAnswer:
    return TagAnswer(label=one.name, name=name_in(lang, one), score=one.score, key=one.key, by=one.by)


def _head_tag(one: HeadScored, lang: Language) -> HeadTagAnswer:
    name = one.name_zh or one.label if lang == "zh" else one.label
    return HeadTagAnswer(
        head=one.head, label=one.label, name=name, score=one.score, key=one.key, by=one.by, state=one.state
    )


def _category(one: Scored, lang: Language) -> CategoryAnswer:
    return CategoryAnswer(category=one.name, name=name_in(lang, one), score=one.score, key=one.key)
