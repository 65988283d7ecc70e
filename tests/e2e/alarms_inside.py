"""Run Aodh's own services, in its virtual environment:

    python alarms_inside.py api PORT --config-file FILE     the API
    python alarms_inside.py services --config-file FILE     evaluator and notifier

The two services share a process, so that they need no message broker.
"""

from __future__ import annotations

import signal
import sys

from aodh import service
from aodh.api import app
from aodh.evaluator import AlarmEvaluationService
from aodh.notifier import AlarmNotifierService
from waitress import serve


def main() -> None:
    """Run the service that the arguments name, until SIGTERM."""
    what, *arguments = sys.argv[1:]
    if what == "api":
        port, *arguments = arguments
        serve(app.load_app(service.prepare_service(argv=arguments)), host="127.0.0.1", port=int(port))
        return
    conf = service.prepare_service(argv=arguments)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    running = [AlarmNotifierService(0, conf), AlarmEvaluationService(0, conf)]
    signal.sigwait({signal.SIGTERM})
    for each in reversed(running):
        each.terminate()


if __name__ == "__main__":
    main()
