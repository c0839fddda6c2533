"""News of ends, as they travel."""

from datetime import UTC, datetime

from jobs import completions
from jobs.completions import MAX_BYTES, Completion
from jobs.prediction import Answer, Timing

TIMING = Timing(queue_ms=1, load_ms=0, inference_ms=2.5, encode_ms=0.1, total_ms=3.6, batch_size=2)


def test_large_images_stay_at_home_and_their_neighbours_travel():
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)
    small = Completion("a", Answer(timing=TIMING), moment, moment, (b"\n\x00one", b"", b"three"))
    large = Completion("b", Answer(timing=TIMING), moment, moment, (b"x" * MAX_BYTES, b"y"))
    last = Completion("c", Answer(timing=TIMING), moment, moment, (b"four",))
    told = list(completions.unpack(completions.pack([small, large, last])))
    assert told == [small, Completion("b", large.answer, moment, moment), last]
