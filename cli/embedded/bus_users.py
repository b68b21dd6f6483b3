"""The users of NATS as nats-server reads them, made of the table in libs/schemas/rights.py.

Each user has an account of its own that imports, from the account that owns the streams, the subjects that it may
publish to and nothing else; in that account itself is only who backs it up (docs/decisions/0068). Permissions alone
would not do: the server publishes replies, and what a consumer delivers, to any subject that a request names, whoever
asked (nats-server 2.15.1, its issue 8274). Across accounts such an answer stays in the account of who asked, where no
stream is.
"""

import json
from collections.abc import Iterable

from libs.schemas.rights import HEADS, USERS, BusUser

OWNER = "BUS"
_API = "$JS.API."
_PULL = "CONSUMER.MSG.NEXT."
ANSWERS_S = 45  # how long the answers of a pull find their way: more than it stays at the server
_IMPORTED_API = "BUS.API."  # in an account without streams the server itself answers on $JS.API


def password_variable(user: str) -> str:
    """The variable, of the file or of the environment, that holds a user's password."""
    return f"NATS_PASSWORD_{user.upper()}"


def accounts() -> str:
    """The accounts of nats-server's configuration; passwords are variables."""
    return f"accounts {{\n{_owner()}{''.join(_account(user) for user in USERS if not user.inside)}}}\n"


def _owner() -> str:
    """Trap: by default an exported service answers once, and the second message of a pull is sent to nobody.

    Each pull is named: where two exports fit a subject and none of them exactly, the server takes either.
    """
    services = (*HEADS, "$KV.>", f"{_API}>", "$JS.ACK.>", "$JS.FC.>")
    pulls = sorted({f"{_API}{one}" for user in USERS for one in user.api if one.startswith(_PULL)})
    inboxes = (f"{{ stream: {_q(f'{user.inbox}.>')}, accounts: [{_name(user)}] }}" for user in USERS if not user.inside)
    return f"""\
  {OWNER} {{
    jetstream: enabled
    exports = [
{_lines((*(f"{{ service: {_q(one)} }}" for one in services), *map(_pulled, pulls), *inboxes))}
    ]
{"".join(_login(user, user.allowed) for user in USERS if user.inside)}  }}
"""


def _pulled(subject: str) -> str:
    return f'{{ service: {_q(subject)}, response: stream, response_threshold: "{ANSWERS_S}s" }}'


def _account(user: BusUser) -> str:
    imports = (
        *(f"{{ service: {{ account: {OWNER}, subject: {_q(one)} }} }}" for one in user.allowed),
        *(
            f"{{ service: {{ account: {OWNER}, subject: {_q(_API + one)} }}, to: {_q(_IMPORTED_API + one)} }}"
            for one in user.api
        ),
        f"{{ stream: {{ account: {OWNER}, subject: {_q(f'{user.inbox}.>')} }} }}",
    )
    allowed = (*user.allowed, *(_IMPORTED_API + one for one in user.api))
    denied = tuple(_IMPORTED_API + one for one in user.denied)
    mappings = f"    mappings = {{ {_q(_API + '>')}: {_q(_IMPORTED_API + '>')} }}\n" if user.api else ""
    return f"""\
  {_name(user)} {{
{mappings}    imports = [
{_lines(imports)}
    ]
{_login(user, allowed, denied)}  }}
"""


def _login(user: BusUser, allowed: Iterable[str], denied: tuple[str, ...] = ()) -> str:
    return f"""\
    users = [ {{
      user: {user.name}
      password: ${password_variable(user.name)}
      permissions {{
        publish {{ allow: [
{_lines(map(_q, allowed))}
        ]{_deny(denied)} }}
        subscribe {{ allow: [ {_q(f"{user.inbox}.>")} ] }}
      }}
    }} ]
"""


def _deny(denied: tuple[str, ...]) -> str:
    return f", deny: [\n{_lines(map(_q, denied))}\n        ]" if denied else ""


def _name(user: BusUser) -> str:
    return user.name.upper()


def _q(text: str) -> str:
    return json.dumps(text)


def _lines(items: Iterable[str]) -> str:
    return "\n".join(f"      {one}" for one in items)
