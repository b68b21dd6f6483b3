"""A run of `perpetua replay`, as its folder tells it."""

import json


def replayed(grown_pct: float) -> dict[str, str]:
    """The files that the page reads, by their names; one account that traded for a day."""
    beside = {"verdict": "no difference shown", "mean_bps": 0.1, "low_bps": -1, "high_bps": 1}
    statistics = {"sharpe": 0.5, "trades": 3, "win_rate_pct": 33.3}
    account = {"account_id": "swing", "strategy_id": "swing", "return_pct": grown_pct, "max_drawdown_pct": 3}
    account |= {"against_flat": beside, "against_equal_weight": beside, "statistics": statistics}
    run = {
        "policy": "builtin/trend",
        "from": "2025-05-15T00:00:00+00:00",
        "to": "2025-05-16T00:00:00+00:00",
        "market": {},
    }
    points = [
        {"at": run[name], "account_id": "swing", "equity": equity} for name, equity in (("from", "100"), ("to", "101"))
    ]
    lines = "".join(f"{json.dumps(point)}\n" for point in points)
    return {"summary.json": json.dumps({"accounts": [account]}), "run.json": json.dumps(run), "equity.jsonl": lines}
