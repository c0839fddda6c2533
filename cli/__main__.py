"""`python -m cli` is `easel`."""

import os

from cli.main import main

os.environ.setdefault("PYTHONUNBUFFERED", "1")
main()
