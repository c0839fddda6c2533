"""The settings of what serves, from the environment (prefix `EASEL_`) or a `.env` file: the README's table.

Training and evaluation, which run without these packages, read `EASEL_DATASETS` besides (`docs/data.md`).
"""

from __future__ import annotations

import ipaddress
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.pools import Pools
from core.redis_address import SCHEMES, sentinel_of, with_tls

Rate = Annotated[str, Field(pattern=r"^[1-9]\d{0,5}/(second|minute|hour|day)$")]
"""So many per time: `60/minute`."""

_PUBLIC_URL = re.compile(
    r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[1-9]\d{0,4})?(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*/?"
)


class Settings(BaseSettings):
    """Each field is read from `EASEL_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix="EASEL_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    host: str = Field(default="127.0.0.1", description="address the API listens on")
    port: int = Field(default=8000, ge=1, le=65535, description="port the API listens on")
    auth: Literal["auto", "required", "open"] = Field(
        default="auto",
        description="whether requests need an API key; auto: they do unless EASEL_HOST is a loopback address",
    )
    key_rate: Rate = Field(default="600/minute", description="requests for predictions that a key may send")
    key_outstanding: int = Field(default=100, ge=1, description="predictions of a key that may be unfinished")
    key_daily: int = Field(default=10_000, ge=1, description="images that a key may ask for in 24 hours")
    key_uploads_mb: float = Field(default=200, gt=0, description="uploads that are kept for a key, all together")
    key_kept_mb: float = Field(
        default=1024, gt=0, description="inputs, results and uploads that are kept of a key, all together"
    )
    cors_origins: Annotated[tuple[Annotated[str, Field(pattern=r"^https?://[^/*\s]+$")], ...], NoDecode] = Field(
        default=(), description="origins whose pages may call the API, separated by ','"
    )
    public_url: str | None = Field(
        default=None,
        description="address at which callers reach the API through a proxy, such as https://example.org/easel; "
        "addresses in answers begin with it",
    )
    server_names: Annotated[tuple[Annotated[str, Field(pattern=r"^[^/:*\s]+$")], ...], NoDecode] = Field(
        default=(),
        description="names, separated by ',', that the API answers to while access is open, besides addresses, "
        "localhost and names without a dot",
    )
    redis_url: str | None = Field(
        default=None, pattern=SCHEMES, description="Redis to use; without it `easel up` starts its own"
    )
    redis_ca: Path | None = Field(default=None, description="authority of the certificate of a rediss:// Redis, PEM")
    redis_cert: Path | None = Field(default=None, description="certificate that Easel shows to that Redis, PEM")
    redis_key: Path | None = Field(default=None, description="that certificate's private key, PEM")
    redis_replicas: int = Field(
        default=0, ge=0, description="replicas of Redis that must have what the API acknowledges; with fewer 503"
    )
    data_dir: Path = Field(default=Path(".easel"), description="where the embedded Redis keeps its data")
    redis_memory_mb: int = Field(
        default=4096, ge=1, description="memory of the Redis that `easel up` starts; once it is full, 503"
    )
    models: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(), description="folders of models beside the shipped ones, separated by ':'"
    )
    models_refresh_s: float = Field(
        default=2, ge=0, description="seconds between two looks at the folders of models; 0: only when told to"
    )
    preload: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="models that a worker loads before it is ready, separated by ','"
    )
    api_processes: int = Field(default=1, ge=1, description="API processes that `easel up` starts, on one port")
    share_port: bool = Field(default=False, description="whether other API processes listen on the same port")
    workers: int = Field(default=1, ge=1, description="worker processes that `easel up` starts")
    worker_number: int = Field(
        default=0, ge=0, description="which of a machine's workers this one is: of several GPUs it takes that one"
    )
    pools: Annotated[tuple[tuple[str, tuple[str, ...]], ...], NoDecode] = Field(
        default=(), description="which models form which pool, such as `gpu=*-diffusion,paintings-*;digits=mnist-*`"
    )
    pool: str | None = Field(default=None, description="the pool of models that this worker serves; without it all")
    accept_without_workers: bool = Field(
        default=False, description="predictions are accepted while no worker runs, for those that come later"
    )
    worker_metrics_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="port of the first worker's Prometheus metrics, the next worker's is the next; 0: none",
    )
    device: str = Field(default="auto", description="where workers compute: auto, cpu, cuda or cuda:N")
    threads: int = Field(default=0, ge=0, description="CPU threads of one worker; 0: its share of the cores")
    model_memory_mb: int = Field(
        default=2048, ge=1, description="weights a worker holds before it drops the least recently used model"
    )
    max_upload_mb: float = Field(default=10, gt=0, description="largest request body")
    max_model_mb: float = Field(
        default=2048, ge=0, description="largest model that is uploaded, as it is sent and unpacked; 0: none is taken"
    )
    max_bodies_mb: float = Field(
        default=256, gt=0, description="request bodies held at once, all together; beyond it 503"
    )
    read_timeout_s: float = Field(
        default=30, gt=0, description="a request's head, and then its body, must arrive within so long"
    )
    write_timeout_s: float = Field(
        default=30, gt=0, description="a client must take 64 KiB of what waits for it within so long, or is hung up on"
    )
    max_connections: int = Field(
        default=2000,
        gt=0,
        description="connections served at once by one API process; for more, idle ones are closed, else 503",
    )
    max_pixels: int = Field(default=16_000_000, gt=0, description="largest uploaded picture, in pixels")
    max_queue: int = Field(default=1000, gt=0, description="predictions that may wait in one queue; beyond it 503")
    max_wait_s: float = Field(
        default=60, gt=0, description="longest wait that `Prefer: wait` or a request for bytes may ask for"
    )
    max_watchers: int = Field(
        default=500, gt=0, description="event streams open at once on one API process; beyond it 503"
    )
    webhook_secret: str | None = Field(
        default=None,
        pattern=r"^whsec_[A-Za-z0-9+/]{32,88}={0,2}$",
        description="what webhooks are signed with; without it one is drawn, which `easel webhook-secret` shows",
    )
    webhook_allow_private: bool = Field(
        default=False, description="webhooks and fetched pictures may go to private addresses, and to any port"
    )
    fetch_images: bool = Field(
        default=False, description="an input picture may be an http(s) URL, which the API fetches"
    )
    c2pa_cert: Path | None = Field(
        default=None, description="certificate chain, PEM, with which delivered pictures are signed (C2PA)"
    )
    c2pa_key: Path | None = Field(default=None, description="that certificate's private key, PEM")
    store: str | None = Field(
        default=None,
        pattern=r"^(s3|gs|az|file)://.",
        description="where pictures are kept instead of in Redis: s3://bucket/prefix, gs://…, az://… or file:///folder",
    )
    store_answers: Literal["stream", "redirect"] = Field(
        default="stream", description="how the API answers with a picture of the store: itself, or by a signed address"
    )
    result_ttl_s: int = Field(default=3600, gt=0, description="how long results, images and uploads are kept")
    batch_ttl_s: int = Field(
        default=3 * 24 * 3600,
        gt=24 * 3600,
        description="how long files of requests and answers are kept, and batches after they have ended",
    )
    audit_log: Path | None = Field(
        default=None, description="file of what is done with keys and by admins; without it EASEL_DATA_DIR/audit.jsonl"
    )
    usage_dir: Path | None = Field(
        default=None, description="folder of the files of usage, one a day; without it EASEL_DATA_DIR/usage"
    )
    grafana_url: str | None = Field(
        default=None, pattern=r"^https?://[^/\s]", description="address of Grafana, which `/version` and the page tell"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least level that is logged"
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: console on a terminal, JSON lines elsewhere"
    )

    @field_validator("models", mode="before")
    @classmethod
    def _split_paths(cls, value: object) -> object:
        return tuple(part for part in value.split(":") if part) if isinstance(value, str) else value

    @field_validator("preload", "cors_origins", "server_names", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("pools", mode="before")
    @classmethod
    def _split_pools(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = [part.partition("=") for part in value.split(";") if part.strip()]
        if any(not name.strip() or not patterns.strip() for name, _, patterns in parts):
            raise ValueError("pools are told as NAME=PATTERN,PATTERN;NAME=PATTERN")
        return [(name.strip(), tuple(map(str.strip, patterns.split(",")))) for name, _, patterns in parts]

    @field_validator("public_url")
    @classmethod
    def _require_plain_address(cls, value: str | None) -> str | None:
        """Without a slash at the end."""
        if value is None:
            return None
        if not _PUBLIC_URL.fullmatch(value):
            raise ValueError("it is told as https://name, https://name:port or https://name/path, and no more")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _require_known_pool(self) -> Settings:
        if self.pool is not None and self.pool not in Pools(self.pools).names:
            raise ValueError(f"there is no pool {self.pool!r}; EASEL_POOLS has {', '.join(Pools(self.pools).names)}")
        return self

    @model_validator(mode="after")
    def _require_addresses(self) -> Settings:
        if self.store_answers == "redirect" and (self.store is None or self.store.startswith("file:")):
            raise ValueError("EASEL_STORE_ANSWERS=redirect needs an EASEL_STORE that has addresses: s3, gs or az")
        return self

    @model_validator(mode="after")
    def _require_known_redis(self) -> Settings:
        if self.redis_url is not None:
            sentinel_of(self.redis)
        elif self.redis_ca or self.redis_cert or self.redis_key:
            raise ValueError("EASEL_REDIS_CA, EASEL_REDIS_CERT and EASEL_REDIS_KEY need EASEL_REDIS_URL")
        return self

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the API."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def open_access(self) -> bool:
        """Whether requests need no API key."""
        return self.auth == "open" or (self.auth == "auto" and self.on_loopback)

    @property
    def worker_threads(self) -> int:
        """CPU threads that one worker computes with."""
        return self.threads or max(1, len(os.sched_getaffinity(0)) // self.workers)

    @property
    def redis_folder(self) -> Path:
        """Where the embedded Redis keeps its data."""
        return self.data_dir / "redis"

    @property
    def audit_file(self) -> Path:
        """Where what is done with keys and by admins is written."""
        return self.audit_log or self.data_dir / "audit.jsonl"

    @property
    def home(self) -> str:
        """What addresses in answers begin with; empty if they are relative to the root of the server."""
        return self.public_url or ""

    @property
    def usage_folder(self) -> Path:
        """Where files of usage are written."""
        return self.usage_dir or self.data_dir / "usage"

    @property
    def redis(self) -> str:
        """The Redis that API and worker talk to. Raises `RuntimeError` when none was named."""
        if self.redis_url is None:
            raise RuntimeError("EASEL_REDIS_URL is not set; name a Redis, or run `easel up`, which starts one")
        return with_tls(self.redis_url, self.redis_ca, self.redis_cert, self.redis_key)


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
