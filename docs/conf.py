"""The documentation as a site and as man pages. ``make docs`` builds both; each warning is an error."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tools.reference.commands import man_pages as _man_pages

from chrysaetos import __version__

project = "Chrysaetos"
version = release = __version__
copyright = "The Chrysaetos authors"  # noqa: A001  # the name of Sphinx' setting

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "oslo_config.sphinxext",
    "oslo_policy.sphinxext",
    "tools.reference.extension",
]
smartquotes = False  # quotation marks are part of PromQL and of commands
exclude_patterns = ["_generated"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
myst_ref_domains = ["std", "py"]  # oslo.config has a domain that fails for a link it does not know

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"Chrysaetos {release}"
html_copy_source = False

man_pages = _man_pages()
man_show_urls = False
