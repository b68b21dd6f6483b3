"""What a start will need, asked before anything is started: variables, files, candles, and the models that will decide.

`perpetua doctor` says all of it; `up` and `demo` end at the first that would not work, and tell what looks wrong.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cli.errors import CliError
from cli.files import known_symbols
from cli.own_variables import read as read_variables
from cli.project import CONFIG, StateFolder, shown
from cli.run.finding import Finding
from cli.run.plan import Plan, candle_files
from cli.run.routes import of_routes
from cli.run.variables import invalid_settings, known_variables, mistyped, nearly_ours

if TYPE_CHECKING:
    from services.decider.domain.authentication import Check
    from services.decider.domain.catalogue import Catalogue
    from services.decider.settings import Settings

HTTP_URLS = ("LLM_BASE_URL", "OPENROUTER_API_BASE")
KEYS = ("OPENROUTER_API_KEY", "LLM_API_KEY")
KEY_PATIENCE_S = 4.0
RULE = "builtin"


def preflight(plan: Plan, env: Mapping[str, str]) -> Iterator[Finding]:
    """All of it, each as soon as it is known. `env` is the process's own environment."""
    yield from of_own(plan.state)
    yield from of_settings(env)
    yield from of_accounts(plan.symbols, plan.state.config)
    yield from of_candles(plan)
    yield from of_models(env, plan.state.config)
    yield from of_routes(env)


def check(plan: Plan, env: Mapping[str, str], say: Callable[[str], None]) -> None:
    """CliError for the first that would not work; what may be a mistake is said."""
    for finding in preflight(plan, env):
        if finding.level == "fail":
            raise CliError(f"{finding.what}: {finding.found}", finding.todo)
        if finding.level == "warn":
            say(f"note: {finding.found}: {finding.todo}")


def of_settings(env: Mapping[str, str]) -> Iterator[Finding]:
    found = [*_mistyped(env), *_addresses(env)]
    yield from found
    if present := [name for name in KEYS if env.get(name)]:
        yield Finding("ok", "keys", f"set in this environment: {', '.join(present)}")
    if not any(finding.level == "fail" for finding in found):
        ours = sum(key.startswith("PERPETUA_") for key in env)
        yield Finding("ok", "settings", f"{ours} PERPETUA_ variables are set")


def of_own(state: StateFolder) -> Iterator[Finding]:
    """What the folder keeps for whatever runs in it, by name."""
    kept = read_variables(state.variables)
    yield from (
        Finding("fail", "settings", f"{shown(state.variables)}: {mistake}", "correct that line, or remove it")
        for mistake in kept.mistakes
    )
    if kept.values:
        yield Finding("ok", "settings", f"{shown(state.variables)} sets {', '.join(kept.values)}")


def _mistyped(env: Mapping[str, str]) -> Iterator[Finding]:
    known = known_variables()
    for key, meant in mistyped(env, known):
        todo = f"did you mean {meant}?" if meant else "unset it; .env.example names all that there are"
        yield Finding("fail", "settings", f"{key} is not a setting", todo)
    for line in invalid_settings(env):
        yield Finding("fail", "settings", line, "correct or unset that variable")
    for key, meant in nearly_ours(env, known):
        yield Finding("warn", "settings", f"{key} is set, and nothing here reads it", f"did you mean {meant}?")


def _addresses(env: Mapping[str, str]) -> Iterator[Finding]:
    for key in HTTP_URLS:
        if (url := env.get(key, "").strip()) and (wrong := wrong_address(url)):
            yield Finding("fail", "settings", f"{key} {wrong}", "write it like http://127.0.0.1:11434/v1")


