"""What the dashboards show: a question of an operator each, and the query that answers it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Panel:
    """`queries` are expressions of Prometheus by the name of their line; `unit` is Grafana's."""

    title: str
    unit: str
    queries: dict[str, str]
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Dashboard:
    uid: str
    title: str
    panels: tuple[Panel, ...]


def rate(series: str, by: str = "", where: str = "") -> str:
    summed = f"sum by ({by})" if by else "sum"
    return f"{summed}(rate({series}{where}[$__rate_interval]))"


def quantile(q: float, histogram: str, by: str = "", where: str = "") -> str:
    within = f"sum by (le{', ' if by else ''}{by})"
    return f"histogram_quantile({q}, {within}(rate({histogram}_bucket{where}[$__rate_interval])))"


PIPELINE = Dashboard(
    "perpetua-pipeline",
    "Perpetua: pipeline",
    (
        Panel("Is every copy there?", "none", {"{{job}}": "sum by (job)(up)"}),
        Panel("Is every copy ready?", "none", {"{{job}}": "sum by (job)(perpetua_runtime_ready)"}),
        Panel(
            "Messages done by durable",
            "ops",
            {"{{durable}}": rate("perpetua_runtime_messages_total", "durable", '{outcome="done"}')},
        ),
        Panel(
            "Messages that did not go well",
            "ops",
            {
                "{{durable}} {{outcome}}": rate(
                    "perpetua_runtime_messages_total", "durable, outcome", '{outcome!="done"}'
                )
            },
        ),
        Panel(
            "Time in hand, 99 of 100",
            "s",
            {"{{durable}}": quantile(0.99, "perpetua_runtime_handler_seconds", "durable")},
            exemplars=True,
        ),
        Panel("Messages that wait", "short", {"{{durable}}": "max by (durable)(perpetua_runtime_pending_messages)"}),
        Panel(
            "Messages in hand", "short", {"{{durable}}": "max by (durable)(perpetua_runtime_unacknowledged_messages)"}
        ),
        Panel(
            "Age of the oldest message that is not done",
            "s",
            {"{{durable}}": "max by (durable)(perpetua_runtime_oldest_unprocessed_seconds)"},
        ),
        Panel("Redeliveries", "ops", {"{{durable}}": rate("perpetua_runtime_redeliveries_total", "durable")}),
        Panel(
            "Dead letters in an hour",
            "short",
            {
                "{{durable}}": 'sum by (durable)(increase(perpetua_runtime_messages_total{outcome="dead"}[1h]))',
                "ticks {{outcome}}": "sum by (outcome)(increase(perpetua_context_dead_letters_total[1h]))",
            },
        ),
        Panel("Market events published", "ops", {"{{kind}}": rate("perpetua_feed_events_total", "kind")}),
        Panel("Ticks by what became of them", "ops", {"{{outcome}}": rate("perpetua_context_ticks_total", "outcome")}),
        Panel("Symbols without a new price", "short", {"stale": "max(perpetua_context_stale_symbols)"}),
        Panel(
            "Requests by what became of them",
            "ops",
            {"{{outcome}}": rate("perpetua_context_requests_total", "outcome")},
        ),
    ),
)
DECIDER = Dashboard(
    "perpetua-decider",
    "Perpetua: decider and cost",
    (
        Panel(
            "Decisions by how they ended",
            "ops",
            {"{{status}} {{reason}}": rate("perpetua_decider_decisions_total", "status, reason")},
        ),
        Panel(
            "A decision's time by part, half of them",
            "s",
            {"{{part}}": quantile(0.5, "perpetua_decider_part_seconds", "part")},
        ),
        Panel(
            "A decision's time by part, 99 of 100",
            "s",
            {"{{part}}": quantile(0.99, "perpetua_decider_part_seconds", "part")},
            exemplars=True,
        ),
        Panel(
            "Calls of models", "ops", {"{{model}} {{outcome}}": rate("perpetua_decider_calls_total", "model, outcome")}
        ),
        Panel(
            "Time of a call, 95 of 100",
            "s",
            {
                "{{gen_ai_request_model}}": quantile(
                    0.95, "gen_ai_client_operation_duration_seconds", "gen_ai_request_model"
                )
            },
            exemplars=True,
        ),
        Panel(
            "Tokens a second",
            "short",
            {"{{gen_ai_token_type}}": rate("gen_ai_client_token_usage_sum", "gen_ai_token_type")},
        ),
        Panel(
            "Dollars in an hour",
            "currencyUSD",
            {"{{model}}": "sum by (model)(increase(perpetua_decider_cost_dollars_total[1h]))"},
        ),
        Panel("Budget left", "percentunit", {"{{budget}}": "min by (budget)(perpetua_decider_budget_left_ratio)"}),
        Panel("Breakers: 0 closed, 2 open", "none", {"{{model}}": "max by (model)(perpetua_decider_breaker_state)"}),
        Panel("Keys: 1 taken, 0 not", "none", {"{{provider}}": "min by (provider)(perpetua_decider_key_valid)"}),
        Panel("Failed calls in a row", "short", {"{{model}}": "max by (model)(perpetua_decider_model_failures)"}),
        Panel(
            "Requests that an earlier decision answered",
            "percentunit",
            {
                "cached": rate("perpetua_context_requests_total", where='{outcome="cached"}')
                + " / "
                + rate("perpetua_context_requests_total")
            },
        ),
    ),
)
RISK = Dashboard(
    "perpetua-risk",
    "Perpetua: risk and execution",
    (
        Panel("Decisions by verdict", "ops", {"{{outcome}}": rate("perpetua_validator_decisions_total", "outcome")}),
        Panel(
            "Verdicts on assets",
            "ops",
            {"{{verdict}} {{action}}": rate("perpetua_validator_verdicts_total", "verdict, action")},
        ),
        Panel(
            "What rules did",
            "ops",
            {"{{reason}} {{effect}}": rate("perpetua_validator_receipts_total", "reason, effect")},
        ),
        Panel("Judging, 99 of 100", "s", {"judge": quantile(0.99, "perpetua_validator_judge_seconds")}, exemplars=True),
        Panel("Equity", "currencyUSD", {"{{mode}}": "sum by (mode)(perpetua_executor_equity_dollars)"}),
        Panel("Exposure", "currencyUSD", {"{{mode}}": "sum by (mode)(perpetua_executor_exposure_dollars)"}),
        Panel("Open positions", "short", {"{{mode}}": "sum by (mode)(perpetua_executor_open_positions)"}),
        Panel("Without a stop", "s", {"{{mode}}": "max by (mode)(perpetua_executor_unprotected_seconds)"}),
        Panel(
            "Since the last reconciliation", "s", {"{{mode}}": "max by (mode)(perpetua_executor_reconcile_age_seconds)"}
        ),
        Panel("Accounts that may not open", "short", {"{{mode}}": "sum by (mode)(perpetua_executor_halted_accounts)"}),
        Panel("Partitions held (of 16)", "short", {"held": "sum(perpetua_executor_partitions_held)"}),
        Panel("Accounts open", "short", {"{{instance}}": "perpetua_executor_accounts_open"}),
    ),
)
INFRASTRUCTURE = Dashboard(
    "perpetua-infrastructure",
    "Perpetua: infrastructure",
    (
        Panel("Memory", "bytes", {"{{job}} {{instance}}": "process_resident_memory_bytes"}),
        Panel(
            "Processor", "percentunit", {"{{job}} {{instance}}": "rate(process_cpu_seconds_total[$__rate_interval])"}
        ),
        Panel("Open files", "short", {"{{job}} {{instance}}": "process_open_fds"}),
        Panel("Reconnects to NATS", "ops", {"{{job}}": rate("perpetua_runtime_nats_reconnects_total", "job")}),
        Panel("Redis reached by the deciders", "none", {"up": "min(perpetua_decider_redis_up)"}),
        Panel("From the log to the history", "s", {"{{durable}}": "max by (durable)(perpetua_ledger_lag_seconds)"}),
        Panel(
            "API requests", "reqps", {"{{route}} {{status}}": rate("perpetua_gateway_requests_total", "route, status")}
        ),
        Panel(
            "From a request to its decision, 95 of 100",
            "s",
            {"{{status}}": quantile(0.95, "perpetua_gateway_generate_seconds", "status")},
            exemplars=True,
        ),
        Panel("Streams that are open", "short", {"streams": "sum(perpetua_gateway_streams)"}),
        Panel("Notices", "ops", {"{{outcome}}": rate("perpetua_notifier_notices_total", "outcome")}),
        Panel(
            "Notices that may be repeats",
            "ops",
            {"{{route}}": rate("perpetua_notifier_possible_repeats_total", "route")},
        ),
    ),
)
BOARDS = (PIPELINE, DECIDER, RISK, INFRASTRUCTURE)
