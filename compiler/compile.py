"""From a recipe to a finished dataset: plan, make what is missing, and describe the whole."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa

from ..backbones.model import Model, open_model
from ..canvas.findings import Counts, attached
from ..canvas.layout import Layout
from ..canvas.sizes import auto_panel_size, check_panel_size
from ..common.errors import OutputError, RecipeError, RunError
from ..common.files import write_whole
from ..common.lock import locked
from ..common.report import Report, Silent
from ..dataset.index import Rejection, read_header
from ..dataset.info import DatasetInfo, read_info
from ..dataset.names import DATASET, NULL_PROMPT, REJECTED, SHARDS, STATE, shard_path
from ..dataset.null_prompt import write_null_prompt
from ..tables.mapped import public_keys
from .delivery.delivery import Delivery, open_delivery, work_folder
from .engines.engine import EncoderSettings, Scheduling, open_engine, run_each
from .fingerprint import Checksums, differences, fingerprint_parts
from .finish import finish_dataset
from .info import describe, library_versions
from .plan import DAMAGED, Outdated, Plan, outdated_shards, surplus_shards
from .recipe import PanelSize, Recipe
from .selection.duplicates import mark_duplicates
from .selection.hashes import hash_rows
from .shard import Progress

#: Shards above which a plan suggests larger ones: stores and file systems like fewer files.
MANY_SHARDS = 10_000


@dataclass(frozen=True)
class Summary:
    """What a run did and what the dataset now holds.

    `output` is the folder that was worked in, and `url` the store that has the dataset, to which
    `sent` shards were sent. `made` counts the shards that this run compiled; `totals` are those of
    dataset.json, and `filters` its counts of dropped rows; `findings` are what was seen that may
    be wrong; `rejected` are the dataset's rejected rows; `seconds` the run took.
    """

    output: Path
    made: int
    totals: dict[str, int]
    filters: dict[str, int]
    findings: Counts
    rejected: tuple[Rejection, ...]
    seconds: float
    url: str | None = None
    sent: int = 0


def compile_dataset(
    recipe: Recipe,
    output: Path | str | None = None,
    *,
    recipe_folder: Path = Path(),
    scheduling: Scheduling | None = None,
    report: Report | None = None,
) -> Summary:
    """Compile a recipe, or what is missing of it, into `output` (default: ``data/TASK``).

    For a URL, of the Hub or another that fsspec opens, it is compiled in `delivery.work_folder`,
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
        _os_errors(output),
        locked(output) as token,
        _without_leftovers(output),
        open_delivery(url, output, report) if url else nullcontext() as delivery,
    ):
        info = _prepare_info(recipe, recipe_folder, output, layout, model, delivery)
        with ExitStack() as cluster:
            rows, seen = _scan(recipe, recipe_folder, output, scheduling, cluster, report)
            earlier = read_info(output)
            known = earlier.checksums if earlier else {}
            plan = Plan(recipe, recipe_folder, layout, rows, info.fingerprint, output, known, seen)
            _check_limit(plan)
            made = _make_shards(plan, info, model, scheduling, cluster, token, report, delivery)
        info, rejected = finish_dataset(plan, info, delivery)
    summary = Summary(
        output,
        made,
        dict(info.totals),
        dict(info.filters),
        info.found or {},
        rejected,
        seconds=time.monotonic() - began,
        url=delivery.name if delivery else None,
        sent=delivery.sent if delivery else 0,
    )
    _check_rejected(recipe, summary)
    return summary


