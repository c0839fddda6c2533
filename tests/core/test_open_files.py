"""As many connections as the system lets a process open."""

import subprocess
import sys

import pytest

CHILD = """
import resource
from core.open_files import connections_that_fit
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
print(connections_that_fit({wanted}), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "fit", "then"),
    [
        (300, 1000, 100, 100, 456),  # raised as far as is needed
        (300, 1000, 2000, 372, 1000),  # as far as is allowed
        (900, 1000, 100, 100, 900),  # left alone
        (100, 100, 2000, 1, 100),
    ],
)
def test_the_limit_of_open_files_is_raised_or_bounds_connections(soft, hard, wanted, fit, then):
    child = CHILD.format(soft=soft, hard=hard, wanted=wanted)
    assert subprocess.check_output([sys.executable, "-c", child], text=True).split() == [str(fit), str(then)]
