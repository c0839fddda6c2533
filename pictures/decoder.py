"""Decodes one picture in a process of its own, which has so much memory and time and no more.

`python -m pictures.decoder BYTES SECONDS` reads one request from its standard input and writes what came of it to its
standard output. A request is a pickle of its caller's; the answer is JSON with raw bytes behind it, since who decodes a
hostile file may be made to say anything. A process that exceeds its limits ends by a signal, or answers
`picture_too_costly`.
"""

from __future__ import annotations

import json
import pickle
import sys
from io import BytesIO
from typing import Any, get_args

import numpy as np

from pictures import codec
from pictures.framing import Frame, TooLargePicture, TooManyTiles

FUNCTIONS = ("decode", "decode_framed", "decode_kept", "decode_mask", "inspect")
"""Of `pictures.codec`, by the names that a request uses."""
TOO_COSTLY = "the picture takes more time or memory to read than one may; save it smaller, or as a plain PNG or JPEG"
_HEAD = 8
"""Bytes of the length of an answer's JSON."""


def packed(function: str, data: bytes, *arguments: object) -> bytes:
    """A request: a file's bytes, and what the function of `FUNCTIONS` takes besides."""
    return pickle.dumps((function, data, arguments))


def answered(function: str, data: bytes, *arguments: object) -> bytes:
    """The answer to a request, of this process."""
    try:
        return _packed_answer(_result(function, data, *arguments))
    except codec.BadPicture as error:
        return _packed_answer(failed=error.reason, detail=str(error))
    except TooManyTiles as error:
        return _packed_answer(failed="too_many_tiles", detail=str(error))
    except TooLargePicture as error:
        return _packed_answer(failed="too_many_pixels", detail=str(error))
    except MemoryError:
        return _packed_answer(failed="picture_too_costly", detail=TOO_COSTLY)


def unpacked(answer: bytes) -> Any:
    """What the function returned.

    Raises:
        BadPicture, TooLargePicture: as the function did.
        ValueError, KeyError: this is no answer.
    """
    at = _HEAD + int.from_bytes(answer[:_HEAD], "big")
    head, rest = json.loads(answer[_HEAD:at]), answer[at:]
    if failed := head.get("failed"):
        detail = str(head["detail"])
        if failed == "too_many_tiles":
            raise TooManyTiles(detail)
        if failed == "too_many_pixels":
            raise TooLargePicture(detail)
        if failed not in get_args(codec.Reason):
            raise ValueError(f"no picture is refused as {failed!r}")
        raise codec.BadPicture(failed, detail)
    if "told" in head:
        width, height, media_type = head["told"]
        return int(width), int(height), str(media_type)
    pixels = np.frombuffer(rest, bool if head["bool"] else np.uint8).reshape(head["shape"])
    return (pixels, Frame.model_validate(head["frame"])) if head["frame"] else pixels


def _result(function: str, data: bytes, *arguments: Any) -> Any:
    if function not in FUNCTIONS:
        raise ValueError(f"there is no function {function!r}")
    return getattr(codec, function)(BytesIO(data) if function == "inspect" else data, *arguments)


def _packed_answer(result: Any = None, **head: Any) -> bytes:
    pixels = b""
    if isinstance(result, tuple) and len(result) == 3:
        head["told"] = result
    elif result is not None:
        array, frame = result if isinstance(result, tuple) else (result, None)
        head |= {
            "shape": array.shape,
            "bool": array.dtype == bool,
            "frame": frame.model_dump(mode="json") if frame else None,
        }
        pixels = np.ascontiguousarray(array).tobytes()
    text = json.dumps(head).encode()
    return len(text).to_bytes(_HEAD, "big") + text + pixels


def _limit(memory: int, seconds: int) -> None:
    """Bounds this process, where the system can."""
    try:
        import resource
    except ImportError:  # Windows, where the caller's clock is all there is
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    _limit(int(sys.argv[1]), int(sys.argv[2]))
    request = sys.stdin.buffer.read()
    sys.stdout.buffer.write(answered(*_read(request)))


def _read(request: bytes) -> tuple[Any, ...]:
    function, data, arguments = pickle.loads(request)
    return function, data, *arguments


if __name__ == "__main__":
    main()
