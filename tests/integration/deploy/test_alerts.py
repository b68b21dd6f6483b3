"""Every alert fires in the case that it is for, and not in one beside it; every one has a runbook."""

import re
from pathlib import Path

import pytest
import yaml

from libs.schemas.subjects import STREAMS
from tests.prometheus import promtool, shortened
from tools.runbooks import PARTS, RULES, alerts, check_runbooks, wrong

# Alert: the series that make it fire, and others like them that do not; values are of each minute for half an hour.
CASES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "WorkerDown": ({'up{job="context"}': "0x30"}, {'up{job="context"}': "1x30", 'up{job="another"}': "0x30"}),
    "WorkerNotReady": ({'perpetua_runtime_ready{job="feed"}': "0x30"}, {'perpetua_runtime_ready{job="feed"}': "1x30"}),
    "MessagesWait": (
        {'perpetua_runtime_oldest_unprocessed_seconds{durable="d"}': "0+60x30"},
        {'perpetua_runtime_oldest_unprocessed_seconds{durable="d"}': "50x30"},
    ),
    "DeadLetters": (
        {'perpetua_runtime_messages_total{durable="d",outcome="dead"}': "0x25 1x5"},
        {'perpetua_runtime_messages_total{durable="d",outcome="dead"}': "7x30"},
    ),
    "HandlersFail": (
        {'perpetua_runtime_messages_total{durable="d",outcome="failed"}': "0+3x30"},
        {'perpetua_runtime_messages_total{durable="d",outcome="failed"}': "0x28 1x2"},
    ),
    "ModelProviderDown": (
        {'perpetua_decider_breaker_state{model="m",job="decider"}': "2x30"},
        {'perpetua_decider_breaker_state{model="m",job="decider"}': "1x30"},
    ),
    "DecisionsAbstain": (
        {
            'perpetua_decider_decisions_total{status="abstained",reason="budget"}': "0+9x30",
            'perpetua_decider_decisions_total{status="proposed",reason=""}': "0+3x30",
        },
        {
            'perpetua_decider_decisions_total{status="abstained",reason="budget"}': "0+3x30",
            'perpetua_decider_decisions_total{status="proposed",reason=""}': "0+9x30",
        },
    ),
    "BudgetNearlySpent": (
        {'perpetua_decider_budget_left_ratio{budget="usd_per_day"}': "0.1x30"},
        {'perpetua_decider_budget_left_ratio{budget="usd_per_day"}': "0.3x30"},
    ),
    "BudgetsNotShared": (
        {'perpetua_decider_redis_up{instance="1"}': "1x30", 'perpetua_decider_redis_up{instance="2"}': "0x30"},
        {'perpetua_decider_redis_up{instance="1"}': "1x30"},
    ),
    "PositionUnprotected": (
        {'perpetua_executor_unprotected_seconds{mode="paper"}': "15x30"},
        {'perpetua_executor_unprotected_seconds{mode="paper"}': "2x30"},
    ),
    "PartitionsNotHeld": (
        {'perpetua_executor_partitions_held{instance="1"}': "8x30"},
        {
            'perpetua_executor_partitions_held{instance="1"}': "8x30",
            'perpetua_executor_partitions_held{instance="2"}': "8x30",
        },
    ),
    "AccountNotReconciled": (
        {'perpetua_executor_reconcile_age_seconds{mode="live"}': "0+60x30"},
        {'perpetua_executor_reconcile_age_seconds{mode="live"}': "20x30"},
    ),
    "MarketIsStale": ({"perpetua_context_stale_symbols": "2x30"}, {"perpetua_context_stale_symbols": "0x30"}),
    "ApiFails": (
        {
            'perpetua_gateway_requests_total{status="503"}': "0+10x30",
            'perpetua_gateway_requests_total{status="200"}': "0+90x30",
        },
        {
            'perpetua_gateway_requests_total{status="503"}': "0+1x30",
            'perpetua_gateway_requests_total{status="200"}': "0+99x30",
        },
    ),
    "NatsUnsteady": (
        {"perpetua_runtime_nats_reconnects_total": "0+1x30"},
        {"perpetua_runtime_nats_reconnects_total": "0x27 1x3"},
    ),
    "VolumeFillsUp": (
        {
            'node_filesystem_avail_bytes{job="volumes-exporter",mountpoint="/volumes/nats"}': "10x30",
            'node_filesystem_size_bytes{job="volumes-exporter",mountpoint="/volumes/nats"}': "100x30",
        },
        {
            'node_filesystem_avail_bytes{job="volumes-exporter",mountpoint="/volumes/nats"}': "20x30",
            'node_filesystem_size_bytes{job="volumes-exporter",mountpoint="/volumes/nats"}': "100x30",
            'node_filesystem_avail_bytes{job="another",mountpoint="/"}': "1x30",
            'node_filesystem_size_bytes{job="another",mountpoint="/"}': "100x30",
        },
    ),
    "StreamFillsUp": (
        {'jetstream_stream_total_bytes{stream_name="DECISIONS"}': "7000000000x30"},
        {
            'jetstream_stream_total_bytes{stream_name="ORDERS"}': "6800000000x30",
            'jetstream_stream_total_bytes{stream_name="MARKET"}': "9000000000x30",
        },
    ),
    "NoticesNotTold": (
        {'perpetua_notifier_notices_total{route="r",outcome="dead"}': "0x20 1x10"},
        {'perpetua_notifier_notices_total{route="r",outcome="failed"}': "0+1x30"},
    ),
}


