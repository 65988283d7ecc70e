"""``chrysaetos`` without its own scoping: texts are forwarded unchanged and unparsed. No option can do this.

So tests see only the engine's enforcement. Everything runs in this process, since another one would scope.
"""

import sys

from chrysaetos.cli.main import main
from chrysaetos.gateway.proxy.offload import Offload
from chrysaetos.tenancy import parameters


def unread(text, *_):
    """The text as it came."""
    return text


async def run_here(_offload, _project, function, *arguments, **_):
    """The result of a function."""
    return function(*arguments)


Offload.run = run_here  # type: ignore[assignment, method-assign]  # it is what the tests need
vars(parameters).update(
    parse=unread,
    parse_selector=unread,
    scope_parsed=unread,
    find_subqueries=lambda _text: (),
    _whole_scope=lambda _scope: '{__name__!=""}',
)

sys.exit(main())
