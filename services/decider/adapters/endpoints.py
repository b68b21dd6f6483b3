"""Where providers are, and the keys for them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Endpoint:
    """Where a provider is, and the key for it. `asks_key` where no call makes sense without one."""

    base_url: str | None
    key: str | None
    key_variable: str
    asks_key: bool

    def hide(self, text: str) -> str:
        return text.replace(self.key, "[key]") if self.key else text
