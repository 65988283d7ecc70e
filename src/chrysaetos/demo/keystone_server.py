"""Keystone in one process: its management commands, then its WSGI application.

    python -m chrysaetos.demo.keystone_server CONFIG_FILE PORT

Importing Keystone takes most of its start. So each management command runs in a fork of this process,
which has imported it all: a fresh state for the command, the import paid once.
The bootstrap password and endpoints come from the environment, as for `keystone-manage bootstrap`.
"""

from __future__ import annotations

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
"""All of them leave alone what is already there, and bootstrap brings the endpoints up to date."""

_THREADS = 8


def main(arguments: list[str]) -> int:
    """Bring the database up to date, then serve until the process is ended.

    Args:
        arguments: the configuration file and the port.

    Returns:
        The exit status, when a management command fails.
    """
    config_file, port = arguments
    # The folder beside the file keeps the machine's own /etc/keystone/*.d out.
    config = ["--config-file", config_file, "--config-dir", f"{config_file}.d"]
    with warnings.catch_warnings():
        # oslo.messaging imports eventlet, which announces its own retirement.
        warnings.simplefilter("ignore")
        import waitress  # noqa: PLC0415  slow imports, and only where they are needed
        from keystone.cmd import cli  # noqa: PLC0415
        from keystone.server import wsgi  # noqa: PLC0415

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

    # Keystone reads its command line from here, as under any WSGI server.
    sys.argv = ["keystone", *config]
    application = wsgi.initialize_public_application()
    waitress.serve(application, host="127.0.0.1", port=int(port), threads=_THREADS)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
