"""Closed enums of every reason the system gives. Denied is ours, rejected the venue's, failed a fault."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a rule denied or clamped an asset, or warned about it (receipts)."""

    UNKNOWN_ASSET = "unknown_asset"
    DUPLICATE_ENTRY = "duplicate_entry"
    FIELDS_MISSING = "fields_missing"
    FIELDS_CONFLICT = "fields_conflict"
    NO_POSITION = "no_position"
    ACCOUNT_PAUSED = "account_paused"
    ACCOUNT_STOPPED = "account_stopped"
    TRADING_REDUCING = "trading_reducing"
    TRADING_HALTED = "trading_halted"
    DECISION_EXPIRED = "decision_expired"
    STALE_ASSET = "stale_asset"
    NO_PRICE = "no_price"
    NO_INDICATORS = "no_indicators"
    PRICE_DRIFT = "price_drift"
    STOP_DEFAULTED = "stop_defaulted"
    STOP_MISSING = "stop_missing"
    TARGET_DEFAULTED = "target_defaulted"
    STOP_WRONG_SIDE = "stop_wrong_side"
    TARGET_WRONG_SIDE = "target_wrong_side"
    TARGET_ABSURD = "target_absurd"
    STOP_MOVED_AWAY = "stop_moved_away"
    STOP_CANCELLED = "stop_cancelled"
    REWARD_TOO_SMALL = "reward_too_small"
    LIQUIDATION_TOO_NEAR = "liquidation_too_near"
    LEVERAGE_CLAMPED = "leverage_clamped"
    LEVERAGE_FIXED = "leverage_fixed"
    RISK_CLAMPED = "risk_clamped"
    POSITION_SIZE_CLAMPED = "position_size_clamped"
    EXPOSURE_CLAMPED = "exposure_clamped"
    CONCENTRATION_CLAMPED = "concentration_clamped"
    CORRELATION_CLAMPED = "correlation_clamped"
    MARGIN_CLAMPED = "margin_clamped"
    SIZED = "sized"
    MAX_POSITIONS = "max_positions"
    DAILY_LOSS = "daily_loss"
    COOLDOWN = "cooldown"
    FUNDING_ADVERSE = "funding_adverse"
    FUNDING_NEAR = "funding_near"
    OPPOSITE_SIDE = "opposite_side"
    BELOW_MINIMUM = "below_minimum"
    NOTHING_LEFT = "nothing_left"
    TOTAL_MISMATCH = "total_mismatch"
    RATIONALE_MISSING = "rationale_missing"
    CAPPED_AT_POSITION = "capped_at_position"
    SUPERSEDED = "superseded"


class AbstainReason(StrEnum):
    """Why the decider has no decision. An abstention is never a hold."""

    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    AUTH = "auth"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    INVALID = "invalid"
    BUDGET = "budget"
    BUDGET_UNAVAILABLE = "budget_unavailable"
    UNKNOWN_MODEL = "unknown_model"
    EXPIRED = "expired"
    CALL_CAP = "call_cap"


class RejectReason(StrEnum):
    """Why a request ended without anything to execute."""

    UNKNOWN_ACCOUNT = "unknown_account"
    NO_STRATEGY = "no_strategy"
    NO_STATE = "no_state"
    NO_MARKET = "no_market"
    ABSTAINED = "abstained"
    EXPIRED = "expired"
    NOTHING_PASSED = "nothing_passed"
    DEAD_LETTERED = "dead_lettered"
    BUSY = "busy"


class ContextErrorCode(StrEnum):
    """Codes of the errors that a context carries beside what it could build."""

    STALE = "stale"
    NO_TICK = "no_tick"
    NO_CANDLES = "no_candles"
    WARM_UP = "warm_up"
    SHORT_HISTORY = "short_history"
    GAP = "gap"
    BEYOND_BOUNDS = "beyond_bounds"
    UNKNOWN_SYMBOL = "unknown_symbol"
    LEFT_OUT = "left_out"


class DeadLetterCode(StrEnum):
    """Why a message was put aside."""

    MALFORMED = "malformed"
    INVALID = "invalid"
    OVERSIZED = "oversized"
    FUTURE = "future"
    SUBJECT_MISMATCH = "subject_mismatch"
    MAX_DELIVERIES = "max_deliveries"
    HANDLER_ERROR = "handler_error"


class OrderReason(StrEnum):
    """Why an order or position event happened."""

    DECISION = "decision"
    STOP = "stop"
    TARGET = "target"
    LIQUIDATION = "liquidation"
    FUNDING = "funding"
    FLATTEN = "flatten"
    EXPIRED = "expired"
    POSITION_CLOSED = "position_closed"
    REPLACED = "replaced"
    WOULD_MATCH = "would_match"
    INSUFFICIENT_MARGIN = "insufficient_margin"
    FILTER = "filter"
    STATE_CHANGED = "state_changed"
    CONTROL = "control"
    VENUE_ERROR = "venue_error"
    REPRICED = "repriced"
    MAX_HOLD = "max_hold"
    UNPROTECTED = "unprotected"
    TOO_MANY_ORDERS = "too_many_orders"
    DAILY_LOSS = "daily_loss"
