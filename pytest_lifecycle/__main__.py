"""``python -m pytest_lifecycle``: the same as the command ``pytest-lifecycle``."""

from ._cli import main

raise SystemExit(main())
