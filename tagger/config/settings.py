"""What a run depends on, frozen. Every default lives in this class and its sections, and nowhere else."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from tagger.config import defaults
from tagger.config.folders import data_home
from tagger.config.heads import Heads, NoneSettings
from tagger.config.section import AbsolutePath, Auto, Section, absolute, without_nul
from tagger.config.sources import Source, named, refuse_repeats
from tagger.config.tagging import BatchSettings, DecodeSettings, EngineSettings, LimitSettings, ModelSettings
from tagger.config.views import ConditionSettings, HealthSettings, SearchSettings, SessionSettings
from tagger.config.web import WebSettings


def _database(value: str, info: ValidationInfo) -> str:
    return without_nul(value) if "://" in value else str(absolute(value, info))


class Settings(Section):
    """Everything a run depends on. Raises pydantic's ValidationError; `load` turns it into words."""

    database: Annotated[str, AfterValidator(_database)] = Field(
        default_factory=lambda: str(data_home() / "tags.db")
    )
    sources: Annotated[tuple[Source, ...], Field(strict=False)] = ()
    model: ModelSettings = ModelSettings()
    categories: AbsolutePath | None = None
    search: SearchSettings = SearchSettings()
    thresholds: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default={})
    keep_old_models: bool = False
    features: bool = True
    heads: Heads = ()
    none: NoneSettings = NoneSettings()
    engine: EngineSettings = EngineSettings()
    decode: DecodeSettings = DecodeSettings()
    batch: BatchSettings = BatchSettings()
    limits: LimitSettings = LimitSettings()
    health: HealthSettings = HealthSettings()
    conditions: ConditionSettings = ConditionSettings()
    sessions: SessionSettings = SessionSettings()
    web: WebSettings = WebSettings()
    rescan: float = Field(default=300, ge=1, le=86400 * 7)
    poll: float = Field(default=10, ge=1, le=86400)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Auto | Literal["text", "json"] = "auto"
    _pinned: tuple[defaults.Pinned, ...] = PrivateAttr(())

    @property
    def pinned(self) -> tuple[defaults.Pinned, ...]:
        """Keys that were written out with a default of an earlier release."""
        return self._pinned

    @field_validator("sources")
    @classmethod
    def _distinct(cls, sources: tuple[Source, ...]) -> tuple[Source, ...]:
        refuse_repeats(sources)
        return tuple(named(sources))

    @model_validator(mode="after")
    def _heads_have_features(self) -> "Settings":
        if not self.features and any(map(self.heads_of, self.sources)):
            raise ValueError("heads: label pictures by their features: leave out `features: false`")
        return self

    def every_head(self) -> tuple[str, ...]:
        """Return the heads that label any pictures, in the order of their names."""
        return tuple(sorted({*self.heads, *(name for one in self.sources for name in self.heads_of(one))}))

    def heads_of(self, source: Source) -> tuple[str, ...]:
        """Return the heads that label a source's pictures: its own, where it names any, or none; else those of all sources."""
        return self.heads if source.heads is None else source.heads

    def labelled_by(self, head: str) -> tuple[Source, ...]:
        """Return the sources whose pictures a head labels; all of them where none names it yet."""
        return tuple(one for one in self.sources if head in self.heads_of(one)) or self.sources

    def with_names(self, known: Mapping[str, str]) -> "Settings":
        """Return the same, with the names that a database knows: `known` is its sources' roots → names.

        A source that the user did not name keeps the name its folder has there, and takes no other's.
        """
        nameless = [source if source.named_by_user else source.called("") for source in self.sources]
        return self.model_copy(update={"sources": tuple(named(nameless, known.values(), known))})

    def with_pinned(self, found: tuple[defaults.Pinned, ...]) -> "Settings":
        """Return the same, knowing which keys were written out with an old default."""
        # Of weights in a file, nothing but model.name tells the architecture, so that it must be written out.
        needed = {"model.name"} if self.model.weights != "auto" else set()
        same = self.model_copy()
        same._pinned = tuple(one for one in found if one.key not in needed)
        return same
