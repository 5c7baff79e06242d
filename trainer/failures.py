"""What can go wrong while a run trains, said so that its user knows what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate.utils import gather_object
from safetensors import SafetensorError

from ..compiler.errors import RunError
from .checkpoint import save_checkpoint
from .loader import CanvasLoader
from .recorder import NotFiniteError
from .run import Run

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory")


@contextmanager
def explained(run: Run) -> Iterator[None]:
    """Turn running out of memory or disk into errors that say what to do."""
    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError) as error:
        text = str(error).lower()
        if not any(words in text for words in _OUT_OF_MEMORY):
            raise
        raise RunError(_advise_on_memory(run)) from error
    except (OSError, SafetensorError) as error:
        path, reason = getattr(error, "filename", None), getattr(error, "strerror", None)
        raise RunError(
            f"{path or run.output}: cannot be written: {reason or error}; "
            "earlier checkpoints are kept, make room and run again with --resume"
        ) from error


def _advise_on_memory(run: Run) -> str:
    settings = run.settings
    _, height, width = run.inputs.datasets[0].samples.shapes[0]
    advice = []
    if settings.batch_size > 1:
        half = settings.batch_size // 2
        advice.append(f"batch_size={half} with accumulation={settings.accumulation * 2}")
    if not settings.gradient_checkpointing:
        advice.append("gradient_checkpointing=true")
    if run.accelerator.mixed_precision == "no" and run.accelerator.device.type == "cuda":
        advice.append("precision=bf16")
    if settings.adapter.kind == "full":
        advice.append("adapter.kind=lora")
    elif settings.adapter.rank > 8:
        advice.append("a lower adapter.rank")
    advice.append("a smaller --panel-size when compiling")
    return (
        f"out of memory at step {run.state.step + 1}, with batch_size {settings.batch_size} and "
        f"latents of {height} x {width}; try {', or '.join(advice)}"
    )


def explain_not_finite(run: Run, loader: CanvasLoader, error: NotFiniteError) -> RunError:
    """Save the state where it can still be used, and say where the loss broke."""
    names = gather_object(loader.names(error.dataset, error.samples))
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
    return RunError(
        f"the loss is not finite at step {error.step}, for {'; '.join(names)}; {kept}, and try "
        f"a learning_rate below {run.settings.learning_rate:g}, or bf16 in place of fp16"
    )
