"""`python -m vmdbg`."""

import sys

from vmdbg.cli.main import main

sys.exit(main())
