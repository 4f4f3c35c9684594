"""python -m vmdbg."""

import sys

from vmdbg.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
