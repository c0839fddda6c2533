"""Nothing lost: a whole Easel under random load while its parts are killed, and then every prediction is accounted for.

`python -m benchmarks.soak --minutes 3`. APIs, two workers, a deliverer and a Redis with an append-only file, as
`easel up` runs them, on 127.0.0.1. First a modest key's latency is measured alone and beside a greedy one. Then every
few seconds a worker, an API, the deliverer or Redis is killed, a worker is stopped for longer than it may be silent or
told to leave, a model is removed for a while, memory or disk are full, or a second `easel up` starts on the same data:
all of these at least once, in random order, however short the run. All along come broken files and files that take much
to read. Ends with status 1 if anything is not as it should be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from redis import Redis
from redis.exceptions import RedisError
from rq.intermediate_queue import IntermediateQueue
from rq.registry import CanceledJobRegistry, FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry

from app.access.keys import Keys, Scope
from benchmarks import fuzz, models
from core.embedded_redis import EmbeddedRedis
from core.pools import DEFAULT
from core.redis_connections import connect
from jobs import keys, prediction, records
from jobs.prediction import Priority, Snapshot, Status
from tests import zoo
from tests.conftest import free_port, png
from tests.pictures.hostile import jpeg_of_scans, png_of_one_column, tiff_of_one_tile
from tests.receiver import Receiver, listening

TTL_S = 3 * 3600
FAULT_EVERY_S = 12
STOPPED_S = 20
"""Longer than `workers.heartbeat.HEARTBEAT_TTL_S`: others take over."""
DRAIN_S = 300
"""How long what was accepted may take to end after the load, webhooks that are tried again included."""
MOST_WAITING = 100
"""So many predictions wait in queues at most: then load waits, so that it is what this machine carries."""
DEPTH_EVERY_S = 0.5
HEAVY = "bench-dcgan"
"""Keeps workers busy, so that what is killed is at work."""
HEAVY_SHARE, MOST_HEAVY = 0.25, 1500
"""Of all requests, and at most: all that is made must fit into Redis until the end."""
LIGHT = ("toy-dcgan", "toy-cgan", "toy-vae", "toy-diffusion", "toy-pix2pix", "toy-cyclegan")
MODELS = (*LIGHT, HEAVY)
LABELLED = ("toy-cgan", "toy-diffusion")
"""Whose first task needs a label."""
FULL_S = 5
"""How long memory or disk stays full."""
HOSTILE_SHARE = 0.05
"""Broken files, to each prediction that is asked for."""
COSTLY_SHARE = 0.05
"""Of those: files that are small and take much to read."""
REMOVED = "toy-vae"
"""A model that goes and returns."""
GONE_S = 30
"""How long it is gone: what waits for it has failed by then."""
WEBHOOK_SHARE = 0.1
FAIR_S = 15
"""How long a modest key's latency is measured, alone and then beside a greedy one."""
HEAD_START_S = 1
"""How long the greedy one asks before the modest one does."""
GREEDY_AT_ONCE = 20
PERMANENT = {
    keys.STORED_FORMAT,
    keys.API_KEYS,
    keys.WEBHOOK_OUTCOMES,
    keys.WEBHOOK_SECRET,
    keys.QUEUES,
    keys.WORKERS,
    keys.END_COUNTS,
    keys.PACE,
    keys.doorbell_key(DEFAULT),
    keys.DEADLINES,
}
"""Keys that are meant to stay, besides `SETS`."""
SETS = (
    keys.usage_key(""),
    keys.workers_key(""),
    *(kind.key_template.format("") for kind in (FinishedJobRegistry, FailedJobRegistry, CanceledJobRegistry)),
)
"""Beginnings of the keys of usage, one a day, and of rq's registries and sets of workers, one per queue."""


FAULTS = (
    "worker killed", "worker killed", "worker told to leave", "worker stopped", "api killed", "redis killed",
    "memory full", "disk full", "second easel up", "deliverer killed", "model removed",
)  # fmt: skip
"""A round: all of them come in random order, then all again."""


