"""`POST /predict`: what the model says of pictures that are not in any folder. Nothing is stored."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Request

from tagger.records import Failed, Tagged
from tagger.records import Tag as Read
from tagger.search.conditions import conditions_of
from tagger.vision.certainty import certainty_of
from tagger.web.api import answers
from tagger.web.api.answers import Language, Prediction, Result
from tagger.web.api.uploads import Upload, uploads
from tagger.web.context import AppContext
from tagger.web.problems import READS_ONLY, RESPONSES, ProblemError

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "image": {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                    "required": ["image"],
                }
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"image": {"type": "string", "description": "base64, or a list of such"}},
                    "required": ["image"],
                }
            },
            "image/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


def router(house: AppContext) -> APIRouter:
    routes, speech = APIRouter(responses=RESPONSES), Speech(house)

    @routes.post("/api/v1/predict", include_in_schema=False)
    @routes.post("/predict", openapi_extra=_BODY)
    async def predict(
        request: Request,
        top_k: Annotated[int | None, Query(ge=1, le=100)] = None,
        min_score: Annotated[float, Query(ge=0, le=1)] = 0,
        lang: Language = "en",
    ) -> Prediction:
        """The labels of one or more pictures. One that cannot be read fails alone."""
        if house.desk is None or house.model is None:
            raise ProblemError(503, READS_ONLY)
        pictures = await uploads(request)
        waiting = [asyncio.wrap_future(house.desk.ask(one.data, top_k or house.top_k)) for one in pictures]
        outcomes = await asyncio.gather(*waiting)
        model = answers.Model(name=house.model.name, version=house.model.weights_sha256)
        results = [
            speech.result(picture, outcome, min_score, lang)
            for picture, outcome in zip(pictures, outcomes, strict=True)
        ]
        return Prediction(model=model, results=results)

    return routes


class Speech:
    """Readings in the API's words."""

    def __init__(self, house: AppContext) -> None:
        self._limits = house.conditions
        self._categories = {one.key: one for one in house.taxonomy.categories}
        self._of_label = _categories_by_label(house.taxonomy.members)
        self._taxonomy, self._min_score = house.taxonomy, house.min_score

    def result(self, picture: Upload, outcome: Tagged | Failed, least: float, lang: Language) -> Result:
        if isinstance(outcome, Failed):
            return Result(file=picture.name, tags=[], error=outcome.reason)
        health, reading = outcome.facts.health, outcome.reading
        sure = certainty_of(reading, self._taxonomy, self._min_score)
        categories = {key: self._category(key, score, lang) for key, score in reading.categories}
        return Result(
            file=picture.name,
            tags=[self._tag(one, lang) for one in reading.tags if one.score >= least],
            categories=list(categories.values()),
            health=answers.Health.model_validate(health) if health else None,
            is_sure=sure.is_sure,
            instead=categories[sure.category] if sure.category else None,
            conditions=list(conditions_of(outcome.facts, reading.outdoor, self._limits)),
        )

    def _tag(self, tag: Read, lang: Language) -> answers.Tag:
        label = tag.label
        keys = self._of_label.get(label.key, ())
        names = [self._name(self._categories[key].name, self._categories[key].name_zh, lang) for key in keys]
        name = self._name(label.name, label.name_zh, lang)
        return answers.Tag(label=label.name, name=name, score=tag.score, key=label.key, categories=names)

    def _category(self, key: str, score: float, lang: Language) -> answers.Category:
        one = self._categories[key]
        return answers.Category(
            category=one.name, name=self._name(one.name, one.name_zh, lang), score=score, key=key
        )

    @staticmethod
    def _name(name: str, name_zh: str, lang: Language) -> str:
        return name_zh or name if lang == "zh" else name


def _categories_by_label(members: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for category, labels in members.items():
        for label in labels:
            found.setdefault(label, []).append(category)
    return found
