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
    os._exit(_run())


def _run() -> int:
    """The exit code. That the interpreter takes itself and its modules to pieces would take longer than to get here."""
    from vmdbg.host.exit_code import SIGNAL_BASE
    from vmdbg.host.signals import SIGNALS
    from vmdbg.interruption import StoppedError

    try:
        with SIGNALS.heed():
            try:
                from vmdbg.cli.main import main as command_line  # takes its time, in which signals come too

                return command_line()
            finally:
                SIGNALS.leaving()
                _close()
    except StoppedError as error:
        return SIGNAL_BASE + error.number
    except SystemExit as left:  # argparse, after --help
        return left.code if isinstance(left.code, int) else 0


def _close() -> None:
    """What the interpreter would do as it ends. Inside SIGNALS.heed(), for what never ends must end all the same."""
    atexit._run_exitfuncs()  # of workers, temporary files, logs
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


if __name__ == "__main__":
    main()
