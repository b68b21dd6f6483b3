"""docs/metrics.md: every metric of every worker, as its registry has it."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from cli.run.workers import TABLE
from tools.paths import ROOT

FILE = ROOT / "docs/metrics.md"
HEAD = """# Metrics

Every worker answers `GET /metrics` on its operations port, in Prometheus' text form or in OpenMetrics, which has trace
ids beside the buckets of latencies where traces are kept. Labels come from closed sets, from the catalogue of models,
from the routes of the API and of notifications: never from accounts, ids or texts. Symbols are a label where their
number is bounded by the settings.

Made by `python -m tools.checks --write` of the registries; `make check` compares it.
"""
OURS = ("perpetua_", "gen_ai_")
EVERY = "every worker"


@dataclass(frozen=True, slots=True)
class MetricLine:
    name: str
    kind: str
    labels: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"| `{self.name}` | {self.kind} | {', '.join(f'`{one}`' for one in self.labels) or '–'} | {self.text} |"


def rows(collector: Collector) -> Iterator[MetricLine]:
    """Of one collector. What is labelled has no samples before something happened, but it knows its labels."""
    names = tuple(collector._labelnames) if isinstance(collector, MetricWrapperBase) else None
    for family in collector.collect():
        if family.name.startswith(OURS):
            labels = names if names is not None else tuple(getattr(family, "_labelnames", ()))
            name = f"{family.name}_total" if family.type == "counter" else family.name
            yield MetricLine(name, family.type, labels, family.documentation)


def metrics_of(module: str) -> set[MetricLine]:
    registry = importlib.import_module(module).create_app().registry
    return {row for collector in tuple(registry._collector_to_names) for row in rows(collector)}


def metrics_doc() -> str:
    """Text of docs/metrics.md."""
    by_worker = {row.name: metrics_of(row.module) for row in TABLE}
    shared = set.intersection(*by_worker.values())
    sections = {EVERY: shared, **{name: found - shared for name, found in by_worker.items()}}
    return HEAD + "".join(_section(name, found) for name, found in sections.items())


def _section(name: str, found: set[MetricLine]) -> str:
    lines = "".join(f"{row}\n" for row in sorted(found, key=lambda row: row.name))
    return f"\n## {name.capitalize()}\n\n| metric | kind | labels | what it tells |\n|---|---|---|---|\n{lines}"


def check_metrics() -> list[str]:
    if FILE.is_file() and FILE.read_text() == metrics_doc():
        return []
    return ["docs/metrics.md differs from the workers' registries: run `python -m tools.checks --write`"]


def write() -> None:
    FILE.write_text(metrics_doc())
