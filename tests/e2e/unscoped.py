"""``chrysaetos`` with its own scoping switched off, as no option can: texts are sent as they came, unread.

What tests see of it is what the engine enforces alone.
"""

import sys

from chrysaetos.cli.main import main
from chrysaetos.tenancy import parameters

parameters.scope_query = parameters.scope_selector = lambda text, _scope, _bounds: text
parameters._whole_scope = lambda _scope: '{__name__!=""}'

sys.exit(main())
