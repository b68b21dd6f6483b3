"""What a strategy's own template may name."""

from typing import Any

from libs.schemas.context import TradingContext


def template_variables(context: TradingContext) -> dict[str, Any]:
    """What a strategy's own template may name: `strategy`, `account`, `symbols`. Plain values, no methods of ours."""
    account = context.account_state
    return {
        "strategy": account.active_strategy.model_dump(exclude={"prompt_template"}),
        "account": account.model_dump(exclude={"active_strategy"}),
        "symbols": list(context.symbols),
    }
