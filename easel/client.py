"""A thin client of Easel's HTTP API, sync and async; needs the extra `client`.

    with Easel("http://127.0.0.1:8000") as easel:
        made = easel.predict("mnist-cgan", {"label": "7", "seed": 1})
        Path("seven.png").write_bytes(easel.image(made))

`create` asks, `get` looks, `watch` tells what happens, `cancel` gives up. `predict` asks and waits for the end, and
cancels if it is interrupted. Pictures among the inputs are bytes, paths, or what `upload` returned.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict
from uuid import uuid4

import httpx

LOCAL = "http://127.0.0.1:8000"
ENDED = ("succeeded", "failed", "canceled")
_WAIT = {"Prefer": "wait=20"}
"""A busy server is asked again only after so many seconds."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 5.0
"""Between two looks at what has not ended by then."""
_TIMEOUT = httpx.Timeout(10, read=70)
"""In seconds. What the server waits for, it answers within a minute by default."""

Status = Literal["queued", "processing", "canceling", "succeeded", "failed", "canceled"]


class Image(TypedDict, total=False):
    """One picture of a prediction; or, of a task that makes numbers, `values` or `latent` alone."""

    url: str
    seed: int | None
    width: int
    height: int
    sha256: str
    link: str
    b64_json: str
    latent: list[float]
    values: dict[str, float]


class Urls(TypedDict):
    """Where to go from a prediction: relative to the server, or whole where it knows its public address."""

    get: str
    cancel: str
    events: str
    grid: NotRequired[str]
    archive: NotRequired[str]


class Loading(TypedDict):
    """What a prediction has while a worker loads its model: about how many seconds that takes, if it is known."""

    estimate_s: float | None


class Prediction(TypedDict):
    """A request and its life, as the API tells it (docs/api.md)."""

    id: str
    object: Literal["prediction"]
    model: str
    version: str
    task: str
    status: Status
    input: dict[str, Any]
    output: list[Image] | None
    error: dict[str, Any] | None
    metrics: dict[str, Any] | None
    created_at: str
    started_at: str | None
    loading: NotRequired[Loading]
    completed_at: str | None
    expires_at: str | None
    urls: Urls


@dataclass(frozen=True)
class Event:
    """Something that happened to a prediction: `queued`, `started`, `loading`, `loaded`, `progress`, `preview` or
    `completed`."""

    name: str
    data: dict[str, Any]
    """Of `completed`, the prediction."""
    id: str = ""


class EaselError(Exception):
    """What the server refused, or what a prediction ended with. `errors` say which input is wrong, and how."""

    def __init__(
        self,
        detail: str,
        code: str,
        status: int | None = None,
        errors: Iterable[Mapping[str, str]] = (),
        retry_after_s: float | None = None,
    ):
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.status = status
        """Of HTTP; None where the request was fine and the prediction failed."""
        self.errors = tuple(errors)
        self.retry_after_s = retry_after_s


class Easel:
    """A server, asked by one thread or many."""

    def __init__(self, server: str = LOCAL, key: str | None = None, transport: httpx.BaseTransport | None = None):
        self._http = httpx.Client(base_url=server, headers=_identity(key), timeout=_TIMEOUT, transport=transport)

    def __enter__(self) -> Easel:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the connections."""
        self._http.close()

    def models(self) -> list[dict[str, Any]]:
        """What can be asked for: each model's id and card."""
        return _answer(self._http.get("/v1/models"))["data"]

    def model(self, name: str) -> dict[str, Any]:
        """A model's card, and what each of its tasks takes as JSON Schema."""
        return _answer(self._http.get(f"/v1/models/{name}"))

    def create(self, model: str, input: Mapping[str, Any] | None = None, **more: Any) -> Prediction:
        """Asks, and returns at once. `more` are the other fields of a request: `task`, `output`, `priority`, `webhook`.

        Raises:
            EaselError: the server refused.
        """
        return _answer(self._http.post("/v1/predictions", json=_order(model, input, more)))

    def get(self, prediction: Prediction) -> Prediction:
        """The prediction as it stands now."""
        return _answer(self._http.get(prediction["urls"]["get"]))

    def find(self, id: str) -> Prediction:
        """The prediction of an id."""
        return _answer(self._http.get(f"/v1/predictions/{id}"))

    def watch(self, prediction: Prediction) -> Iterator[Event]:
        """What happens to it, until it has ended."""
        with self._http.stream("GET", prediction["urls"]["events"]) as response:
            if response.is_error:
                response.read()
                _answer(response)
            parser = _Parser()
            for line in response.iter_lines():
                if event := parser.take(line):
                    yield event

    def cancel(self, prediction: Prediction) -> Prediction:
        """Gives it up."""
        return _answer(self._http.post(prediction["urls"]["cancel"]))

    def predict(self, model: str, input: Mapping[str, Any] | None = None, **more: Any) -> Prediction:
        """Asks and waits until it has succeeded; interrupted, it cancels what it asked for.

        Raises:
            EaselError: the server refused, or the prediction failed or was canceled.
        """
        path = f"/v1/predictions/{uuid4().hex}"
        try:
            made = _answer(self._http.put(path, json=_order(model, input, more), headers=_WAIT))
            pause = _FIRST_PAUSE_S
            while made["status"] not in ENDED:
                time.sleep(pause)
                made, pause = self.get(made), min(1.5 * pause, _LONGEST_PAUSE_S)
        except (KeyboardInterrupt, SystemExit):
            with suppress(httpx.HTTPError):
                self._http.post(f"{path}/cancel")
            raise
        return _succeeded(made)

    def image(self, prediction: Prediction, index: int = 0) -> bytes:
        """The file of one picture."""
        return _bytes(self._http.get(_image(prediction, index)))

    def upload(self, picture: bytes | Path) -> str:
        """Sends a picture once; what is returned names it in any number of inputs."""
        return "upload:" + _answer(self._http.post("/v1/uploads", files={"file": _read(picture)}))["id"]


