"""What a run is to be: parsed from options and environment, checked before anything is started."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cli.errors import CliError
from cli.files import known_symbols, todo
from cli.project import CONFIG, SHARED_DATA, StateFolder, shown
from cli.run.workers import NAMES, WORKERS
from libs.schemas.symbols import canonical

Feed = Literal["replay", "synthetic", "ccxt", "none"]
FEEDS: tuple[Feed, ...] = ("replay", "synthetic", "ccxt", "none")
START_DAY = 11
MAX_SPEED = 100_000
MAX_REPLICAS = 32


@dataclass(frozen=True, slots=True)
class Plan:
    """A run. `data` is the folder of candles, None unless the feed replays; `seed` of the synthetic market; `optional`
    are those of the optional workers that it has."""

    state: StateFolder
    feed: Feed
    data: Path | None
    speed: float
    symbols: tuple[str, ...]
    replicas: Mapping[str, int] = field(default_factory=dict)
    seed: int | None = None
    optional: frozenset[str] = frozenset()

    @property
    def market(self) -> str:
        return {"replay": "real", "synthetic": "synthetic", "ccxt": "live", "none": "none"}[self.feed]

    @property
    def workers(self) -> tuple[tuple[str, int], ...]:
        """(name, number from 1) of each process. Without a feed its worker sets the market's clock to wall time."""
        names = (name for name in NAMES if not WORKERS[name].optional or name in self.optional)
        return tuple((name, n) for name in names for n in range(1, self.replicas.get(name, 1) + 1))

    @property
    def series(self) -> str:
        """What one state folder can hold only one of: times of two markets would run into each other."""
        return (
            f"synthetic market {self.seed if self.seed is not None else 1}" if self.feed == "synthetic" else self.feed
        )


def make_plan(
    *,
    state: Path,
    env: Mapping[str, str],
    feed: str | None = None,
    data: Path | None = None,
    speed: float = 60.0,
    symbols: str | None = None,
    replicas: str = "",
    seed: int | None = None,
) -> Plan:
    """Raises CliError for whatever could not run. Without `feed`, candles are replayed where there are some."""
    if not 0 < speed <= MAX_SPEED:
        raise CliError(f"a speed of {speed:g} is not possible", f"take a number above 0, up to {MAX_SPEED}")
    folder, here = _data_folder(data, env), StateFolder(state.resolve())
    chosen = _feed(feed, folder, data)
    wanted, optional = parse_replicas(replicas), _optional(env)
    if idle := [name for name in wanted if WORKERS[name].optional and name not in optional]:
        raise CliError(f"--replicas: {idle[0]} has nothing to do here", "write routes: docs/notifications.md")
    return Plan(
        here,
        chosen,
        folder if chosen == "replay" else None,
        speed,
        _symbols(symbols or env.get("ASSETS") or "", here.config, folder if chosen == "replay" else None),
        wanted,
        seed,
        optional,
    )


def _optional(env: Mapping[str, str]) -> frozenset[str]:
    """The notifier where there are routes, also where they cannot be read: what is wrong with them is told later."""
    from cli.run.routes import folder_of
    from services.notifier.application.routes_file import load
    from services.notifier.domain.routes import RoutesError

    try:
        return frozenset({"notifier"} if load(folder_of(env)) else ())
    except RoutesError:
        return frozenset({"notifier"})


def check_market(plan: Plan) -> None:
    """CliError when the folder holds another market than the one that is to be played."""
    try:
        before = plan.state.market.read_text().strip()
    except OSError:
        return
    if before != plan.series:
        raise CliError(
            f"{shown(plan.state.folder)} holds the {before}, this would be the {plan.series}",
            "take another --state-dir, or start over by `perpetua reset`",
        )


