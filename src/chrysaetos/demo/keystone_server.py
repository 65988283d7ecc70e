"""Run Keystone's management commands and its WSGI application in one process.

    python -m chrysaetos.demo.keystone_server CONFIG_FILE PORT

Importing Keystone takes most of the time of a start. Therefore each management command runs in a fork of this
process: it has a fresh state, and Keystone is imported only once, without garbage collections. The bootstrap
password and endpoints are read from the environment, as by ``keystone-manage bootstrap``.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings

__all__ = ["main"]

_KEY_OWNER = ("--keystone-user", str(os.geteuid()), "--keystone-group", str(os.getegid()))

_COMMANDS = (
    ("db_sync",),
    ("fernet_setup", *_KEY_OWNER),
    ("credential_setup", *_KEY_OWNER),
    ("bootstrap",),
)
"""None of these commands overwrites existing data, except that bootstrap updates the endpoints."""

_THREADS = 8


def main(arguments: list[str]) -> int:
    """Update the database, then serve until the process is stopped.

    Args:
        arguments: the configuration file and the port.

    Returns:
        The exit status 1 if a management command fails.
    """
    config_file, port = arguments
    # With this directory, Keystone does not read the machine's own /etc/keystone/*.d.
    config = ["--config-file", config_file, "--config-dir", f"{config_file}.d"]
    gc.disable()
    with warnings.catch_warnings():
        # oslo.messaging imports eventlet, which emits a deprecation warning.
        warnings.simplefilter("ignore")
        import waitress  # noqa: PLC0415  # slow to import
        from keystone.cmd import cli  # noqa: PLC0415  # slow to import
        from keystone.server import wsgi  # noqa: PLC0415  # slow to import
    gc.freeze()
    gc.enable()

    for command in _COMMANDS:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                cli.main(["keystone-manage", *config, *command])
                status = 0
            except SystemExit as error:
                status = error.code if isinstance(error.code, int) else 1
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        _, waited = os.waitpid(child, 0)
        if waited:
            sys.stderr.write(f"keystone-manage {command[0]} failed\n")
            return 1
    os.environ.pop("OS_BOOTSTRAP_PASSWORD", None)

    # Keystone reads its command line from sys.argv under every WSGI server.
    sys.argv = ["keystone", *config]
    application = wsgi.initialize_public_application()
    waitress.serve(application, host="127.0.0.1", port=int(port), threads=_THREADS)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