def wrong_address(url: str) -> str:
    """What is wrong with the base URL of an OpenAI-compatible server; empty where nothing is. Never the URL itself: it
    may hold a password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is no URL"
    if parts.scheme not in ("http", "https"):
        return "does not begin with http:// or https://"
    if not parts.hostname or port == 0:
        return "names no host" if not parts.hostname else "has no port that can be called"
    if parts.path.rstrip("/").endswith("/chat/completions"):
        return "is the address of a call: the part before /chat/completions is wanted"
    return ""


def of_accounts(played: tuple[str, ...], folder: Path) -> Iterator[Finding]:
    """The files of configuration, and accounts that name what there is not."""
    from cli.run.seed import read_accounts, read_all

    try:
        count, known = len(read_all(played, folder)), known_symbols(folder)
        for account in read_accounts(folder):
            if left := [symbol for symbol in account.symbols if symbol not in known]:
                kept = [symbol for symbol in account.symbols if symbol in played] or list(played)
                said = (
                    f"accounts.yaml: {account.account_id} names {', '.join(left)}, which the paper venue does not have"
                )
                yield Finding("warn", "config", said, f"it trades {', '.join(kept)} here")
    except CliError as error:
        yield Finding("fail", "config", error.message, error.hint)
        return
    yield Finding("ok", "config", f"{count} accounts, strategies and symbols in {shown(folder)} are valid")


def of_candles(plan: Plan) -> Iterator[Finding]:
    """Every row of every file that is to be played, once: what was whole is not read again while it is the same."""
    if plan.data is None:
        return
    from services.feed.app import DataError, check_candles

    remembered = plan.state.folder / "checked.json"
    marks = {symbol: _mark(candle_files(plan.data)[symbol]) for symbol in plan.symbols}
    known = _known(remembered)
    try:
        for symbol in plan.symbols:
            if known.get(symbol) != marks[symbol]:
                check_candles(plan.data, symbol)
    except DataError as error:
        yield Finding("fail", "data", str(error), "correct the file: docs/data.md says what candles look like")
        return
    if plan.state.folder.is_dir():
        remembered.write_text(json.dumps(known | marks))
    yield Finding("ok", "data", f"candles of {', '.join(plan.symbols)} in {plan.data}")


def _mark(file: Path) -> str:
    stat = file.stat()
    return f"{file} {stat.st_size} {stat.st_mtime_ns}"


def _known(file: Path) -> dict[str, str]:
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def of_models(env: Mapping[str, str], folder: Path = CONFIG) -> Iterator[Finding]:
    """Who will decide, whether the catalogue knows them, and whether their keys are taken. Keys are never shown."""
    from services.decider.application.models_file import load
    from services.decider.domain.catalogue import CatalogueError
    from services.decider.settings import Settings

    if invalid_settings(env):
        return  # said already
    settings = Settings()
    try:
        catalogue = load(settings.config_dir)
    except CatalogueError as error:
        yield Finding("fail", "models", str(error), "correct models.yaml")
        return
    needed: dict[str, list[str]] = {}
    for whose, text in _deciders(settings, catalogue, folder).items():
        yield from _of_chain(whose, text, catalogue, needed)
    for provider, names in needed.items():
        if provider != RULE:
            yield of_key(asyncio.run(checked(settings, provider, names)))


def _deciders(settings: "Settings", catalogue: "Catalogue", folder: Path) -> dict[str, str]:
    """Who names models, and which: what decides by default, then accounts and strategies of their own."""
    from cli.run.seed import read_accounts, read_strategies

    by = "LLM_MODEL" if settings.llm_model else "chain of models.yaml"
    found = {f"{by}: all that name no model": settings.llm_model or ",".join(catalogue.chain)}
    try:
        strategies = {strategy.strategy_id: strategy for strategy in read_strategies(folder)}
        accounts = read_accounts(folder)
    except CliError:  # said already
        return found
    for account in accounts:
        strategy = strategies.get(account.strategy_id)
        if strategy is not None and strategy.model:
            found[f"strategy {strategy.strategy_id}"] = strategy.model
        elif account.model:
            found[f"account {account.account_id}"] = account.model
    return found


def _of_chain(whose: str, text: str, catalogue: "Catalogue", needed: dict[str, list[str]]) -> Iterator[Finding]:
    from services.decider.domain import routing
    from services.decider.domain.catalogue import UnknownModel

    chain = routing.entries(catalogue, routing.names(text))
    if isinstance(chain, UnknownModel):
        yield Finding("fail", "models", f"{whose}: {text} cannot decide", str(chain))
        return
    for entry in chain:
        needed.setdefault(entry.provider, []).append(entry.id)
    yield Finding("ok", "models", f"{whose}: {', '.join(entry.id for entry in chain)} decides")


async def checked(settings: "Settings", provider: str, names: list[str]) -> "Check | str":
    from services.decider.app import keys_of

    try:
        async with asyncio.timeout(KEY_PATIENCE_S):
            return await keys_of(settings).validate_authentication(provider, names, datetime.now(UTC))
    except TimeoutError:
        return f"{provider} has not answered within {KEY_PATIENCE_S:g} s: whether it takes the key is not known"


def of_key(found: "Check | str") -> Finding:
    from services.decider.domain.authentication import WRONG, KeyVerdict

    if isinstance(found, str):
        return Finding("warn", "keys", found, "decisions abstain while it does not answer")
    if found.verdict is KeyVerdict.VALID:
        return Finding("ok", "keys", f"{found.provider} takes the key ({found.actual})")
    said = {
        KeyVerdict.REFUSED: f"{found.provider} refuses the key ({found.actual})",
        KeyVerdict.NO_CREDIT: f"{found.provider}: the key has no credit left ({found.actual})",
        KeyVerdict.NO_KEY: f"{found.provider} is asked for {', '.join(found.models)} and has no key or address",
        KeyVerdict.UNREACHABLE: f"{found.provider} cannot be reached ({found.actual})",
    }.get(found.verdict, f"{found.provider}: what the key is worth is not proven ({found.actual})")
    return Finding("fail" if found.verdict in WRONG else "warn", "keys", said, found.hint or "see docs/models.md")
