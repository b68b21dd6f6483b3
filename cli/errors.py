"""What goes wrong, in words for the person at the terminal."""

from libs.schemas.names import Key, is_key


class CliError(Exception):
    """Ends a command: `message` says what is wrong, `hint` what to do; one line each, no secrets in either."""

    def __init__(self, message: str, hint: str, code: int = 1) -> None:
        super().__init__(message, hint)
        self.message = " ".join(message.split())
        self.hint = " ".join(hint.split())
        self.code = code

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})"


def named(text: str) -> Key:
    """The name of an account or a strategy that somebody typed. CliError for what is none."""
    if not is_key(text):
        raise CliError(f"{text[:40]!r} is no name", "a name has 1 to 32 letters, digits, - and _")
    return text
