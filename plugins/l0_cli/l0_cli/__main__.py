"""`python -m l0_cli` is `l0`."""

import sys

from l0_cli import main

sys.exit(main())
