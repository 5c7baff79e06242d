"""From a recipe to a finished dataset: plan, make what is missing, and describe the whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pyarrow as pa

from ..backbones.model import Model, open_model
from ..canvas.findings import Counts, attached
from ..canvas.layout import Layout
from ..canvas.sizes import auto_panel_size, check_panel_size
from ..common.disk import describe_failure, first_make_room
from ..common.errors import RecipeError, RunError
from ..common.files import write_whole
from ..common.lock import locked
from ..common.report import Report, Silent
from ..dataset.index import ShardHeader
from ..dataset.info import DatasetInfo, read_info
from ..dataset.names import DATASET, NULL_PROMPT, SHARDS, STATE, shard_stem
from ..dataset.null_prompt import write_null_prompt
from ..tables.mapped import public_keys
from .delivery.delivery import Delivery
from .delivery.open import open_delivery, work_folder
from .engines.engine import EncoderSettings, Engine, Scheduling
from .engines.open import open_engine
from .fingerprint import Checksums, fingerprint_parts
from .finish import finish_dataset
from .info import carry_on, describe, drift, encoding_device, kept_info
from .outcome import Summary, check_rejected
from .plan import Outdated, Plan, check_limit, forget_damaged, outdated_shards
from .recipe import PanelSize, Recipe
from .selection.duplicates import mark_duplicates
from .selection.hashes import hash_rows
from .shard import Progress, ShardJob

#: Shards above which a plan suggests larger ones: stores and file systems like fewer files.
MANY_SHARDS = 10_000


def compile_dataset(
    recipe: Recipe,
    output: Path | str | None = None,
    *,
    recipe_folder: Path = Path(),
    scheduling: Scheduling | None = None,
    report: Report | None = None,
) -> Summary:
    """Compile a recipe, or what is missing of it, into `output` (default: ``data/TASK``).

    For a URL, of the Hub or another that fsspec opens, it is compiled in a work folder here,
    and each shard goes to the store, and from this machine, when it is finished.

    Raises:
        RecipeError, SourceError, ModelError: when the recipe cannot be carried out.
        OutputError: when `output` holds another recipe's dataset or is in use.
        HubRefusedError, HubError: when the Hub refuses, or fails again and again.
        RunError: when the run fails, or more rows are rejected than the recipe allows; complete
            shards are kept, and the same call goes on from there.
    """
    began = time.monotonic()
    scheduling, report = scheduling or Scheduling(), report or Silent()
    url = output if isinstance(output, str) and "://" in output else None
    output = work_folder(url) if url else Path(output or Path("data") / recipe.task)
    model = open_model(recipe.model, recipe.revision)
    layout = make_layout(recipe, model)
    with (
        _os_errors_explained(output),
        locked(output, STATE) as token,
        _without_leftovers(output),
        open_delivery(url, output, report) as delivery,
    ):
        kept = kept_info(output)
        info = _describe(recipe, recipe_folder, output, layout, model, kept)
        if kept is None:  # the empty prompt may be another model's
            (output / NULL_PROMPT).unlink(missing_ok=True)
        else:
            info = carry_on(info, kept, delivery.place)
        settings = EncoderSettings(model, recipe.latent, info.encoder.threads)
        with closing(open_engine(settings, scheduling)) as engine:
            rows, seen = _scan(recipe, recipe_folder, output, engine, report)
            earlier = read_info(output)
            known = earlier.checksums if earlier else {}
            plan = Plan(recipe, recipe_folder, layout, rows, info.fingerprint, output, known, seen)
            check_limit(plan)
            made = _make_missing(plan, info, token, engine, delivery, report)
        info, rejected = finish_dataset(plan, info, delivery)
    summary = Summary(
        output,
        made,
        dict(info.totals),
        dict(info.filters),
        info.found or {},
        rejected,
        seconds=time.monotonic() - began,
        url=delivery.url,
        sent=delivery.sent,
    )
    check_rejected(recipe, summary)
    return summary


def make_layout(recipe: Recipe, model: Model) -> Layout:
    """The recipe's canvas for a model.

    Raises:
        RecipeError: when the panel size does not suit the model's VAE.
    """
    if isinstance(recipe.panel_size, PanelSize):
        width, height = recipe.panel_size.width, recipe.panel_size.height
    else:
        cells = len(recipe.layout), len(recipe.layout[0])
        width, height = auto_panel_size(*cells, model.native_area)
    try:
        check_panel_size(width, height, model.latents.factor)
    except ValueError as error:
        raise RecipeError(f"panel_size: {error}") from error
    return Layout(recipe.layout, width, height, model.latents.factor)


def _describe(
    recipe: Recipe,
    recipe_folder: Path,
    output: Path,
    layout: Layout,
    model: Model,
    kept: DatasetInfo | None,
) -> DatasetInfo:
    """dataset.json for this run; shards that are kept were encoded on the device that it names."""
    checksums = Checksums(output)
    parts = fingerprint_parts(recipe, recipe_folder, layout, model, checksums)
    checksums.save()
    device = kept.encoder.device if kept else encoding_device()
    return describe(recipe, layout, model, parts, device)


def _scan(
    recipe: Recipe, recipe_folder: Path, output: Path, engine: Engine, report: Report
) -> tuple[pa.Table, Counts]:
    """The rows of the plan, with marks on those that are duplicates, and what was seen of all."""
    rows = recipe.source.scan(recipe.columns, recipe_folder.resolve())
    seen = attached(rows)
    rows = public_keys(rows)
    if recipe.limit is not None:
        rows = rows.slice(0, recipe.limit)
    hash_all = partial(engine.map, hash_rows)
    return mark_duplicates(recipe, recipe_folder, rows, output, hash_all, report), seen


def _make_missing(
    plan: Plan,
    info: DatasetInfo,
    token: str,
    engine: Engine,
    delivery: Delivery,
    report: Report,
) -> int:
    """Make the shards that are missing or stale, and the empty prompt; how many were made."""
    outdated = list(outdated_shards(plan))
    _announce(plan, info, outdated, report)
    delivery.begin(info, {shard.number for shard in outdated}, plan.shards)
    if not outdated and (plan.output / NULL_PROMPT).is_file():
        return 0
    forget_damaged(plan, outdated)
    write_whole(plan.output / DATASET, info.to_json())
    jobs = (plan.job(shard.number, token) for shard in outdated)
    rows = sum(plan.shard_rows(shard.number).num_rows for shard in outdated)
    made = 0
    try:
        for header in _run(plan.output, jobs, rows, engine, report):
            made += 1
            delivery.submit(header)
    except OSError as error:
        kept = f"{made} of {len(outdated)} shards were completed and are kept"
        raise _explained(error, plan.output, kept) from error
    return made


def _run(
    output: Path, jobs: Iterator[ShardJob], rows: int, engine: Engine, report: Report
) -> Iterator[ShardHeader]:
    """Run jobs of so many rows, and make the empty prompt if it is missing; finished shards."""
    null_prompt = output / NULL_PROMPT
    empty_prompt = None if null_prompt.is_file() else engine.empty_prompt()
    report.begin(rows)
    try:
        for event in engine.run(jobs):
            if isinstance(event, Progress):
                report.advance(event.rows)
            else:
                yield event
    finally:
        report.end()
    if empty_prompt is not None:
        write_null_prompt(null_prompt, empty_prompt.result())


def _announce(plan: Plan, info: DatasetInfo, outdated: list[Outdated], report: Report) -> None:
    """Say what will be made, why what was there is not good enough, and what will differ."""
    stale = [shard for shard in outdated if shard.reason]
    for shard in stale[:10]:
        report.note(f"shard {shard_stem(shard.number)} is made again: {shard.reason}")
    if len(stale) > 10:
        report.note(f"... and {len(stale) - 10} more shards are made again")
    if outdated:
        width, height = plan.layout.canvas_size
        report.note(
            f"{plan.rows.num_rows} rows in {plan.shards} shards, {len(outdated)} to make; "
            f"canvas {width} x {height} px, panels {plan.layout.width} x {plan.layout.height} px"
        )
    for change in drift(info) if 0 < len(outdated) < plan.shards else ():
        report.note(f"{change}; delete {SHARDS}/ to have all shards from one origin")
    if plan.shards > MANY_SHARDS:
        report.note(f"{plan.shards} shards are many; a larger samples_per_shard makes fewer")


@contextmanager
def _without_leftovers(output: Path) -> Iterator[None]:
    """Delete what killed runs and killed workers left half-written, before a run and after it."""
    try:
        _remove_leftovers(output)
        yield
    finally:
        _remove_leftovers(output)


def _remove_leftovers(output: Path) -> None:
    for pattern in ("*.tar", "*.safetensors", "*.parquet"):
        for path in (output / STATE).glob(pattern):
            path.unlink(missing_ok=True)


@contextmanager
def _os_errors_explained(output: Path) -> Iterator[None]:
    """Turn an error of the operating system into one that says how to go on."""
    try:
        yield
    except OSError as error:
        raise _explained(error, output, "complete shards are kept") from error


def _explained(error: OSError, output: Path, kept: str) -> RunError:
    advice = f"{first_make_room(error)}run again to continue"
    return RunError(f"{describe_failure(error, output)}; {kept}; {advice}")
