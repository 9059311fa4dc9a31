"""`search`, `health`, `conditions`, `sessions`: the thresholds by which views judge what the database keeps."""

from pydantic import Field, model_validator

from tagger.config.section import Section


class SearchSettings(Section):
    min_score: float = Field(default=0.4, ge=0, le=1)


class HealthSettings(Section):
    pictures: int = Field(default=5, ge=3, le=100)
    black: float = Field(default=0.05, ge=0, le=1)
    blurred: float = Field(default=0.1, ge=0, le=1)
    colourless: float = Field(default=4, ge=0)
    night: float = Field(default=0.4, ge=0, le=1)
    silent_after: float = Field(default=3600, ge=1)
    silent_factor: float = Field(default=1.5, ge=1)


class ConditionSettings(Section):
    night: float = Field(default=0.27, ge=0, le=1)
    infrared: float = Field(default=0.4, ge=0, le=1)
    dark: float = Field(default=0.15, ge=0, le=1)
    blurred: float = Field(default=0.1, ge=0, le=1)
    colourless: float = Field(default=4, ge=0)
    flat: float = Field(default=0.35, ge=0, le=1)
    indoor: float = Field(default=0.4, ge=0, le=1)
    outdoor: float = Field(default=0.6, ge=0, le=1)

    @model_validator(mode="after")
    def _apart(self) -> "ConditionSettings":
        if self.indoor > self.outdoor:
            raise ValueError(
                f"indoor: {self.indoor} is above outdoor, {self.outdoor}: a picture would be both"
            )
        return self


class SessionSettings(Section):
    distance: int = Field(default=14, ge=0, le=64)
    gap: float = Field(default=3600, ge=0)