def parse_replicas(text: str) -> dict[str, int]:
    """`decider=3,context=2` -> {"decider": 3, "context": 2}."""
    wanted: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, count = part.partition("=")
        if name not in WORKERS:
            raise CliError(f"--replicas: {name!r} is not a worker", f"workers: {', '.join(NAMES)}")
        if not equals or not count.isascii() or not count.isdigit() or not 1 <= int(count) <= MAX_REPLICAS:
            raise CliError(f"--replicas: {part!r} is not understood", f"write {name}=2; 1 to {MAX_REPLICAS} copies")
        if name in wanted:
            raise CliError(f"--replicas: {name} is named twice", "name each worker once")
        if WORKERS[name].single and int(count) != 1:
            raise CliError(f"--replicas: one {name} is enough here", "replicate the other workers")
        wanted[name] = int(count)
    return wanted


def traded_symbols(folder: Path = CONFIG) -> tuple[str, ...]:
    """Those of the paper venue that an account of the files trades, all where they name none: what a run plays."""
    import yaml

    from libs.configuration.yaml_text import yaml_value

    try:
        rows = yaml_value((folder / "accounts.yaml").read_text())["accounts"]
        named = {symbol for row in rows for symbol in row["symbols"]}
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        file = folder / "accounts.yaml"
        raise CliError(f"{shown(file)} cannot be read: {error}", todo(file)) from error
    known = known_symbols(folder)
    return tuple(symbol for symbol in known if symbol in named) or known


def _data_folder(given: Path | None, env: Mapping[str, str]) -> Path | None:
    """The folder of candles: asked for, from the environment, or the shared one if it is there."""
    asked = given or (Path(env["PERPETUA_DATA_DIR"]) if env.get("PERPETUA_DATA_DIR") else None)
    if asked is None:
        return SHARED_DATA if candle_files(SHARED_DATA) else None
    source = "--data" if given else "PERPETUA_DATA_DIR"
    if not asked.is_dir():
        raise CliError(
            f"{source}: {asked} is not a folder",
            "name the folder that holds <symbol>-1m.csv or <symbol>-1m.csv.gz files",
        )
    if not candle_files(asked):
        raise CliError(
            f"{source}: no <symbol>-1m.csv.gz or -1m.csv in {asked}",
            "name the folder that holds the candles: docs/data.md",
        )
    return asked.resolve()


def _feed(wanted: str | None, folder: Path | None, data: Path | None) -> Feed:
    if wanted is None:
        return "replay" if folder else "synthetic"
    if wanted not in FEEDS:
        raise CliError(f"--feed: {wanted!r} is not a feed", f"take one of {', '.join(FEEDS)}")
    if wanted == "replay" and folder is None:
        raise CliError(
            f"--feed replay: no candles in {shown(SHARED_DATA)}", "name a folder by --data, or take --feed synthetic"
        )
    if wanted != "replay" and data is not None:
        raise CliError(f"--data does not go with --feed {wanted}", "leave one of them out")
    return next(feed for feed in FEEDS if feed == wanted)


def candle_files(folder: Path) -> dict[str, Path]:
    """By symbol, as the feed reads them: plain or gzipped, plain before gzipped."""
    found = sorted((*folder.glob("*-1m.csv.gz"), *folder.glob("*-1m.csv")), key=lambda path: path.suffix == ".csv")
    return {path.name.removesuffix(".gz").removesuffix("-1m.csv"): path for path in found}


def _symbols(text: str, config: Path, folder: Path | None) -> tuple[str, ...]:
    known = known_symbols(config)
    written = [part.strip() for part in text.split(",") if part.strip()]
    wanted = list(dict.fromkeys(canonical(part) or part for part in written)) or list(traded_symbols(config))
    for symbol in wanted:
        if symbol not in known:
            raise CliError(f"{symbol} is not a symbol of the paper venue", f"it has {', '.join(known)}")
    if folder is not None:
        _check_files(wanted, folder, explicit=bool(text))
    return tuple(wanted)


def _check_files(symbols: Sequence[str], folder: Path, *, explicit: bool) -> None:
    """Each symbol needs a file of candles."""
    files = candle_files(folder)
    for symbol in symbols:
        if symbol not in files:
            hint = f"there are {', '.join(files)}" + ("" if explicit else ": name them by --symbols")
            raise CliError(f"no candles of {symbol} in {folder}", hint)
