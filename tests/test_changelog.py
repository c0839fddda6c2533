"""What changed is told under the version that the package bears."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_newest_version_of_the_changelog_is_that_of_the_package():
    newest = re.findall(r"^## (\S+) - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]
    assert newest == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == version("easel")
