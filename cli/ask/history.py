"""What became of the accounts: trades, positions, orders, figures, alerts, decisions, as rows of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cli.ask import came_of
from cli.ask.api import Api
from cli.ask.ticks import TickSizes, by_tick


@dataclass(frozen=True, slots=True)
class Rows:
    """A table: `columns` name what each row holds, `items` are the whole rows for programs."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    items: list[dict[str, Any]]
    none: str


def performance(api: Api, account: str | None, timeframe: str) -> Rows:
    columns = ("account", "wallet", "return %", "realised", "fees", "funding", "trades", "win rate", "drawdown %")
    items = []
    for name in api.accounts(account):
        state, scored = (
            api.get("accounts", name, "state"),
            api.get("accounts", name, "performance", timeframe=timeframe),
        )
        start = Decimal(str(api.get("accounts", name)["initial_balance"]))
        items.append({"account_id": name, "state": state, "scored": scored, "start": str(start)})
    return Rows(columns, [_performance(item) for item in items], items, "no accounts")


def _performance(item: dict[str, Any]) -> tuple[str, ...]:
    state, figures, start = item["state"], item["state"]["performance"], Decimal(item["start"])
    wallet = Decimal(str(state["wallet_balance"]))
    return (
        item["account_id"],
        money(wallet),
        f"{(wallet / start - 1) * 100:+.2f}" if start else "",
        money(state["realised_total"]),
        money(state["fees_total"]),
        money(state["funding_total"]),
        str(figures["trades"]),
        f"{float(figures['win_rate']):.0f} %" if figures["trades"] else "",
        f"{float(figures['max_drawdown']):.2f}",
    )


def trades(api: Api, account: str | None, limit: int) -> Rows:
    columns = ("closed", "account", "symbol", "side", "quantity", "entry", "exit", "profit", "fees", "funding", "why")
    items = [
        {"account_id": name, **trade}
        for name in api.accounts(account)
        for trade in api.get("accounts", name, "state")["closed_trades"]
    ]
    items = sorted(items, key=lambda item: str(item["closed_at"]), reverse=True)[:limit]
    rows = [
        (
            at(item["closed_at"]),
            *(str(item[name]) for name in ("account_id", "symbol", "side")),
            number(item["quantity"]),
            number(item["entry_price"]),
            number(item["exit_price"]),
            money(item["pnl"]),
            money(item["fees"]),
            money(item["funding"]),
            str(item.get("reason") or ""),
        )
        for item in items
    ]
    return Rows(columns, rows, items, "no closed trades")


def positions(api: Api, account: str | None, sizes: TickSizes) -> Rows:
    columns = ("account", "symbol", "side", "quantity", "entry", "leverage", "stop", "target", "liquidation", "opened")
    items = [
        {"account_id": name, **position}
        for name in api.accounts(account)
        for position in api.get("accounts", name, "state")["positions"]
    ]
    rows = [
        (
            *(str(item[name]) for name in ("account_id", "symbol", "side")),
            *(number(item[name]) for name in ("quantity", "entry_price", "leverage")),
            *(number(item.get(name)) for name in ("stop_loss", "take_profit")),
            _liquidation(item, sizes),
            at(item["opened_at"]),
        )
        for item in items
    ]
    return Rows(columns, rows, items, "no open positions")


def _liquidation(position: dict[str, Any], sizes: TickSizes) -> str:
    if (price := position.get("liquidation_price")) is None:
        return ""
    taken = position.get("stop_loss") or position.get("take_profit") or position["entry_price"]
    return by_tick(Decimal(str(price)), sizes.get(str(position["symbol"])), Decimal(str(taken)))


def orders(api: Api, account: str | None, limit: int) -> Rows:
    columns = ("made", "account", "symbol", "leg", "side", "type", "quantity", "price", "state", "profit", "order")
    items = [
        item for name in api.accounts(account) for item in api.get("accounts", name, "orders", limit=limit)["items"]
    ]
    items = sorted(items, key=lambda item: str(item["created_at"]), reverse=True)[:limit]
    rows = [
        (
            at(item["created_at"]),
            *(str(item[name]) for name in ("account_id", "symbol", "leg", "side", "type")),
            number(item["quantity"]),
            number(item.get("average_price") or item.get("price") or item.get("stop_price")),
            str(item["state"]),
            money(item["realized_pnl"]),
            str(item["client_order_id"]),
        )
        for item in items
    ]
    return Rows(columns, rows, items, "no orders")


