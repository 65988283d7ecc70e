"""``chrysaetos`` with its own scoping switched off, as no option can: texts are sent as they came, unread.

What tests see of it is what the engine enforces alone.
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
