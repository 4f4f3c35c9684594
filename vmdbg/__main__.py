"""`vmdbg`, and `python -m vmdbg`."""

import signal
import sys


def main() -> int:
    """The exit code of the command line.

    A Ctrl-C before there are handlers ends the process without a word, not with a traceback out of an import.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from vmdbg.cli.main import main as command_line

    return command_line()


if __name__ == "__main__":
    sys.exit(main())
