"""What a strategy's own template may name."""

from typing import Any

from libs.schemas.context import TradingContext

_UNTOLD: Any = {"active_strategy": True, "open_positions": {"__all__": {"exit_plan", "invalidation"}}}


def template_variables(context: TradingContext) -> dict[str, Any]:
    """What a strategy's own template may name: `strategy`, `account`, `symbols`. Plain values, no methods of ours.

    What a model wrote of a position is not among them: a text that was injected once would come back each time.
    """
    account = context.account_state
    return {
        "strategy": account.active_strategy.model_dump(exclude={"prompt_template"}),
        "account": account.model_dump(exclude=_UNTOLD),
        "symbols": list(context.symbols),
    }
