"""What docker-compose.yml promises of Redis and of the time to leave."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from redis import Redis
from redis.exceptions import AuthenticationError, ConnectionError

from core.redis_release import server_for
from core.settings import Settings
from models.registry import Registry
from tests.conftest import free_port

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def test_no_container_but_easels_own_reaches_redis():
    assert "ports" not in COMPOSE["redis"]
    reach = {name for name, service in COMPOSE.items() if "queue" in service.get("networks", ["default"])}
    assert reach == {"redis", "api", "worker", "deliverer"}
    assert ":${EASEL_REDIS_PASSWORD:?" in COMPOSE["api"]["environment"]["EASEL_REDIS_URL"]


def test_the_redis_of_the_containers_asks_for_its_password_and_shows_it_to_nobody(tmp_path):
    """The very command, with the redis-server that is here."""
    shell, option, script = COMPOSE["redis"]["command"]
    (tmp_path / "redis-server").symlink_to(server_for(tmp_path)[0])
    port, password = free_port(), "of course"
    script = script.replace("$$", "$").replace("redis-server -", f"redis-server - --port {port}")
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "REDISCLI_AUTH": password}
    process = subprocess.Popen([shell, option, script], env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        with Redis(port=port, password=password) as known, Redis(port=port) as stranger:
            for _ in range(100):
                try:
                    assert known.ping()
                    break
                except ConnectionError:
                    time.sleep(0.05)
            with pytest.raises(AuthenticationError):
                stranger.get("anything")
            asked = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}
            asked["maxmemory"] = str(Settings().redis_memory_mb * 2**20)
            assert known.config_get().items() >= asked.items()
        assert password not in Path(f"/proc/{process.pid}/cmdline").read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0, "the signal reaches Redis itself"


def test_a_worker_in_a_container_may_finish_its_longest_batch():
    served = Registry.with_shipped(()).served()
    longest_s = max(entry.card.serving.timeout_s for entry in served)
    minutes = re.fullmatch(r"(\d+)m", COMPOSE["worker"]["stop_grace_period"])
    assert int(minutes[1]) * 60 >= longest_s + 60
