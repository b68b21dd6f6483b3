"""What can go wrong with a server, in words for the person at the terminal."""


class ServerError(Exception):
    """A server cannot be found, started or reached.

    `message` says what happened, `hint` what to do about it; one line each, no credentials in either.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.message = " ".join(message.split())
        self.hint = " ".join(hint.split())

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})"
