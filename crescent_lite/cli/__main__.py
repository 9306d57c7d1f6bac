"""`python -m crescent_lite.cli` is the same as `crescent`."""

import sys

from crescent_lite.cli import main

sys.exit(main())
