"""``chrysaetos`` without its own scoping: texts are forwarded unchanged and unparsed. No option can do this.

So tests see only the engine's enforcement.
"""

import sys

from chrysaetos.cli.main import main
from chrysaetos.tenancy import parameters


def unread(text, *_):
    """The text as it came."""
    return text


vars(parameters).update(
    parse=unread,
    parse_selector=unread,
    scope_parsed=unread,
    find_subqueries=lambda _text: (),
    _whole_scope=lambda _scope: '{__name__!=""}',
)

sys.exit(main())
