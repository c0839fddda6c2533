"""Event streams are bounded for one key, and for all."""

from contextlib import ExitStack

import pytest

from app.http.errors import TooMany, Unavailable
from app.predictions.event_stream import Watchers


def test_one_key_has_a_share_of_the_streams_and_leaves_room_for_others():
    watchers = Watchers(limit=8)
    with ExitStack() as greedy:
        for _ in range(2):
            watchers.require_room("greedy")
            greedy.enter_context(watchers.one_more("greedy"))
        with pytest.raises(TooMany) as refused:
            watchers.require_room("greedy")
        assert refused.value.code == "too_many_streams"
        watchers.require_room("modest")
    watchers.require_room("greedy")


def test_where_access_is_open_all_streams_are_for_anybody():
    watchers = Watchers(limit=4)
    with ExitStack() as opened:
        for _ in range(4):
            watchers.require_room("")
            opened.enter_context(watchers.one_more(""))
        with pytest.raises(Unavailable):
            watchers.require_room("")
