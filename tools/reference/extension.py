"""Write the generated parts of the reference before Sphinx reads its sources.

Each command has a page. The other parts are fragments, which the pages in ``docs/reference`` include. A file
is written only if it differs, so that Sphinx does not build unchanged pages again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.reference import engines, http_api, messages, telemetry
from tools.reference.commands import command_pages

from chrysaetos.gateway.own.openapi import document

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["setup", "write_pages"]


def write_pages(folder: Path) -> None:
    """Write all generated pages.

    Args:
        folder: the documentation's sources.
    """
    fragments = {
        "alerts": telemetry.render_alerts(),
        "audit": telemetry.render_audit(),
        "engines": engines.render(),
        "errors": messages.render(),
        "http-api": http_api.render(),
        "metrics": telemetry.render_metrics(),
    }
    pages = command_pages() | {f"_generated/{name}.rst": text for name, text in fragments.items()}
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def _write_document(app: Sphinx, error: Exception | None) -> None:
    """Write the OpenAPI document beside the pages."""
    if error is None and app.builder.format == "html":
        path = Path(app.outdir) / "openapi.json"
        path.write_text(json.dumps(document(), indent=1), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir)))
    app.connect("build-finished", _write_document)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