def test_every_alert_has_a_case() -> None:
    assert set(CASES) == set(alerts(RULES.read_text()))


def test_the_rules_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    assert "SUCCESS" in promtool("check", "rules", str(RULES))
    severity = {name: said["severity"] for name, said in alerts(RULES.read_text()).items()}
    tests = [
        {
            "interval": "1m",
            "name": f"{name} {'fires' if fires else 'does not'}",
            "input_series": [{"series": series, "values": values} for series, values in CASES[name][not fires].items()],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing",severity="{severity[name]}"}})',
                    "eval_time": "29m",
                    "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
                }
            ],
        }
        for name in CASES
        for fires in (True, False)
    ]
    file = tmp_path / "tests.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    promtool("test", "rules", str(file))


def test_each_stream_that_must_not_forget_is_watched_at_four_fifths_of_its_limit() -> None:
    (rule,) = [
        rule for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"] if rule["alert"] == "StreamFillsUp"
    ]
    watched = {
        name: int(most)
        for names, most in re.findall(r'stream_name=~"([A-Z|]+)"}\) > (\d+)', rule["expr"])
        for name in names.split("|")
    }
    keeping = {stream.name: stream.max_bytes * 4 // 5 for stream in STREAMS if stream.discard == "new"}
    assert watched == keeping


def test_a_rule_that_is_wrong_is_found(tmp_path: Path) -> None:
    broken = tmp_path / "rules.yaml"
    broken.write_text(RULES.read_text().replace("== 0", "=== 0", 1))
    with pytest.raises(AssertionError, match="could not parse expression"):
        promtool("check", "rules", str(broken))


def test_each_alert_has_its_runbook() -> None:
    assert check_runbooks() == []


PAGE = "# A\n\n" + "".join(f"## {part}\ntext\n" for part in PARTS[:3]) + "```\na\nb\nc\n```\n## {}\n## {}\n"
PAGES = {
    "another title": (PAGE.replace("# A", "# B", 1), "its title is not A"),
    "a part missing": (PAGE.replace("## {}\n", "", 1), "its parts are not"),
    "two commands": (PAGE.replace("c\n", "", 1), "it has not three commands"),
}


@pytest.mark.parametrize("case", PAGES)
def test_a_runbook_that_lacks_something_is_named(case: str) -> None:
    text, line = PAGES[case]
    assert any(found.startswith(line) for found in wrong("A", text.format(*PARTS[3:]) if "{}" in text else text))


def test_waits_and_windows_are_shortened_and_nothing_else() -> None:
    rules = yaml.safe_load(shortened("a: rate(x[5m]) > 60\nfor: 1m\nb: 'y[10m]'\nc: {for: 0s}\n"))
    assert rules == {"a": "rate(x[10s]) > 60", "for": "4s", "b": "y[20s]", "c": {"for": "0s"}}
