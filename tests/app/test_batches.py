"""OpenAI's batches, driven by its own SDK: what is answered, in which order of precedence, and what survives."""

import asyncio
import base64
import io
import json
import time
import zipfile
from contextlib import ExitStack, contextmanager

import httpx
import openai
import pytest
from openai import OpenAI

from app.access.keys import Keys
from app.batches import runner
from app.batches.lines import MAX_LINES, checked
from app.schemas.batches import Endpoint
from app.schemas.keys import Scope
from core.settings import Settings
from jobs import keys
from tests.conftest import pixels_of
from tests.in_process import listening, working

ENDED = {"completed", "failed", "expired", "cancelled"}


def lines(count, endpoint="/v1/images/generations", **body):
    body = body or {"model": "toy-cgan", "prompt": "a 7"}
    return [
        {"custom_id": f"seven-{n}", "method": "POST", "url": endpoint, "body": {**body, "seed": n}}
        for n in range(count)
    ]


def jsonl(items):
    return "\n".join(item if isinstance(item, str) else json.dumps(item) for item in items).encode()


@pytest.fixture
def settings(redis, redis_url, toy_zoo):
    return Settings(redis_url=redis_url, models=str(toy_zoo), threads=1, auth="open", accept_without_workers=True)


@contextmanager
def client_of(settings, key="none"):
    with listening(settings) as url, OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=30) as sdk:
        yield sdk


@pytest.fixture
def sdk(settings):
    """A client of an API that no worker serves."""
    with client_of(settings) as opened:
        yield opened


@pytest.fixture
def worked(settings, sdk):
    """The same, with a worker."""
    with working(settings):
        yield sdk


def begin(sdk, items, endpoint="/v1/images/generations", **more):
    file = sdk.files.create(file=("sevens.jsonl", jsonl(items)), purpose="batch")
    return sdk.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h", **more)


