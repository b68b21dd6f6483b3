"""Settings of the feed."""

from pathlib import Path
from typing import Literal, Self

from pydantic import AliasChoices, Field, TypeAdapter, model_validator

from libs.runtime.settings import PaceSettings, RuntimeSettings
from libs.schemas.base import Symbol
from libs.schemas.symbols import canonical

SYMBOLS = TypeAdapter(tuple[Symbol, ...])


class Settings(PaceSettings, RuntimeSettings):
    """`start_day` is the day of the data, from 1, that is played first; days before it are history."""

    feed: Literal["replay", "synthetic", "ccxt", "none"] = "synthetic"
    feed_venue: Literal["aster", "binanceusdm"] = Field(default="aster", description="exchange of PERPETUA_FEED=ccxt")
    stream_silence: float = Field(
        default=60, gt=0, le=3_600, description="wall seconds without a mark after which a live stream is opened anew"
    )
    data_dir: Path | None = Field(default=None, description="folder of <symbol>-1m.csv.gz and <symbol>-funding.csv.gz")
    speed: float = Field(default=60, gt=0, le=100_000, description="market seconds a wall second")
    lockstep: bool = Field(
        default=False, description="play each moment only when all decisions of the one before have ended; no speed"
    )
    assets: str = Field(
        default="",
        validation_alias=AliasChoices("ASSETS", "assets"),
        description="symbols, separated by commas; all that there are when empty",
    )
    start_day: int = Field(default=11, ge=1, le=1_000)
    history_days: int = Field(default=10, ge=0, le=366, description="days of candles before the first one played")
    seed: int = Field(default=1, description="of the synthetic market")

    @property
    def symbols(self) -> tuple[str, ...]:
        written = (part.strip() for part in self.assets.split(",") if part.strip())
        return tuple(dict.fromkeys(canonical(part) or part for part in written))

    @model_validator(mode="after")
    def _playable(self) -> Self:
        for symbol in self.symbols:
            if canonical(symbol) is None:
                raise ValueError(f"ASSETS names {symbol!r}, which is no linear perpetual; write it like BTCUSDT")
        SYMBOLS.validate_python(self.symbols)
        if self.feed == "replay" and (self.data_dir is None or not self.data_dir.is_dir()):
            given = "it is not set" if self.data_dir is None else f"{self.data_dir} is not a folder"
            raise ValueError(f"PERPETUA_FEED=replay needs PERPETUA_DATA_DIR, the folder of candles; {given}")
        if self.feed == "ccxt" and not self.symbols:
            raise ValueError("PERPETUA_FEED=ccxt needs ASSETS, the symbols to follow, e.g. BTCUSDT,ETHUSDT")
        return self