class AsyncEasel:
    """The same for asyncio."""

    def __init__(self, server: str = LOCAL, key: str | None = None, transport: httpx.AsyncBaseTransport | None = None):
        self._http = httpx.AsyncClient(base_url=server, headers=_identity(key), timeout=_TIMEOUT, transport=transport)

    async def __aenter__(self) -> AsyncEasel:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._http.aclose()

    async def models(self) -> list[dict[str, Any]]:
        """As `Easel.models`."""
        return _answer(await self._http.get("/v1/models"))["data"]

    async def model(self, name: str) -> dict[str, Any]:
        """As `Easel.model`."""
        return _answer(await self._http.get(f"/v1/models/{name}"))

    async def create(self, model: str, input: Mapping[str, Any] | None = None, **more: Any) -> Prediction:
        """As `Easel.create`."""
        return _answer(await self._http.post("/v1/predictions", json=_order(model, input, more)))

    async def get(self, prediction: Prediction) -> Prediction:
        """As `Easel.get`."""
        return _answer(await self._http.get(prediction["urls"]["get"]))

    async def find(self, id: str) -> Prediction:
        """As `Easel.find`."""
        return _answer(await self._http.get(f"/v1/predictions/{id}"))

    async def watch(self, prediction: Prediction) -> AsyncIterator[Event]:
        """As `Easel.watch`."""
        async with self._http.stream("GET", prediction["urls"]["events"]) as response:
            if response.is_error:
                await response.aread()
                _answer(response)
            parser = _Parser()
            async for line in response.aiter_lines():
                if event := parser.take(line):
                    yield event

    async def cancel(self, prediction: Prediction) -> Prediction:
        """As `Easel.cancel`."""
        return _answer(await self._http.post(prediction["urls"]["cancel"]))

    async def predict(self, model: str, input: Mapping[str, Any] | None = None, **more: Any) -> Prediction:
        """As `Easel.predict`; a task that is canceled while it waits cancels the prediction."""
        path = f"/v1/predictions/{uuid4().hex}"
        try:
            made = _answer(await self._http.put(path, json=_order(model, input, more), headers=_WAIT))
            pause = _FIRST_PAUSE_S
            while made["status"] not in ENDED:
                await asyncio.sleep(pause)
                made, pause = await self.get(made), min(1.5 * pause, _LONGEST_PAUSE_S)
        except asyncio.CancelledError:
            with suppress(httpx.HTTPError):
                await asyncio.shield(self._http.post(f"{path}/cancel"))
            raise
        return _succeeded(made)

    async def image(self, prediction: Prediction, index: int = 0) -> bytes:
        """As `Easel.image`."""
        return _bytes(await self._http.get(_image(prediction, index)))

    async def upload(self, picture: bytes | Path) -> str:
        """As `Easel.upload`."""
        return "upload:" + _answer(await self._http.post("/v1/uploads", files={"file": _read(picture)}))["id"]


class _Parser:
    """Server-sent events (WHATWG, 9.2.6), line by line."""

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}

    def take(self, line: str) -> Event | None:
        """The event that a line ends, if it does."""
        if line:
            name, _, value = line.partition(":")
            self._fields[name] = value.removeprefix(" ")
            return None
        fields, self._fields = self._fields, {}
        if "data" not in fields:  # a comment that keeps the connection open
            return None
        return Event(fields.get("event", "message"), json.loads(fields["data"]), fields.get("id", ""))


def _identity(key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def _order(model: str, input: Mapping[str, Any] | None, more: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a request, with pictures as data: URIs."""
    return {"model": model, "input": {name: _sent(value) for name, value in (input or {}).items()}, **more}


def _sent(value: Any) -> Any:
    if isinstance(value, bytes | Path):
        return "data:;base64," + base64.b64encode(_read(value)).decode()
    return [_sent(each) for each in value] if isinstance(value, list) else value


def _read(picture: bytes | Path) -> bytes:
    return picture if isinstance(picture, bytes) else picture.read_bytes()


def _answer(response: httpx.Response) -> Any:
    """The JSON of an answer. Raises `EaselError`."""
    return json.loads(_bytes(response))


def _bytes(response: httpx.Response) -> bytes:
    """The body of an answer. Raises `EaselError`."""
    if response.is_success:
        return response.content
    try:
        problem = response.json()
    except ValueError:  # of a proxy on the way
        problem = {}
    wait = response.headers.get("Retry-After", "")
    raise EaselError(
        problem.get("detail", f"the server answered {response.status_code}"),
        problem.get("code", "http_error"),
        response.status_code,
        problem.get("errors", ()),
        float(wait) if wait.isdigit() else None,
    )


def _succeeded(made: Prediction) -> Prediction:
    """Raises `EaselError` unless it has."""
    if made["status"] == "succeeded":
        return made
    error = made["error"] or {"detail": "the prediction was canceled", "code": "canceled"}
    raise EaselError(error["detail"], error["code"])


def _image(prediction: Prediction, index: int) -> str:
    return (prediction["output"] or [])[index].get("url", "")
