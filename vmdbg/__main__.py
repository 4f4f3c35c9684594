"""`vmdbg`, and `python -m vmdbg`: signals are heeded before anything else is loaded, and the process ends at once."""

import atexit
import contextlib
import os
import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line with the arguments of the process, and end it.

    A Ctrl-C before there are handlers ends the process without a word, not with a traceback out of an import.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    _leave(_run())


def _run() -> int:
    """The exit code."""
    from vmdbg.host.endings import SIGNAL_BASE
    from vmdbg.host.signals import SIGNALS
    from vmdbg.interruption import StoppedError

    try:
        with SIGNALS.heed():
            from vmdbg.cli.main import main as command_line  # takes its time, in which signals come too

            return command_line()
    except StoppedError as error:
        return SIGNAL_BASE + error.number
    except SystemExit as left:  # argparse, after --help
        return left.code if isinstance(left.code, int) else 0


def _leave(code: int) -> NoReturn:
    """All is closed. That the interpreter takes itself and its modules to pieces would take longer than to get here."""
    atexit._run_exitfuncs()  # of workers, temporary files, logs
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
