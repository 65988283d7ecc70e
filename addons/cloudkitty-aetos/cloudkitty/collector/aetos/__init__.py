"""The module that the entry point `aetos` names, for releases of CloudKitty that have none.

Where CloudKitty has its own, `aetos.py` beside this folder, that one is loaded in this one's place.
"""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

_own = Path(__file__).parent.with_suffix(".py")
if _own.exists():
    _spec = spec_from_file_location(__name__, _own)
    sys.modules[__name__] = module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules[__name__])
else:
    from chrysaetos.cloudkitty.collector.aetos import AetosCollector

    __all__ = ["AetosCollector"]
