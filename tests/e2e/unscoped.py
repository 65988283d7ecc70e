"""``chrysaetos`` without its own scoping: texts are forwarded unchanged and unparsed. No option can do this.

So tests see only the engine's enforcement.
"""

import sys

from chrysaetos.cli.main import main
from chrysaetos.tenancy import parameters


def unread(text, _scope, _bounds):
    """The text as it came."""
    return text


vars(parameters).update(
    scope_query=unread, scope_selector=unread, _whole_scope=lambda _scope: '{__name__!=""}'
)

sys.exit(main())
