"""``python -m reasonforge`` is the command line."""

import sys

from reasonforge.cli.main import main

sys.exit(main())