@dataclass
class Child:
    """A process that is started again when it ends."""

    command: list[str]
    environment: dict[str, str]
    process: subprocess.Popen | None = None

    def tend(self) -> None:
        if self.process is None or self.process.poll() is not None:
            with Path(self.environment["SOAK_LOG"]).open("a") as log:
                command = [sys.executable, "-m", "cli", *self.command]
                self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)


@dataclass
class Stack:
    """The processes, and the faults that befall them."""

    folder: Path
    redis: EmbeddedRedis = field(init=False)
    apis: list[Child] = field(default_factory=list)
    workers: list[Child] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    away_until: float = 0.0

    def __post_init__(self) -> None:
        self.redis = EmbeddedRedis(self.folder / "redis")
        self.redis.start()
        for name in LIGHT:
            zoo.make(self.folder / "zoo", name)
        models.make(self.folder / "zoo")
        base = {**os.environ, "EASEL_REDIS_URL": self.redis.url, "EASEL_MODELS": str(self.folder / "zoo")}
        base |= {"EASEL_THREADS": "1", "EASEL_RESULT_TTL_S": str(TTL_S), "SOAK_LOG": str(self.folder / "log")}
        base |= {"EASEL_WEBHOOK_ALLOW_PRIVATE": "true"}
        self.ports = [free_port(), free_port()]
        self.keyed_port = free_port()
        self.keyed = Child(["api"], {**base, "EASEL_PORT": str(self.keyed_port), "EASEL_AUTH": "required"})
        self.deliverer = Child(["deliver"], base)
        self.apis = [Child(["api"], {**base, "EASEL_PORT": str(port)}) for port in self.ports]
        self.workers = [Child(["worker"], base) for _ in range(2)]

    @property
    def children(self) -> tuple[Child, ...]:
        """All processes but Redis."""
        return (*self.apis, self.keyed, *self.workers, self.deliverer)

    def tend(self) -> None:
        """Starts what has ended. Redis stays away for a moment. For the main thread, with which the children end."""
        if not self.redis.alive and time.monotonic() > self.away_until:
            self.redis.start()
        for child in self.children:
            child.tend()

    async def fault(self, kind: str) -> None:
        """Does one thing of `FAULTS` that happens in life."""
        worker = random.choice(self.workers).process
        self.faults[kind] += 1
        if kind == "worker killed":
            worker.kill()
        elif kind == "worker told to leave":
            worker.terminate()
        elif kind == "worker stopped":
            worker.send_signal(signal.SIGSTOP)
            await asyncio.sleep(STOPPED_S)
            worker.send_signal(signal.SIGCONT)
        elif kind == "api killed":
            random.choice(self.apis).process.kill()
        elif kind == "deliverer killed":
            self.deliverer.process.kill()
        elif kind == "model removed":
            await self._without_a_model()
        elif kind == "memory full":
            await self._with_full_memory()
        elif kind == "disk full":
            await self._with_full_disk()
        elif kind == "second easel up":
            await self._second_start()
        elif kind == "redis killed":
            self.away_until = time.monotonic() + random.uniform(0, 4)
            self.redis.process.kill()
            self.redis.process.wait()
        else:
            raise ValueError(f"there is no fault {kind!r}")

    async def _without_a_model(self) -> None:
        aside = (self.folder / "zoo" / REMOVED).rename(self.folder / REMOVED)
        await asyncio.sleep(GONE_S)
        aside.rename(self.folder / "zoo" / REMOVED)

    async def _with_full_memory(self) -> None:
        with suppress(RedisError), connect(self.redis.url) as redis:
            redis.config_set("maxmemory", 1)
            await asyncio.sleep(FULL_S)
            redis.config_set("maxmemory", 0)

    async def _with_full_disk(self) -> None:
        """The append-only file can grow no further."""
        process = self.redis.process
        size = max(path.stat().st_size for path in self.redis.folder.rglob("*.aof*") if path.is_file())
        _, most = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, most))
        await asyncio.sleep(FULL_S)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, most))

    async def _second_start(self) -> None:
        """`easel up` on the folder that Redis runs on is refused."""
        environment = {name: value for name, value in self.apis[0].environment.items() if name != "EASEL_REDIS_URL"}
        environment |= {"EASEL_DATA_DIR": str(self.folder), "EASEL_PORT": str(free_port())}
        second = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cli", "up", env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        _, said = await second.communicate()
        if second.returncode != 1 or b"another Easel already runs" not in said:
            self.wrong.append(f"a second easel up ended with {second.returncode}: {said[-300:]}")

    def stop(self) -> None:
        for child in self.children:
            if child.process is not None:
                child.process.send_signal(signal.SIGCONT)
                child.process.terminate()
        for child in self.children:
            if child.process is not None:
                child.process.wait(60)
        self.redis.stop()