def alerts(api: Api, limit: int) -> Rows:
    items = api.get("strategies", "alerts", limit=limit)["items"]
    rows = [
        (at(item["created_at"]), item["severity"], item["kind"], item.get("account_id") or "all", item["message"])
        for item in items
    ]
    return Rows(("at", "severity", "kind", "account", "message"), rows, items, "no alerts")


def decisions(api: Api, account: str | None, limit: int) -> Rows:
    items = api.get("decisions", "history", account_id=account, limit=limit)["items"]
    rows = [
        (
            at(item["created_at"]),
            item["account_id"],
            item["status"],
            ", ".join(f"{symbol} {action}" for symbol, action in _acted(item)) or "",
            item.get("reason") or "",
            item["decision_id"],
        )
        for item in items
    ]
    return Rows(("at", "account", "status", "actions", "reason", "decision"), rows, items, "no decisions")


def _acted(item: dict[str, Any]) -> list[tuple[str, str]]:
    entries = (item.get("decision") or {}).get("decisions") or ()
    return [(str(entry["asset"]), str(entry["action"])) for entry in entries if entry.get("action") != "hold"]


def decision(api: Api, decision_id: str) -> tuple[dict[str, Any], list[str]]:
    """A decision's record, and why it was made, what the rules said and what came of it, in lines."""
    record = api.get("decisions", decision_id)
    said = [f"{record['decision_id']}  {record['account_id']}  {record['status']}  {at(record['created_at'])}"]
    trigger, model = record.get("trigger"), record.get("model_used")
    if trigger:
        said.append(f"asked because of {trigger.get('kind', trigger) if isinstance(trigger, dict) else trigger}")
    said += [f"decided by {model}"] if model else []
    said += [f"ended: {record['reason']} {record.get('detail') or ''}".rstrip()] if record.get("reason") else []
    made = record.get("decision") or {}
    if why := made.get("portfolio_rationale"):
        said += ["", "why", f"  {' '.join(str(why).split())}"]
    said += ["", "verdicts", *(_verdict(each) for each in record["verdicts"])] if record["verdicts"] else []
    said += ["", "orders", *(_order(each) for each in record["orders"])] if record["orders"] else []
    said += ["", "fills", *(_fill(each) for each in record["fills"])] if record["fills"] else []
    became = came_of.lines(record.get("outcome"))
    said += ["", "what came of it", *became] if became else []
    return record, said


def _verdict(each: dict[str, Any]) -> str:
    receipts = [one for one in each.get("receipts", ()) if one.get("severity") != "info"]
    why = "; ".join(str(one.get("message") or one.get("reason")) for one in receipts)
    return f"  {each['asset']} {each['action']}: {each['verdict']}" + (f" ({why})" if why else "")


def _order(each: dict[str, Any]) -> str:
    price = each.get("average_price") or each.get("price") or each.get("stop_price")
    what = f"{each['symbol']} {each['leg']} {each['side']} {each['type']} {number(each['quantity'])}"
    return f"  {what}" + (f" at {number(price)}" if price else "") + f": {each['state']}"


def _fill(each: dict[str, Any]) -> str:
    profit = f", profit {money(each['realized_pnl'])}" if Decimal(str(each["realized_pnl"])) else ""
    what = f"{each['symbol']} {each['side']} {number(each['quantity'])} at {number(each['price'])}"
    return f"  {at(each['at'])} {what}{profit}"


def at(text: Any) -> str:
    return str(text)[5:19].replace("T", " ")


def money(value: Any) -> str:
    return f"{Decimal(str(value)):,.2f}"


def number(value: Any) -> str:
    return "" if value is None else f"{Decimal(str(value)).normalize():f}"
