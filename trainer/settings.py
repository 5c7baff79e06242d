"""The settings of a training run, and where their defaults come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from ..common.errors import SettingsError
from ..common.strict import Strict
from ..common.yaml_file import Kind, Override, read_document
from .adapter_settings import AdapterSettings

#: What several settings are.
Share = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Settings(Strict):
    """Everything that shapes a run besides its datasets; a YAML file of these keys is `--config`.

    ONE-PIC's (Tao et al.) are the defaults of `adapter`, `steps`, `optimizer` and `learning_rate`.
    It is not known to say more: others are torch's or those of ACE++ where the description says so,
    and else ours.
    """

    model: str | None = Field(
        default=None,
        description="The base model: a diffusers folder or Hub id; by default the datasets' own.",
    )
    revision: str | None = Field(default=None, description="Branch, tag or commit of `model`.")
    weights: tuple[Rate, ...] | None = Field(
        default=None,
        description="Weights by which datasets are drawn from; by default their sizes.",
    )
    skip_samples: tuple[str, ...] = Field(
        default=(),
        description="Keys of samples that are left out, in quotes, as messages name them: "
        '["000000003"], with several datasets ["DATASET:000000003"].',
    )
    adapter: AdapterSettings = Field(default_factory=AdapterSettings)

    steps: int = Field(
        default=10_000, ge=1, description="Number of updates of the weights. (ONE-PIC)"
    )
    batch_size: int = Field(
        default=4, ge=1, description="Number of samples at once on each device. (ours)"
    )
    accumulation: int = Field(
        default=1, ge=1, description="Number of batches to an update, on each device."
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="Seed of everything random.")

    optimizer: Literal["adamw", "adamw-8bit"] = Field(
        default="adamw",
        description="The optimizer; `adamw-8bit` needs bitsandbytes and a GPU. (ONE-PIC)",
    )
    learning_rate: Rate = Field(
        default=1e-3, description="Learning rate of the optimizer. (ONE-PIC)"
    )
    weight_decay: float = Field(
        default=0.01, ge=0, allow_inf_nan=False, description="Weight decay of AdamW. (torch, ACE++)"
    )
    betas: tuple[Share, Share] = Field(default=(0.9, 0.999), description="Betas of AdamW. (torch)")
    schedule: Literal["constant", "linear", "cosine", "cosine_with_restarts", "polynomial"] = Field(
        default="constant", description="Course of the learning rate after warm-up."
    )
    warmup: int = Field(
        default=0, ge=0, description="Number of steps in which the rate rises from 0."
    )
    clip: float = Field(default=1.0, gt=0, description="The largest norm of the gradient. (ACE++)")

    min_snr: float | None = Field(
        default=None, gt=0, description="Gamma of min-SNR weighting; 5 is usual. By default none."
    )
    noise_offset: float = Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        description="Scale of an offset of the noise for each sample and channel.",
    )
    prompt_dropout: float = Field(
        default=0.1, ge=0, le=1, description="Share of prompts replaced by the empty one. (ACE++)"
    )
    context_dropout: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of contexts that are zeros, for guidance by images; 0.05 is usual.",
    )
    ema: float | None = Field(
        default=None, gt=0, lt=1, description="Decay of an average of the weights, such as 0.999."
    )

    precision: Literal["auto", "no", "bf16", "fp16"] = Field(
        default="auto",
        description="Precision of the network; `auto` is bf16 on GPUs that have it, else no.",
    )
    gradient_checkpointing: bool = Field(
        default=True, description="Keep fewer activations: less memory for about a third more time."
    )
    compile: bool = Field(
        default=False, description="Use torch.compile; the first step takes minutes."
    )

    log_every: int = Field(
        default=10, ge=1, description="Steps from one line of the log to the next."
    )
    checkpoint_every: int = Field(
        default=500, ge=1, description="Steps from one checkpoint to the next."
    )
    keep_checkpoints: int = Field(
        default=2, ge=1, description="Number of checkpoints kept; older ones are deleted."
    )
    validate_every: int = Field(
        default=500, ge=1, description="Steps from one validation to the next."
    )
    validation: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="Datasets to validate on. By default samples of the others are held out.",
    )
    validation_samples: int = Field(
        default=32, ge=0, description="Number of samples of each dataset to validate on."
    )
    tracker: Literal["tensorboard", "wandb", "none"] = Field(
        default="tensorboard", description="Tracker that the losses are sent to."
    )

    @field_validator("precision", mode="before")
    @classmethod
    def _read_no(cls, value: object) -> object:
        """YAML takes a bare ``no`` for false."""
        return "no" if value is False else value

    @field_validator("validation", mode="before")
    @classmethod
    def _read_single(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_validation(self) -> Settings:
        if self.validation is not None and not self.validation_samples:
            raise ValueError(
                "validation_samples: 0 samples of the datasets in validation; raise it, or leave "
                "validation out"
            )
        return self

    @model_validator(mode="after")
    def _check_warmup(self) -> Settings:
        if self.warmup >= self.steps:
            raise ValueError(
                f"warmup: {self.warmup} steps of warm-up in a run of {self.steps}; make it shorter"
            )
        return self


#: How messages about a settings file speak of it.
SETTINGS = Kind(
    content="training settings",
    keys="steps, batch_size and learning_rate",
    example="learning_rate=1e-4",
    error=SettingsError,
)


def read_settings(file: Path | None, overrides: Sequence[Override] = ()) -> Settings:
    """The settings of a YAML file, or the defaults, with overrides.

    Raises:
        SettingsError: naming the file, line and key, for anything that is not valid.
    """
    document = read_document(file, SETTINGS, overrides)
    try:
        return Settings.model_validate(document.data)
    except ValidationError as error:
        raise SettingsError(document.explain(error)) from error


def check_exports(exports: Iterable[str], settings: Settings) -> None:
    """Refuse further forms of the adapter that do not exist, or not for its kind.

    Raises:
        SettingsError: naming what there is.
    """
    for name in exports:
        if name != "kohya":
            raise SettingsError(f"--export {name}: known: kohya")
        from .kohya import check_has_names

        check_has_names(settings.adapter)
