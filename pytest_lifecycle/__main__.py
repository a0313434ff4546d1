"""``python -m pytest_lifecycle``: the same as ``pytest-lifecycle``."""

import sys

from ._cli import main

if __name__ == "__main__":
    sys.exit(main())
