"""Pure rules over decisions: `judge`, `account_view`, and the values they take and give."""

from libs.risk.accounts import account_view
from libs.risk.judge import judge
from libs.risk.values import AccountView, Judgement, Limits, PositionView, Resting, RuleReceipt, SizedOrder, Verdict

__all__ = [
    "AccountView",
    "Judgement",
    "Limits",
    "PositionView",
    "RuleReceipt",
    "Resting",
    "SizedOrder",
    "Verdict",
    "account_view",
    "judge",
]
