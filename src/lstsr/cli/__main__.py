"""`python -m lstsr.cli`."""

import sys

from lstsr.cli import main

sys.exit(main())
