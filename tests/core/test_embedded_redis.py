"""The Redis of one's own: one server on a folder, of a release that can read it, and nobody else's to look into."""

import os
import signal
import stat
import threading
import time

import pytest
from redis import Redis

from core import redis_release
from core.embedded_redis import EmbeddedRedis
from core.redis_release import Release, note_writer, release_of, server_for


@pytest.fixture
def server(tmp_path):
    """A server on a folder of its own."""
    started = EmbeddedRedis(tmp_path / "redis")
    started.start()
    yield started
    if started.alive:
        os.kill(started.process.pid, signal.SIGCONT)
        started.stop()


def ask(server):
    with Redis.from_url(server.url) as redis:
        return redis.get("who")


def test_nobody_else_can_enter_the_folder_or_read_a_file(tmp_path):
    old = tmp_path / "redis"
    old.mkdir(mode=0o755)
    (old / "appendonly.aof").touch(mode=0o644)
    server = EmbeddedRedis(old)
    server.start()
    try:
        with Redis.from_url(server.url) as redis:
            redis.set("secret", "whsec_")
            redis.bgrewriteaof()
            while redis.info("persistence")["aof_rewrite_in_progress"]:
                time.sleep(0.02)
    finally:
        server.stop()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (old, *old.rglob("*"))}
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}


def test_a_socket_in_the_temporary_folder_is_private_too(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    server = EmbeddedRedis(tmp_path / ("long" * 30))
    assert server.socket.parent.parent == tmp_path
    server.start()
    try:
        assert stat.S_IMODE(server.socket.parent.stat().st_mode) == 0o700
    finally:
        server.stop()


def test_a_second_server_never_starts_beside_one_that_is_silent(server):
    with Redis.from_url(server.url) as redis:
        redis.set("who", "the first")
    os.kill(server.process.pid, signal.SIGSTOP)
    with pytest.raises(RuntimeError, match="another Easel already runs"):
        EmbeddedRedis(server.folder).start()
    threading.Timer(1.5, os.kill, (server.process.pid, signal.SIGCONT)).start()
    visitor = EmbeddedRedis(server.folder)
    with visitor.visited() as url, Redis.from_url(url) as redis:
        assert redis.get("who") == b"the first"
    assert visitor.process is None
    assert ask(server) == b"the first"


def test_a_server_that_loads_is_waited_for(server):
    """However long it takes: it says that it is there."""
    with Redis.from_url(server.url) as redis:
        redis.set("who", "the first")
        redis.execute_command("DEBUG", "POPULATE", 600_000)
        redis.bgrewriteaof()
        while redis.info("persistence")["aof_rewrite_in_progress"]:
            time.sleep(0.02)
    server.stop()
    visited = []

    def visit():
        while not server.socket.exists():
            time.sleep(0.005)
        with EmbeddedRedis(server.folder).visited() as url, Redis.from_url(url) as redis:
            visited.append(redis.get("who"))

    visitor = threading.Thread(target=visit)
    visitor.start()
    server.start()
    visitor.join(20)
    assert visited == [b"the first"]


def test_the_lock_ends_with_the_server(server):
    server.process.kill()
    server.process.wait()
    server.start()
    assert server.alive


def test_where_no_data_can_be_kept_it_is_said(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "redis"):
        with pytest.raises(RuntimeError, match="EASEL_DATA_DIR"):
            EmbeddedRedis(folder).start()


@pytest.fixture
def on_the_path(tmp_path, monkeypatch):
    """Puts a redis-server of some release on the PATH, which fails if it is run."""

    def put(told):
        server = tmp_path / "bin" / "redis-server"
        server.parent.mkdir(exist_ok=True)
        server.write_text(f"#!/bin/sh\n[ $1 = --version ] && echo '{told} sha=0:0 malloc=libc bits=64' || exit 3\n")
        server.chmod(0o755)
        monkeypatch.setenv("PATH", str(server.parent), prepend=":")
        return str(server)

    return put


@pytest.mark.parametrize(
    ("reader", "writer", "reads"),
    [
        (("Redis", (7, 0)), ("Redis", (7, 0)), True),
        (("Redis", (8, 2)), ("Redis", (6, 2)), True),
        (("Redis", (6, 2)), ("Redis", (7, 0)), False),
        (("Redis", (7, 2)), ("Redis", (7, 4)), False),
        (("Valkey", (8, 0)), ("Redis", (7, 2)), True),
        (("Valkey", (8, 0)), ("Redis", (7, 4)), False),
        (("Redis", (8, 0)), ("Valkey", (8, 0)), False),
        (("Valkey", (9, 0)), ("Valkey", (8, 1)), True),
    ],
)
def test_a_release_reads_what_it_or_an_earlier_one_has_written(reader, writer, reads):
    assert Release(*reader).reads(Release(*writer)) is reads


def test_data_of_a_newer_release_is_refused_in_words_and_left_alone(tmp_path, on_the_path):
    folder = tmp_path / "redis"
    folder.mkdir()
    note_writer(folder, Release("Redis", (99, 1)))
    old = on_the_path("Redis server v=7.0.15")
    with pytest.raises(RuntimeError, match=r"written by Redis 99\.1") as refused:
        EmbeddedRedis(folder).start()
    assert f"{old} (Redis 7.0)" in str(refused.value)
    assert not (folder / "redis.log").exists()


def test_of_the_servers_that_are_here_one_is_run_that_can_read_the_data(tmp_path, on_the_path):
    wheels = server_for(tmp_path)
    note_writer(tmp_path, wheels[1])
    old = on_the_path("Redis server v=5.0.7")
    assert server_for(tmp_path) == wheels
    (tmp_path / redis_release._WRITER).unlink()
    assert server_for(tmp_path) == (old, Release("Redis", (5, 0))), "there is nothing to be read"
    (tmp_path / "appendonlydir").mkdir()
    with pytest.raises(RuntimeError, match=r"Redis 7\.0"):
        server_for(tmp_path)
    assert release_of(on_the_path("Valkey server v=8.1.3")) == Release("Valkey", (8, 1))
    assert release_of(on_the_path("Server v=7.2.5")) == Release("Valkey", (7, 2))
