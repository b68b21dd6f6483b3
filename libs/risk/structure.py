"""Structural rules: what a row must be before anything else is asked of it. They run on every row."""

from collections.abc import Callable

from libs.risk.case import Case, Row, deny
from libs.risk.values import Effect, RuleReceipt
from libs.schemas.reasons import Reason

StructureRule = Callable[[Row, Case], RuleReceipt | None]
EXITS = ("close", "decrease", "adjust")


def known_asset(row: Row, case: Case) -> RuleReceipt | None:
    """The account trades it and the venue lists it; whatever is open may always be closed."""
    asset = row.ask.asset
    if asset in case.limits.venue and asset in case.limits.account.symbols:
        return None
    if row.kind in EXITS and asset in case.account.positions:
        return None
    return deny("known_asset", Reason.UNKNOWN_ASSET, f"{asset} is not among the account's symbols at its venue")


def one_entry_per_asset(row: Row, case: Case) -> RuleReceipt | None:
    if row.kind != "entry" or case.entries[row.ask.asset] < 2:
        return None
    return deny("one_entry_per_asset", Reason.DUPLICATE_ENTRY, f"several entries for {row.ask.asset}: none is taken")


def action_fields(row: Row, case: Case) -> RuleReceipt | None:
    """Each action has the fields that it needs, and an entry or a hold none that contradict it."""
    ask = row.ask
    if ask.action == "hold":
        if ask.allocation_usd == 0:
            return None
        return deny("action_fields", Reason.FIELDS_CONFLICT, "a hold allocates 0")
    if ask.action in ("buy", "sell"):
        return _entry_fields(row)
    if ask.action == "adjust_position" and ask.position_adjustment is None:
        return deny("action_fields", Reason.FIELDS_MISSING, "adjust_position needs position_adjustment")
    if ask.action == "adjust_orders" and ask.order_adjustment is None:
        return deny("action_fields", Reason.FIELDS_MISSING, "adjust_orders needs order_adjustment")
    if ask.asset not in case.account.positions:
        return deny("action_fields", Reason.NO_POSITION, f"{ask.action} needs an open position in {ask.asset}")
    return None


def _entry_fields(row: Row) -> RuleReceipt | None:
    ask = row.ask
    if ask.position_adjustment is not None or ask.order_adjustment is not None:
        return deny("action_fields", Reason.FIELDS_CONFLICT, f"{ask.action} carries an adjustment of something else")
    if ask.allocation_usd == 0:
        return deny("action_fields", Reason.FIELDS_MISSING, f"{ask.action} needs allocation_usd above 0")
    return None


def rationale(row: Row, case: Case) -> RuleReceipt | None:
    """An entry without a reason or a way out is denied; anything else is only warned about."""
    ask = row.ask
    if ask.rationale.strip() and (ask.exit_plan.strip() or row.kind != "entry"):
        return None
    missing = [name for name, text in (("rationale", ask.rationale), ("exit_plan", ask.exit_plan)) if not text.strip()]
    effect: Effect = "deny" if row.kind == "entry" else "warn"
    return RuleReceipt("rationale", effect, Reason.RATIONALE_MISSING, f"{' and '.join(missing)} empty")


STRUCTURE_RULES: tuple[StructureRule, ...] = (known_asset, one_entry_per_asset, action_fields, rationale)
