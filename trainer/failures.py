"""Failures while a run trains, told so that its user knows what to do."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from safetensors import SafetensorError

from ..common.disk import describe_failure, first_make_room
from ..common.errors import RunError
from .checkpoint import save_checkpoint
from .loader import CanvasLoader
from .recorder import NotFiniteError
from .run import Inputs, Run
from .settings import Settings
from .validation import NotFiniteValidationError

#: Samples that a message names before it counts the rest.
_NAMED = 3
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory")


@contextmanager
def explained(
    inputs: Inputs, settings: Settings, output: Path, accelerator: Accelerator
) -> Iterator[None]:
    """Turn what memory, disk and files refuse into errors that say what to do."""
    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError) as error:
        text = str(error).lower()
        if not any(words in text for words in _OUT_OF_MEMORY):
            raise
        raise RunError(_advise_on_memory(inputs, settings, accelerator)) from error
    except (OSError, SafetensorError) as error:
        raise RunError(
            f"{describe_failure(error, output)}; earlier checkpoints are kept, "
            f"{first_make_room(error)}run again with --resume"
        ) from error


def _advise_on_memory(inputs: Inputs, settings: Settings, accelerator: Accelerator) -> str:
    _, height, width = inputs.datasets[0].samples.shapes[0]
    advice = []
    if settings.batch_size > 1:
        half = settings.batch_size // 2
        advice.append(f"batch_size={half} with accumulation={settings.accumulation * 2}")
    if not settings.gradient_checkpointing:
        advice.append("gradient_checkpointing=true")
    if accelerator.mixed_precision == "no" and accelerator.device.type == "cuda":
        advice.append("precision=bf16")
    if settings.adapter.kind == "full":
        advice.append("adapter.kind=lora")
    elif settings.adapter.rank > 8:
        advice.append("a lower adapter.rank")
    advice.append("a smaller --panel-size when compiling")
    return (
        f"out of memory with batch_size {settings.batch_size} and latents of {height} x {width}; "
        f"try {', or '.join(advice)}; checkpoints are kept"
    )


class NotFiniteRunError(RunError):
    """A loss was NaN or infinite; with `options` the same command leaves the samples out."""

    def __init__(self, problem: str, settings: Settings, labels: Sequence[str]) -> None:
        skipped = list(dict.fromkeys([*settings.skip_samples, *labels]))
        value = json.dumps(skipped, ensure_ascii=False)
        self.options = ("--resume", "--set", f"skip_samples={value}")
        super().__init__(
            f"{problem}. Where the samples hold NaN or infinity, of which onepic-compile --verify "
            f"finds all, leave them out with {shlex.join(self.options)}. Else try a learning_rate "
            f"below {settings.learning_rate:g}, or bf16 in place of fp16"
        )


def explain_not_finite(
    run: Run, loader: CanvasLoader, error: NotFiniteError | NotFiniteValidationError
) -> RunError:
    """Save the state where it can still be used, and say for which samples the loss broke."""
    if isinstance(error, NotFiniteError):
        return _explain_step(run, loader, error)
    return _explain_validation(run, error)


def _explain_step(run: Run, loader: CanvasLoader, error: NotFiniteError) -> RunError:
    names = gather_object(loader.names(error.dataset, error.samples))
    labels = gather_object(loader.labels(error.dataset, error.samples))
    if run.state.is_finite():
        run.state.losses.clear()
        if run.accelerator.is_main_process:
            identity = run.identity()
            save_checkpoint(
                run.output, run.state.checkpoint(identity), run.settings.keep_checkpoints
            )
        kept = "that update was left out and the state is saved: go on with --resume"
    else:
        kept = "the weights are no longer finite, the last checkpoint is the one to --resume from"
    problem = f"the loss is not finite at step {error.step}, for {'; '.join(names)}; {kept}"
    return NotFiniteRunError(problem, run.settings, labels)


def _explain_validation(run: Run, error: NotFiniteValidationError) -> RunError:
    names, labels = zip(*error.samples, strict=True)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return NotFiniteRunError(
        f"the validation loss is not finite, for {'; '.join(names[:_NAMED])}{more}; go on with "
        "--resume from the last checkpoint",
        run.settings,
        labels,
    )