@dataclass
class Asked:
    """One prediction that was asked for."""

    id: str
    images: int
    model: str
    accepted: bool = False
    canceled: bool = False
    webhook: bool = False


class Load:
    """Random requests, as many as are answered, at a bounded rate."""

    def __init__(self, ports: list[int], webhook: str, rate: float, most: int, seconds: float):
        """
        Args:
            webhook: where the ends of some predictions are sent.
            most: predictions that are asked for, unless `seconds` have passed before.
        """
        self.ports, self.webhook, self.rate, self.most = ports, webhook, rate, most
        self.heavy = min(HEAVY_SHARE, MOST_HEAVY / min(most, rate * seconds))
        self.files = fuzz.seeds()
        self.costly = [jpeg_of_scans(90), png_of_one_column(16_000_000), tiff_of_one_tile(26_000)]
        self.asked: list[Asked] = []
        self.statuses: Counter[int | str] = Counter()
        self.picture = png()
        self.waiting = 0

    @property
    def enough(self) -> bool:
        """Whether all is asked for."""
        return len(self.asked) >= self.most

    async def run(self, stack: Stack, done: asyncio.Event) -> None:
        """Sends until it is done or enough."""
        async with httpx.AsyncClient(timeout=30) as client, asyncio.TaskGroup() as group:
            watching = group.create_task(self._watch(stack.redis.url))
            while not done.is_set() and not self.enough:
                if self.waiting > MOST_WAITING:
                    await asyncio.sleep(DEPTH_EVERY_S)
                    continue
                if random.random() < HOSTILE_SHARE:
                    group.create_task(self._hostile(client))
                group.create_task(self._one(client))
                await asyncio.sleep(random.expovariate(self.rate))
            watching.cancel()

    async def _watch(self, url: str) -> None:
        """Notes how many predictions wait, whenever Redis tells."""
        names = [keys.queue_key_of(keys.queue_name(model, each)) for model in MODELS for each in Priority]
        while True:
            with suppress(RedisError), connect(url) as redis, redis.pipeline(transaction=False) as pipeline:
                for name in names:
                    pipeline.llen(name)
                self.waiting = sum(pipeline.execute())
            await asyncio.sleep(DEPTH_EVERY_S)

    async def _one(self, client: httpx.AsyncClient) -> None:
        server = f"http://127.0.0.1:{random.choice(self.ports)}"
        model = HEAVY if random.random() < self.heavy else random.choice(LIGHT)
        asked = Asked(f"soak-{len(self.asked)}", images=random.choice((1, 1, 1, 2, 5, 20)), model=model)
        self.asked.append(asked)
        if model == HEAVY:
            asked.images = random.choice((16, 32, 64))
        body = {"model": model, "priority": random.choice(list(Priority)).value, "input": {"n": asked.images}}
        if model in LABELLED:
            body["input"]["label"] = random.choice(zoo.DIGITS)
        if model in ("toy-pix2pix", "toy-cyclegan"):
            asked.images = 1
            body["input"] = {"image": "upload:" + await self._upload(client, server)}
        if random.random() < WEBHOOK_SHARE:
            asked.webhook, body["webhook"] = True, self.webhook
        headers = {"Prefer": "wait=5"} if random.random() < 0.3 else {}
        for _ in range(2 if random.random() < 0.1 else 1):  # some are sent twice: one prediction all the same
            try:
                answer = await client.put(f"{server}/v1/predictions/{asked.id}", json=body, headers=headers)
            except httpx.HTTPError as error:
                self.statuses[type(error).__name__] += 1
                continue
            self.statuses[answer.status_code] += 1
            asked.accepted |= answer.status_code in (201, 202)
            if answer.status_code == 503 and "retry-after" not in answer.headers:
                self.statuses["503 without Retry-After"] += 1
        if random.random() < 0.1:
            await asyncio.sleep(random.uniform(0, 0.5))
            with suppress(httpx.HTTPError):
                asked.canceled = True
                await client.post(f"{server}/v1/predictions/{asked.id}/cancel")

    def faults(self) -> list[str]:
        """Answers that no request may get, whatever befalls the processes."""
        return [f"{count} answers were {status}" for status, count in self.statuses.items() if str(status)[:3] == "500"]

    async def _hostile(self, client: httpx.AsyncClient) -> None:
        """Sends a picture that is broken or takes much to read; it is read or refused."""
        if random.random() < COSTLY_SHARE:
            data = random.choice(self.costly)
        else:
            data = fuzz.mutated(random.choice(list(self.files.values())), random)
        server = f"http://127.0.0.1:{random.choice(self.ports)}"
        try:
            answer = await client.post(f"{server}/v1/uploads", content=data, headers={"Content-Type": "image/png"})
            self.statuses[f"{answer.status_code} for a broken file"] += 1
        except httpx.HTTPError as error:
            self.statuses[type(error).__name__] += 1

    async def _upload(self, client: httpx.AsyncClient, server: str) -> str:
        try:
            answer = await client.post(
                f"{server}/v1/uploads", content=self.picture, headers={"Content-Type": "image/png"}
            )
            return answer.json().get("id", "none")
        except httpx.HTTPError:
            return "none"


