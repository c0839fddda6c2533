"""What a terminal and a collector are told."""

import json
import logging
import subprocess
import sys

import pytest

from core import logs
from core.settings import Settings

HOSTILE = "/v1/\x1b[2J\x1b]0;title\x07\x9b31m\u202e\r\nfake"


@pytest.fixture
def lines(capsys):
    """What was written since logging was configured in a format."""
    root = logging.getLogger()
    before = root.handlers, root.level

    def write(log_format):
        logs.configure(Settings(log_format=log_format))
        # Of this configuration, not of the first one that the module's logger has kept.
        log = logging.getLogger("hostile")
        log.warning("asked for %s", HOSTILE)
        try:
            raise ValueError(HOSTILE)
        except ValueError:
            log.exception("raised")
        return capsys.readouterr().err

    yield write
    root.handlers, root.level = before


def test_control_characters_never_reach_a_terminal(lines):
    written = lines("console")
    assert "\\x1b[2J" in written
    assert "Traceback" in written
    for each in ("\x1b[2J", "\x1b]0", "\x07", "\x9b", "\u202e", "\r"):
        assert each not in written


def test_json_lines_are_lines(lines):
    for line in lines("json").splitlines():
        assert json.loads(line)
        assert line.isprintable()


def test_what_is_logged_before_logs_are_configured_goes_to_stderr():
    code = "from core import logs; logs.get('x').info('something_happened')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "something_happened" in done.stderr