@contextmanager
def _os_errors(output: Path) -> Iterator[None]:
    """Turn what a full disk raises into an error that says how to go on."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{output}: {error}; complete shards are kept; make room and run again to continue"
        ) from error


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
        check_panel_size(width, height, model.factor)
    except ValueError as error:
        raise RecipeError(f"panel_size: {error}") from error
    return Layout(recipe.layout, width, height, model.factor)


def _scan(
    recipe: Recipe,
    recipe_folder: Path,
    output: Path,
    scheduling: Scheduling,
    cluster: ExitStack,
    report: Report,
) -> tuple[pa.Table, Counts]:
    """The rows of the plan, with marks on those that are duplicates, and what was seen of all."""
    rows = recipe.source.scan(recipe.columns, recipe_folder.resolve())
    seen = attached(rows)
    rows = public_keys(rows)
    if recipe.limit is not None:
        rows = rows.slice(0, recipe.limit)
    hash_all = partial(run_each, hash_rows, scheduling=scheduling, cluster=cluster)
    return mark_duplicates(recipe, recipe_folder, rows, output, hash_all, report), seen


def _check_limit(plan: Plan) -> None:
    """Refuse to delete shards for a mere limit: trying a recipe must not cost what is finished."""
    if plan.recipe.limit is None or plan.rows.num_rows < plan.recipe.limit:
        return
    if surplus := len(surplus_shards(plan)):
        raise OutputError(
            f"{plan.output} holds {surplus} more shards than limit {plan.recipe.limit} leaves; "
            "give another --output, or a larger limit"
        )


def _prepare_info(
    recipe: Recipe,
    recipe_folder: Path,
    output: Path,
    layout: Layout,
    model: Model,
    delivery: Delivery | None,
) -> DatasetInfo:
    """dataset.json for this run; what an earlier run settled, such as threads, is kept.

    Raises:
        OutputError: when the folder holds a dataset with another fingerprint, or shards of
            unknown origin.
    """
    checksums = Checksums(output)
    parts = fingerprint_parts(recipe, recipe_folder, layout, model, checksums)
    checksums.save()
    old = read_info(output)
    if old is None and any((output / SHARDS).glob("*")):
        raise OutputError(f"{output}: holds shards but no {DATASET}; give another --output")
    if old is None or not _holds_samples(output):
        (output / NULL_PROMPT).unlink(missing_ok=True)
        return describe(recipe, layout, model, parts, _device())
    info = describe(recipe, layout, model, parts, old.encoder.device)
    if old.fingerprint != info.fingerprint:
        changes = "\n  ".join(differences(old.fingerprint_parts, info.fingerprint_parts))
        place, what = str(output), "that folder"
        if delivery:
            place, what = f"{delivery.name} with its work folder {output}", "both"
        raise OutputError(
            f"{place} holds a dataset made otherwise:\n  {changes}\n"
            f"give another --output, or delete {what} to compile it anew"
        )
    return info.model_copy(update={"encoder": old.encoder, "versions": old.versions})


def _holds_samples(output: Path) -> bool:
    headers = map(read_header, (output / SHARDS).glob("*.parquet"))
    return any(header is None or header.samples for header in headers)


def _device() -> str:
    """The kind of device that will encode, asked without loading torch where there is none."""
    if not Path("/proc/driver/nvidia/version").exists():
        return "cpu"
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def _make_shards(
    plan: Plan,
    info: DatasetInfo,
    model: Model,
    scheduling: Scheduling,
    cluster: ExitStack,
    token: str,
    report: Report,
    delivery: Delivery | None,
) -> int:
    """Make the shards that are missing or stale, and the empty prompt; how many were made."""
    outdated = list(outdated_shards(plan))
    _announce(plan, outdated, report)
    if delivery:
        delivery.begin(info, {shard.number for shard in outdated}, plan.shards)
    if 0 < len(outdated) < plan.shards:
        _announce_drift(info, report)
    null_prompt = plan.output / NULL_PROMPT
    if not outdated and null_prompt.is_file():
        return 0
    _delete_damaged_indexes(plan, outdated)
    write_whole(plan.output / DATASET, info.to_json())
    settings = EncoderSettings(model, plan.recipe.latent, info.encoder.threads)
    jobs = (plan.job(shard.number, token) for shard in outdated)
    rows = sum(plan.shard_rows(shard.number).num_rows for shard in outdated)
    made = 0
    try:
        with closing(open_engine(settings, scheduling, cluster)) as engine:
            empty_prompt = None if null_prompt.is_file() else engine.empty_prompt()
            report.begin(rows)
            for event in engine.run(jobs):
                if isinstance(event, Progress):
                    report.advance(event.rows)
                else:
                    made += 1
                    if delivery:
                        delivery.submit(event)
            if empty_prompt is not None:
                write_null_prompt(null_prompt, empty_prompt.result())
    except OSError as error:
        raise RunError(
            f"{plan.output}: {error.strerror or error}; {made} of {len(outdated)} shards were "
            "completed and are kept; make room and run again to continue"
        ) from error
    finally:
        report.end()
    return made


def _delete_damaged_indexes(plan: Plan, outdated: Iterable[Outdated]) -> None:
    """Forget indexes that only dataset.json tells from sound ones, before it forgets how."""
    for shard in outdated:
        if shard.reason == DAMAGED:
            shard_path(plan.output, shard.number, ".parquet").unlink()


def _announce(plan: Plan, outdated: list[Outdated], report: Report) -> None:
    """Say what will be made, and why what was there is not good enough."""
    stale = [shard for shard in outdated if shard.reason]
    for shard in stale[:10]:
        report.note(f"shard {shard.number:05d} is made again: {shard.reason}")
    if len(stale) > 10:
        report.note(f"... and {len(stale) - 10} more shards are made again")
    if outdated:
        width, height = plan.layout.canvas_size
        report.note(
            f"{plan.rows.num_rows} rows in {plan.shards} shards, {len(outdated)} to make; "
            f"canvas {width} x {height} px, panels {plan.layout.width} x {plan.layout.height} px"
        )
    if plan.shards > MANY_SHARDS:
        report.note(f"{plan.shards} shards are many; a larger samples_per_shard makes fewer")


def _announce_drift(info: DatasetInfo, report: Report) -> None:
    """Say where this run differs from the one that made the shards that are kept."""
    now = {"versions": library_versions(), "encoder": {"device": _device()}}
    then = {"versions": info.versions, "encoder": {"device": info.encoder.device}}
    for change in differences(then, now):
        report.note(f"{change}; delete {SHARDS}/ to have all shards from one origin")


def _check_rejected(recipe: Recipe, summary: Summary) -> None:
    rejected, samples = summary.totals["rejected"], summary.totals["samples"]
    share = rejected / max(1, rejected + samples)
    if not samples and not rejected:
        counts = "; ".join(f"{label} {number}" for label, number in summary.filters.items())
        raise RunError(
            f"the filters drop all {summary.totals['dropped']} rows ({counts}); no sample is left\n"
            f"all of them, with reasons: {summary.output / REJECTED}"
        )
    if share > recipe.max_rejected or not samples:
        first = "\n".join(f"  {row.source}: {row.reason}" for row in summary.rejected[:5])
        allowed = f", more than max_rejected allows ({recipe.max_rejected:.1%})"
        raise RunError(
            f"{rejected} of {rejected + samples} rows were rejected ({share:.1%})"
            f"{allowed if samples else ''}; {samples} samples are kept\n"
            f"{first}\n"
            f"all of them, with reasons: {summary.output / REJECTED}"
        )


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