def until(sdk, batch, condition, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = sdk.batches.retrieve(batch.id)
        if condition(found):
            return found
        time.sleep(0.1)
    raise AssertionError(found)


def ended(sdk, batch):
    return until(sdk, batch, lambda found: found.status in ENDED)


def answers(sdk, file):
    return {line["custom_id"]: line for line in map(json.loads, sdk.files.content(file).text.splitlines())}


def test_lines_are_answered_as_requests_of_their_own_are(worked):
    wrong = {**lines(1)[0], "custom_id": "wrong", "body": {"model": "toy-cgan", "prompt": "a horse"}}
    batch = begin(worked, [*lines(30), wrong], metadata={"set": "sevens"})
    assert (batch.status, batch.request_counts.total, batch.metadata) == ("validating", 31, {"set": "sevens"})
    done = ended(worked, batch)
    assert (done.status, done.request_counts.completed, done.request_counts.failed) == ("completed", 30, 1)
    assert done.created_at <= done.in_progress_at <= done.finalizing_at <= done.completed_at
    output = answers(worked, done.output_file_id)
    assert set(output) == {f"seven-{n}" for n in range(30)}
    response = output["seven-5"]["response"]
    online = worked.images.generate(model="toy-cgan", prompt="a 7", response_format="b64_json", extra_body={"seed": 5})
    assert response["status_code"] == 200
    made = [
        pixels_of(base64.b64decode(item)) for item in (response["body"]["data"][0]["b64_json"], online.data[0].b64_json)
    ]
    assert (made[0] == made[1]).all()
    (error,) = answers(worked, done.error_file_id).values()
    assert (error["custom_id"], error["response"]["status_code"]) == ("wrong", 400)
    assert error["response"]["body"]["error"]["param"] == "prompt"


def test_pictures_of_the_output_are_files_of_a_zip(worked):
    done = ended(worked, begin(worked, lines(3)))
    data = worked.files.with_raw_response.content(
        done.output_file_id, extra_headers={"Accept": "application/zip"}
    ).content
    output = answers(worked, done.output_file_id)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert sorted(archive.namelist()) == ["seven-0.png", "seven-1.png", "seven-2.png"]
        encoded = output["seven-2"]["response"]["body"]["data"][0]["b64_json"]
        assert archive.read("seven-2.png") == base64.b64decode(encoded)


def test_lines_may_ask_for_predictions(worked):
    asked = {"model": "toy-dcgan", "priority": "high", "input": {"n": 2, "seed": 3}}
    line = {"custom_id": "pair", "method": "POST", "url": "/v1/predictions", "body": asked}
    done = ended(worked, begin(worked, [line], "/v1/predictions"))
    body = answers(worked, done.output_file_id)["pair"]["response"]["body"]
    assert (body["status"], [image["seed"] for image in body["output"]]) == ("succeeded", [3, 4])
    assert base64.b64decode(body["output"][0]["b64_json"]).startswith(b"\x89PNG")
    assert body["metrics"]


def test_lines_wait_behind_everything_else_and_a_few_at_a_time(sdk, redis, monkeypatch):
    monkeypatch.setattr(runner, "AT_ONCE", 5)
    batch = begin(sdk, lines(30))
    until(sdk, batch, lambda _: redis.llen(keys.queue_key_of("toy-cgan.low")) == 5)
    time.sleep(1)
    assert redis.llen(keys.queue_key_of("toy-cgan.low")) == 5
    assert not redis.llen(keys.queue_key_of("toy-cgan.normal"))


def test_what_waits_is_canceled_with_the_batch_and_what_was_answered_is_kept(settings, sdk, redis, monkeypatch):
    monkeypatch.setattr(runner, "AT_ONCE", 4)
    batch = begin(sdk, lines(2000))
    with working(settings):
        until(sdk, batch, lambda found: found.request_counts.completed > 0)
    assert sdk.batches.cancel(batch.id).status in ("cancelling", "cancelled")
    done = ended(sdk, batch)
    assert done.status == "cancelled"
    completed = answers(sdk, done.output_file_id)
    left = answers(sdk, done.error_file_id)
    assert 0 < len(completed) == done.request_counts.completed < 2000
    assert len(completed) + len(left) == 2000
    assert {line["error"]["code"] for line in left.values() if line["error"]} == {"batch_cancelled"}
    assert not redis.llen(keys.queue_key_of("toy-cgan.low"))
    with pytest.raises(openai.ConflictError):
        sdk.batches.cancel(batch.id)


def test_another_process_goes_on_and_no_line_is_answered_twice(settings, redis, monkeypatch):
    monkeypatch.setattr(runner, "AT_ONCE", 4)
    monkeypatch.setattr(runner, "NOTE_S", 0.2)
    with client_of(settings) as first:
        batch = begin(first, lines(300))
        with working(settings):
            until(first, batch, lambda found: found.request_counts.completed > 20)
    before = int(redis.hget(keys.batch_key(batch.id), "completed"))
    assert 20 < before < 300
    with client_of(settings) as second, working(settings):
        done = ended(second, batch)
        assert (done.status, done.request_counts.completed, done.request_counts.failed) == ("completed", 300, 0)
        text = second.files.content(done.output_file_id).text
    assert len(text.splitlines()) == 300
    assert len({json.loads(line)["custom_id"] for line in text.splitlines()}) == 300


def test_a_lease_that_nobody_renews_is_taken_over(sdk, redis, settings):
    redis.set(keys.batch_lease_key(""), "a process that died", px=1500)
    batch = begin(sdk, lines(2))
    time.sleep(1)
    assert sdk.batches.retrieve(batch.id).status == "validating"
    with working(settings):
        assert ended(sdk, batch).status == "completed"


def test_a_process_whose_lease_is_lost_notes_nothing_more(sdk, redis, settings, monkeypatch):
    monkeypatch.setattr(runner, "RENEW_S", 100)
    batch = begin(sdk, lines(3))
    until(sdk, batch, lambda found: found.status == "in_progress")
    redis.set(keys.batch_lease_key(""), "another process", ex=100)
    with working(settings):
        time.sleep(4)
    assert sdk.batches.retrieve(batch.id).request_counts.completed == 0
    assert not redis.exists(keys.batch_lines_key(batch.id))


def test_after_its_24_hours_a_batch_tells_what_was_left(sdk, redis):
    batch = begin(sdk, lines(3))
    until(sdk, batch, lambda found: found.status == "in_progress")
    redis.hset(keys.batch_key(batch.id), "expires_at", int(time.time()) - 1)
    done = ended(sdk, batch)
    assert (done.status, done.output_file_id, done.request_counts.failed) == ("expired", None, 3)
    assert {line["error"]["code"] for line in answers(sdk, done.error_file_id).values()} == {"batch_expired"}


@pytest.mark.parametrize(
    ("items", "code", "line"),
    [
        ([], "empty_file", None),
        (["{"], "invalid_json_line", 1),
        (["[]"], "invalid_json_line", 1),
        ([*lines(2), lines(1)[0]], "duplicate_custom_id", 3),
        ([{**lines(1)[0], "method": "GET"}], "invalid_method", 1),
        ([{**lines(1)[0], "url": "/v1/predictions"}], "mismatched_url", 1),
        ([{**lines(1)[0], "custom_id": 7}], "invalid_custom_id", 1),
        ([{**lines(1)[0], "body": "seven"}], "invalid_body", 1),
        ([{**lines(1)[0], "priority": "high"}], "unknown_field", 1),
        ([*lines(1), "", {**lines(2)[1], "url": ""}], "mismatched_url", 3),
    ],
)
def test_what_is_wrong_with_a_file_is_told_by_line(items, code, line):
    _, errors = checked(jsonl(items), Endpoint.GENERATIONS)
    assert [(error.code, error.line) for error in errors] == [(code, line)]


def test_a_batch_has_so_many_lines_and_no_more():
    text = '{"custom_id": "%d", "method": "POST", "url": "/v1/predictions", "body": {}}'
    data = "\n".join(text % n for n in range(MAX_LINES + 1)).encode()
    _, (error,) = checked(data, Endpoint.PREDICTIONS)
    assert (error.code, error.line) == ("too_many_lines", MAX_LINES + 1)
    found, errors = checked(data[: data.rindex(b"\n")], Endpoint.PREDICTIONS)
    assert (len(found), errors) == (MAX_LINES, [])


def test_a_wrong_file_fails_at_once_and_unknown_things_are_refused(sdk):
    batch = begin(sdk, ["{"])
    assert (batch.status, batch.errors.data[0].code) == ("failed", "invalid_json_line")
    for call in (sdk.batches.retrieve, sdk.batches.cancel, sdk.files.retrieve, sdk.files.content, sdk.files.delete):
        with pytest.raises(openai.NotFoundError):
            call("file-none")
    with pytest.raises(openai.NotFoundError):
        sdk.batches.create(input_file_id="file-none", endpoint="/v1/images/generations", completion_window="24h")
    with pytest.raises(openai.UnprocessableEntityError):
        sdk.batches.create(input_file_id="file-none", endpoint="/v1/chat/completions", completion_window="24h")
    with pytest.raises(openai.BadRequestError):
        sdk.files.create(file=b"{}", purpose="fine-tune")


def test_lists_have_pages(sdk):
    made = [begin(sdk, ["{"]).id for _ in range(3)]
    page = sdk.batches.list(limit=2)
    assert (len(page.data), page.has_more) == (2, True)
    assert sorted(batch.id for batch in sdk.batches.list(limit=2)) == sorted(made)
    files = sdk.files.list(limit=2)
    assert (len(files.data), files.has_more) == (2, True)
    assert len([*sdk.files.list(limit=2)]) == 3
    sdk.files.delete(files.data[0].id)
    assert len([*sdk.files.list()]) == 2


def test_a_key_sees_its_own_and_keeps_half_of_its_limits(settings, redis, redis_url):
    async def made(name):
        async with Keys.at(redis_url) as kept:
            return await kept.create(name, [Scope.PREDICT], outstanding=6, rate="10/minute")

    (one, token), (_, stranger) = (asyncio.run(made(name)) for name in ("one", "stranger"))
    with ExitStack() as opened:
        sdk = opened.enter_context(client_of(settings.model_copy(update={"auth": "required"}), token))
        batch = begin(sdk, lines(30))
        until(sdk, batch, lambda _: redis.zcard(keys.outstanding_key(one.id)) == 3)
        time.sleep(1)
        assert redis.zcard(keys.outstanding_key(one.id)) == 3
        other = opened.enter_context(OpenAI(base_url=sdk.base_url, api_key=stranger, max_retries=0))
        for call, id in ((other.batches.retrieve, batch.id), (other.batches.cancel, batch.id)):
            with pytest.raises(openai.NotFoundError):
                call(id)
        with pytest.raises(openai.NotFoundError):
            other.files.content(batch.input_file_id)
        assert (list(other.batches.list()), list(other.files.list())) == ([], [])
        opened.enter_context(working(settings))
        deadline = time.monotonic() + 60
        with httpx.Client(base_url=str(sdk.base_url), headers={"Authorization": f"Bearer {token}"}) as client:
            while client.get(f"batches/{batch.id}").json()["status"] not in ENDED and time.monotonic() < deadline:
                time.sleep(0.2)
        done = sdk.batches.retrieve(batch.id)
        assert (done.status, done.request_counts.completed) == ("completed", 30)


def test_answers_lie_in_the_store_where_there_is_one(settings, redis, tmp_path):
    stored = settings.model_copy(update={"store": f"file://{tmp_path}/pictures"})
    with client_of(stored) as sdk, working(stored):
        done = ended(sdk, begin(sdk, lines(5)))
        assert len(answers(sdk, done.output_file_id)) == 5
        assert all(part.startswith(b"@") for part in redis.lrange(keys.file_parts_key(done.output_file_id), 0, -1))
        assert [*(tmp_path / "pictures").glob(f"*/{done.output_file_id}/*")]
        sdk.files.delete(done.output_file_id)
        assert not [*(tmp_path / "pictures").glob(f"*/{done.output_file_id}/*")]
