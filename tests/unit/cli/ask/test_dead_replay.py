import pytest

from cli.commands.root import app
from cli.errors import CliError


@pytest.mark.parametrize("options", [[], ["1", "--all"]])
def test_the_command_asks_which_letters_are_meant(options: list[str]) -> None:
    with pytest.raises(CliError, match="which dead letters"):
        app(["dead", "replay", *options], standalone_mode=False)
