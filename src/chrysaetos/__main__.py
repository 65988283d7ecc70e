"""``python -m chrysaetos``."""

import sys

from chrysaetos.cli.main import main

sys.exit(main())
