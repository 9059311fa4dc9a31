"""`model`, `engine`, `decode`, `batch`, `limits`: what tags pictures, and at what cost."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from tagger.config.section import Auto, Section, absolute


class ModelSettings(Section):
    name: str = "auto"
    weights: str = "auto"
    top_k: int = Field(default=5, ge=1, le=100)

    @field_validator("weights")
    @classmethod
    def _weights(cls, value: str, info: ValidationInfo) -> str:
        return value if value == "auto" else str(absolute(value, info))

    @model_validator(mode="after")
    def _own_weights_are_of_something(self) -> "ModelSettings":
        if self.weights != "auto" and self.name in ("auto", "builtin"):
            raise ValueError(
                f"weights: names a file, so model.name must name its architecture, such as resnet18; it is {self.name}"
            )
        return self


class EngineSettings(Section):
    backend: Literal["auto", "openvino", "onnx", "torch", "fake"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = "auto"


class DecodeSettings(Section):
    mode: Literal["exact", "fast"] = "fast"
    threads: Auto | Annotated[int, Field(ge=1, le=256)] = "auto"
    max_pixels: int = Field(default=100_000_000, ge=1)
    max_bytes: int = Field(default=256 * 1024 * 1024, ge=1)
    max_frames: int = Field(default=10_000, ge=1)
    max_memory: int = Field(default=750_000_000, ge=1)
    deadline: float = Field(default=60, ge=1, le=3600)

    @model_validator(mode="before")
    @classmethod
    def _from_mode(cls, value: Any) -> Any:
        return {"mode": value} if isinstance(value, str) else value


class BatchSettings(Section):
    max_size: Auto | Annotated[int, Field(ge=1, le=1024)] = "auto"
    max_wait_ms: Auto | Annotated[float, Field(ge=0, le=1000)] = "auto"


class LimitSettings(Section):
    cores: Auto | Annotated[int, Field(ge=1, le=1024)] = "auto"
    nice: int = Field(default=0, ge=0, le=19)
    rate: float = Field(default=0, ge=0, le=1_000_000)