def snapshots(redis: Redis, asked: list[Asked]) -> dict[str, Snapshot | None]:
    """Each as it stands."""
    found = {}
    for each in asked:
        fields = redis.hgetall(keys.job_key(each.id))
        results = redis.xrevrange(keys.results_key(each.id), count=1)
        found[each.id] = records.snapshot(each.id, fields, results) if fields else None
    return found


def undelivered(redis: Redis, asked: list[Asked], receiver: Receiver) -> list[str]:
    """Ended predictions whose webhook has not come."""
    came = {json.loads(each.body)["data"]["id"] for each in list(receiver.received)}
    return [each.id for each in asked if each.webhook and each.id not in came and redis.exists(keys.job_key(each.id))]


def drain(stack: Stack, redis: Redis, asked: list[Asked], receiver: Receiver) -> float:
    """Waits until all have ended and are told; how long that took."""
    began, left = time.monotonic(), asked
    while time.monotonic() < began + DRAIN_S:
        stack.tend()
        found = snapshots(redis, left)
        left = [each for each in left if (now := found[each.id]) and now.status not in prediction.ENDED]
        if not left and not undelivered(redis, asked, receiver):
            break
        time.sleep(1)
    return time.monotonic() - began


def judge(redis: Redis, asked: list[Asked]) -> list[str]:
    """What is wrong."""
    wrong, ends = [], Counter()
    found = snapshots(redis, asked)
    for each in asked:
        snapshot = found[each.id]
        if snapshot is None:
            if each.accepted:
                wrong.append(f"{each.id} was accepted and is lost")
            continue
        ends[keys.end_field(snapshot.order.model, snapshot.order.task, snapshot.status)] += 1
        entries = redis.xlen(keys.results_key(each.id))
        images = redis.exists(*(keys.image_key(each.id, index) for index in range(each.images)))
        if snapshot.status not in prediction.ENDED:
            wrong.append(f"{each.id} has not ended: {snapshot.status}")
        if snapshot.status is Status.SUCCEEDED and (entries, images) != (1, each.images):
            wrong.append(f"{each.id} succeeded with {entries} results and {images} of {each.images} images")
        if snapshot.status is Status.CANCELED and (entries or images or not each.canceled):
            wrong.append(f"{each.id} is canceled, with {entries} results and {images} images")
        allowed = ("worker_lost", "model_not_found") if each.model == REMOVED else ("worker_lost",)
        if snapshot.status is Status.FAILED and (entries != 1 or snapshot.failure.code not in allowed):
            wrong.append(f"{each.id} failed: {snapshot.failure}, {entries} results")
        if snapshot.status in prediction.ENDED and not snapshot.ended_at:
            wrong.append(f"{each.id} has no end")
    counted = Counter({field.decode(): int(count) for field, count in redis.hgetall(keys.END_COUNTS).items()})
    if counted != ends:
        wrong.append(f"ends were counted as {counted - ends} more and {ends - counted} less than there are")
    return wrong + registries(redis, found) + leaks(redis)


