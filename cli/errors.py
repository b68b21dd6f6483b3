"""What goes wrong, in words for the person at the terminal."""


class CliError(Exception):
    """Ends a command: `message` says what is wrong, `hint` what to do; one line each, no secrets in either."""

    def __init__(self, message: str, hint: str, code: int = 1) -> None:
        super().__init__(message, hint)
        self.message = " ".join(message.split())
        self.hint = " ".join(hint.split())
        self.code = code

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})"
