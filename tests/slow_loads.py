"""`python -m tests.slow_loads`: a worker that takes `LOAD_S` to read a model's weights."""

import time

from core.settings import get_settings
from models import checkpoint
from workers import worker

LOAD_S = 1.5


def main() -> None:
    read = checkpoint.read

    def slowly(*args):
        time.sleep(LOAD_S)
        return read(*args)

    checkpoint.read = slowly
    worker.run(get_settings())


if __name__ == "__main__":
    main()