def registries(redis: Redis, found: dict[str, Snapshot | None]) -> list[str]:
    """Where rq's registries say something else than its jobs."""
    wrong = []
    queues = [keys.queue_name(model, priority) for model in set(MODELS) for priority in Priority]
    kinds = {
        Status.SUCCEEDED: FinishedJobRegistry, Status.FAILED: FailedJobRegistry, Status.CANCELED: CanceledJobRegistry,
    }  # fmt: skip
    for status, kind in kinds.items():
        listed = [name.decode() for queue in queues for name in redis.zrange(kind.key_template.format(queue), 0, -1)]
        real = [name for name, snapshot in found.items() if snapshot and snapshot.status is status]
        if sorted(listed) != sorted(real):
            wrong.append(f"{kind.__name__} has {len(listed)}, there are {len(real)}")
    for queue in queues:
        key = keys.queue_key_of(queue)
        left = redis.zcard(StartedJobRegistry.key_template.format(queue)) + redis.llen(key)
        if left + redis.llen(IntermediateQueue.get_intermediate_queue_key(key)):
            wrong.append(f"{queue} is not empty")
    return wrong


def leaks(redis: Redis) -> list[str]:
    """Keys that would stay forever."""
    kept = [
        key for key in map(bytes.decode, redis.scan_iter(count=1000))
        if redis.ttl(key) == -1 and key not in PERMANENT
        and not key.startswith(SETS)
    ]  # fmt: skip
    return [f"{len(kept)} keys never expire, such as {kept[:3]}"] if kept else []


async def disturb(stack: Stack, load: Load, until: float) -> None:
    """Faults in rounds, until the time is up or the load is enough; one whole round at least."""

    async def tend() -> None:
        while True:
            stack.tend()
            await asyncio.sleep(0.2)

    tending = asyncio.create_task(tend())
    for kind in rounds():
        first = sum(stack.faults.values()) < len(FAULTS)
        if not first and (load.enough or time.monotonic() > until - FAULT_EVERY_S):
            break
        await asyncio.sleep(random.uniform(0.5, 1.5) * FAULT_EVERY_S)
        await stack.fault(kind)
    await asyncio.sleep(FAULT_EVERY_S)
    tending.cancel()


def rounds() -> Iterator[str]:
    """All faults in random order, again and again."""
    while True:
        yield from random.sample(FAULTS, len(FAULTS))


async def fairness(stack: Stack) -> tuple[float, float, list[Asked]]:
    """A modest key's 95th percentile alone and beside a greedy one, in s, and what both asked for."""
    async with Keys.at(stack.redis.url) as kept:
        tokens = [(await kept.create(name, [Scope.PREDICT], "900000/minute", 1000, 10**6))[1] for name in ("a", "b")]
    asked: list[Asked] = []

    async def ask(client: httpx.AsyncClient, token: str, images: int) -> float:
        began = time.monotonic()
        headers = {"Authorization": f"Bearer {token}", "Prefer": "wait=60"}
        body = {"model": HEAVY, "input": {"n": images}}
        answer = await client.post("/v1/predictions", json=body, headers=headers)
        if answer.status_code not in (201, 202):
            stack.wrong.append(f"a key was answered {answer.status_code}: {answer.text[:200]}")
        else:
            asked.append(Asked(answer.json()["id"], images, HEAVY, accepted=True))
        return time.monotonic() - began

    async def modest(client: httpx.AsyncClient) -> float:
        took, until = [], time.monotonic() + FAIR_S
        while time.monotonic() < until:
            took.append(await ask(client, tokens[0], 1))
        return sorted(took)[int(len(took) * 0.95)]

    async def greedy(client: httpx.AsyncClient, until: float) -> None:
        while time.monotonic() < until:
            await ask(client, tokens[1], 16)

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{stack.keyed_port}", timeout=90) as client:
        alone = await modest(client)
        async with asyncio.TaskGroup() as group:
            for _ in range(GREEDY_AT_ONCE):
                group.create_task(greedy(client, time.monotonic() + HEAD_START_S + FAIR_S))
            await asyncio.sleep(HEAD_START_S)
            beside = await modest(client)
    return alone, beside, asked


