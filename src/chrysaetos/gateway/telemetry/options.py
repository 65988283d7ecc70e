"""The options of the audit log and the gateway's own metrics, which are in ``[gateway]``."""

from __future__ import annotations

from oslo_config import cfg

__all__ = ["TELEMETRY_OPTIONS"]

TELEMETRY_OPTIONS = [
    cfg.BoolOpt("audit", default=True, help="Whether to write an audit line for each request."),
    cfg.StrOpt(
        "audit_format",
        default="text",
        choices=[("text", "key=value"), ("json", "one JSON object per line")],
        help="The form of an audit line.",
    ),
    cfg.StrOpt("audit_file", help="File for the audit log. The default is the gateway's log."),
    cfg.BoolOpt(
        "audit_own_endpoints",
        default=False,
        help="Whether to write audit lines for requests to the health, version and OpenAPI endpoints.",
    ),
    cfg.IntOpt(
        "audit_max_text",
        default=4096,
        min=64,
        help="Maximum number of characters of a PromQL text in an audit line.",
    ),
    cfg.StrOpt("metrics_host", default="127.0.0.1", help="Address to serve the gateway's own metrics on."),
    cfg.PortOpt(
        "metrics_port",
        default=0,
        help="Port to serve the gateway's own metrics on. 0: none. Each additional worker uses the next "
        "port and is a separate target.",
    ),
    cfg.BoolOpt(
        "metrics_per_project", default=False, help="Whether to count requests by project id as well."
    ),
    cfg.IntOpt(
        "metrics_max_projects",
        default=1000,
        min=1,
        help="Maximum number of project ids that are counted separately. All others are counted as other.",
    ),
]
