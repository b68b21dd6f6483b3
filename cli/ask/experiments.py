"""`perpetua experiment`: arms that decide, or propose beside the decision, and what came of them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from cli.ask.configuring import ConfigurationDesk, desk, granted
from cli.ask.models import Configured, chain_of
from cli.ask.records import History, history, market_now
from cli.errors import CliError
from libs.analytics.experiments import ArmFigures, Difference, Report, report
from libs.analytics.power import in_words
from libs.configuration.configuration import By, Configuration
from libs.configuration.experiments import Experiments
from libs.configuration.yaml_text import yaml_value
from libs.records.closes import closes
from libs.records.decided import BASELINE, arms_of
from libs.runtime.validation import explain
from libs.schemas.experiment import Experiment, ExperimentArm
from libs.schemas.strict import refuse, unknown_fields


class _ArmFile(ExperimentArm):
    prompt_file: str | None = None


class _ExperimentFile(Experiment):
    arms: tuple[_ArmFile, ...]


UNITS = {"cost_usd": "$", "latency_ms": "ms", "abstain_rate": ""}


@asynccontextmanager
async def experiments(url: str) -> AsyncIterator[tuple[Experiments, ConfigurationDesk]]:
    async with desk(url) as made:
        yield Experiments(Configuration(made.store), made.strategies), made


def read(file: Path) -> Experiment:
    """From YAML. A `prompt_file` of an arm is read from beside the file. Raises CliError for what is not valid."""
    try:
        raw = yaml_value(file.read_text(encoding="utf-8"))
        refuse(Experiment, unknown_fields(_ExperimentFile, raw))
        for arm in raw["arms"]:
            if name := arm.pop("prompt_file", None):
                arm["prompt_template"] = (file.parent / name).read_text(encoding="utf-8")
        return Experiment.model_validate(raw)
    except OSError as error:
        raise CliError(
            f"{file} cannot be read: {error.strerror}", "name a YAML file; docs/models.md has one"
        ) from error
    except ValidationError as error:
        _, field, message = explain(error)
        place = "" if field else "experiment: "
        raise CliError(f"{file}: {place}{message}", "correct the field") from error
    except (yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        raise CliError(f"{file} is no experiment: {error!r}", "docs/models.md has one to begin with") from error


def require_models(body: Experiment, configured: Configured) -> None:
    """CliError for an arm with a model that the workers do not know."""
    for arm in body.arms:
        if arm.model is not None:
            chain_of(configured, [arm.model])


async def start(url: str, body: Experiment, by: By) -> Experiment:
    async with experiments(url) as (made, desk_):
        return granted(await made.start(body, by, await market_now(desk_.bus))).body


async def stop(url: str, name: str, by: By) -> Experiment:
    async with experiments(url) as (made, desk_):
        return granted(await made.stop(name, by, await market_now(desk_.bus))).body


async def all_of(url: str) -> list[Experiment]:
    async with experiments(url) as (made, _):
        return await made.all()


async def shown(url: str, name: str, state_dir: Path) -> tuple[Experiment, Report]:
    """The experiment as it stands, and its arms side by side."""
    async with experiments(url) as (made, _):
        body = granted(await made.get(name)).body
    async with history(state_dir) as run:
        return body, await reported(run, body)


async def reported(run: History, body: Experiment) -> Report:
    decided = await arms_of(run.db, body)
    symbols = {leg.symbol for one in decided for leg in one.market}
    since = min((one.at for one in decided), default=run.now)
    names = [arm.name for arm in body.arms]
    arms = [BASELINE, *names] if body.mode == "shadow" else names
    return report(decided, arms, await closes(run.bus, sorted(symbols), since), paired=body.mode == "shadow")


def line(one: Experiment) -> str:
    whom = "all accounts" if one.accounts is None else ", ".join(one.accounts)
    arms = ", ".join(arm.name for arm in one.arms)
    part = "" if one.share == 100 else f", {one.share:g} % of them"
    return f"{one.name:<20} {one.status:<8} {one.mode} by {one.split}  arms {arms}  {whom}{part}  v{one.version}"


def lines(body: Experiment, made: Report) -> Iterator[str]:
    yield line(body)
    for arm in made.arms:
        yield _arm_line(arm)
    for pair in (*made.against, *made.markets):
        yield f"{pair.arm} against {pair.baseline}, with a 95 % interval (block bootstrap):"
        for one in pair.differences:
            yield f"  {_difference(one)}"


def as_json(body: Experiment, made: Report) -> dict[str, Any]:
    return {"experiment": body.model_dump(mode="json"), **asdict(made)}


def _arm_line(arm: ArmFigures) -> str:
    returns = "  ".join(f"{name} {_number(value, '%')}" for name, value in arm.returns.items())
    unknown = f" ({arm.cost_unknown} unknown)" if arm.cost_unknown else ""
    return (
        f"{arm.arm:<20} {arm.decisions:>6} decisions  abstained {arm.abstain_rate:.1%}  "
        f"cost {_number(arm.cost_usd, '$')}{unknown}  latency {_number(arm.latency_ms, 'ms')}  return after {returns}"
    )


def _difference(one: Difference) -> str:
    unit = UNITS.get(one.figure, "%")
    between = f"[{_number(one.low, unit)} … {_number(one.high, unit)}]" if one.low is not None else "[no interval]"
    said = in_words(one.verdict, one.more)
    return f"{one.figure:<13} {_number(one.mean, unit):>12} {between:<30} {one.pairs:>6} pairs  {said}"


def _number(value: float | None, unit: str) -> str:
    return "unknown" if value is None else f"{value:.4g}{unit and ' '}{unit}"