async def soak(stack: Stack, load: Load, seconds: float) -> None:
    done = asyncio.Event()
    loading = asyncio.create_task(load.run(stack, done))
    await disturb(stack, load, time.monotonic() + seconds)
    done.set()
    await loading


def ready(stack: Stack) -> None:
    for port in (*stack.ports, stack.keyed_port):
        for _ in range(600):
            stack.tend()
            with suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{port}/readyz?worker=1").status_code == 200:
                    break
            time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument(
        "--predictions", type=int, default=10**9, help="to ask for; then it ends, if all faults have come"
    )
    parser.add_argument("--rate", type=float, default=25, help="requests a second")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    random.seed(given.seed)
    with tempfile.TemporaryDirectory() as name, listening() as receiver:
        stack = Stack(Path(name))
        load = Load(stack.ports, receiver.url, given.rate, given.predictions, given.minutes * 60)
        try:
            ready(stack)
            alone, beside, asked = asyncio.run(fairness(stack))
            print(f"a modest key's p95: {alone:.3f} s alone, {beside:.3f} s beside a greedy one: ", end="")
            print(f"{beside / alone:.1f} times as long")
            began = time.monotonic()
            asyncio.run(soak(stack, load, given.minutes * 60))
            print(f"load and faults for {(time.monotonic() - began) / 60:.1f} minutes on {os.cpu_count()} cores")
            with connect(stack.redis.url) as redis:
                load.asked += asked
                drained_s = drain(stack, redis, load.asked, receiver)
                wrong = stack.wrong + judge(redis, load.asked) + load.faults()
                wrong += [f"the webhook of {each} never came" for each in undelivered(redis, load.asked, receiver)]
                told = sum(each.webhook and each.accepted for each in load.asked)
                print(f"webhooks: {told} asked for and accepted, {len(receiver.received)} came, repeats included")
                report(stack, load, redis, drained_s)
        finally:
            stack.stop()
            Path("soak.log").write_text(Path(name, "log").read_text())
    print("\n".join(wrong[:20]) or "Nothing was lost, nothing was done twice.")
    sys.exit(bool(wrong))


def report(stack: Stack, load: Load, redis: Redis, drained_s: float) -> None:
    found = [each for each in snapshots(redis, load.asked).values() if each]
    codes = Counter(each.failure.code for each in found if each.failure)
    taken = sorted((each.ended_at - each.created_at).total_seconds() for each in found if each.ended_at)
    again = sum(redis.hget(keys.job_key(each.id), "retries_left") == b"0" for each in found)
    print(f"faults: {dict(stack.faults)}")
    print(f"answers: {dict(load.statuses)}")
    there = {each.id for each in found}
    lost = sum(each.accepted and each.id not in there for each in load.asked)
    print(f"asked {len(load.asked)}, accepted {sum(each.accepted for each in load.asked)}, lost: {lost}")
    print(
        f"ended: {dict(Counter(each.status.value for each in found))}; run again after a worker died: {again}; "
        f"failures: {dict(codes)}"
    )
    print(f"from request to end: median {taken[len(taken) // 2]:.2f} s, longest {taken[-1]:.1f} s; ", end="")
    print(f"the last {drained_s:.0f} s after the load")


if __name__ == "__main__":
    main()
