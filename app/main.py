"""The application: one function that puts the parts together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware

from app.access.callers import Access
from app.batches.files import Files
from app.batches.records import BatchRecords
from app.batches.runner import BatchAnswerer
from app.http import errors, page
from app.http.connection_limits import OPEN_CONNECTIONS, READ_TIMEOUT, WRITE_TIMEOUT
from app.http.examples import illustrate
from app.http.foreign_pages import RefuseForeignPages
from app.http.middleware import CORS, Head, LimitBody, Observe
from app.http.open_connections import OpenConnections
from app.http.openapi import components, envelopes, problems
from app.monitoring.metrics import ApiMetrics
from app.monitoring.usage_files import UsageFiles
from app.predictions.service import Predictions
from app.predictions.signing import signer_of
from app.predictions.store import Store
from app.routes import (
    batches,
    bundles,
    deliveries,
    files,
    history,
    images,
    interpolate,
    keys,
    models,
    operations,
    predictions,
    short,
    uploads,
    usage,
    versions,
)
from app.routes.dependencies import may_use
from core import garbage_collection, logs, tracing
from core.audit import AuditLog
from core.object_store import ObjectStore
from core.open_files import connections_that_fit
from core.pools import Pools
from core.settings import Settings, get_settings
from models.registry import Registry
from models.registry_watch import RegistryWatch

log = logs.get(__name__)

PLAIN = (short.routes, predictions.routes, interpolate.routes, images.routes)
"""Routes that Starlette calls. They are matched in this order, before all others: what is asked most comes first."""

_REFUSALS = problems(401, 403, 422, 503)
"""What any route of `/v1` may answer."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The API for some settings; without them, for this process's own (uvicorn's factory)."""
    settings = settings or get_settings()
    logs.configure(settings)
    tracing.configure("easel-api")
    signer = signer_of(settings)
    objects = ObjectStore(settings.store) if settings.store else None
    registry, metrics = Registry.with_shipped(settings.models), ApiMetrics()
    for folder in settings.models:
        if not folder.is_dir():
            log.error("models_folder_missing", folder=str(folder))
    for folder, reason in registry.broken.items():
        log.error("model_unreadable", folder=str(folder), reason=reason)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        watch = RegistryWatch(registry, settings.models_refresh_s, _changed(registry))
        store = Store(
            settings.redis,
            settings.result_ttl_s,
            Pools(settings.pools),
            signer,
            watch.look,
            objects,
            settings.store_answers == "redirect",
            settings.redis_replicas,
            settings.home,
        )
        app.state.access = Access(store.redis, settings)
        app.state.predictions = Predictions(registry, store, settings, metrics)
        app.state.batches = BatchRecords(store.redis, Files(store.redis, settings.batch_ttl_s, objects))
        runner = BatchAnswerer(app.state.predictions, app.state.access, app.state.batches)
        await store.open()
        runner.start()
        usage_files = UsageFiles(store.redis, settings.usage_folder)
        usage_files.start()
        watch.start()
        garbage_collection.settle()
        log.info("api_ready", models=[entry.card.name for entry in registry.served()])
        connections = connections_that_fit(settings.max_connections)
        if connections < settings.max_connections:
            log.warning("open_files_bound_connections", connections=connections, wanted=settings.max_connections)
        yield {
            READ_TIMEOUT: settings.read_timeout_s,
            WRITE_TIMEOUT: settings.write_timeout_s,
            OPEN_CONNECTIONS: OpenConnections(connections),
        }
        watch.stop()
        await runner.stop()
        await usage_files.stop()
        await store.close()

    app = FastAPIOffline(
        docs_url=None,  # page.install makes its pages
        redoc_url=None,
        redirect_slashes=not settings.home,  # there whoever follows would leave the proxy's path
        title="Easel",
        version=version("easel"),
        summary="Pictures from generative models that you run yourself.",
        description="Samples, conditional samples and image-to-image translations, queued and batched. "
        "Every error is `application/problem+json`.",
        routes=[route for plain in PLAIN for route in plain.routes],
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # /metrics tells; asking costs each request
    )
    errors.install(app)
    names = (settings.host, *settings.server_names) if settings.open_access else None
    origins, public = settings.cors_origins, urlsplit(settings.home)
    if public.hostname:
        names = None if names is None else (*names, public.hostname)
        origins = (*origins, f"{public.scheme}://{public.netloc}")
    app.add_middleware(RefuseForeignPages, names=names, origins=origins)
    app.add_middleware(
        LimitBody,
        max_bytes=int(settings.max_upload_mb * 2**20),
        streamed={("POST", versions.UPLOADS): int(settings.max_model_mb * 2**20)},
        max_held=int(settings.max_bodies_mb * 2**20),
        timeout_s=settings.read_timeout_s,
    )
    if settings.cors_origins:
        app.add_middleware(CORSMiddleware, allow_origins=settings.cors_origins, **CORS)
    if tracer := tracing.tracer():
        from app.http.tracing import Trace

        app.add_middleware(Trace, tracer=tracer)
    app.add_middleware(Observe, metrics=metrics, audit_log=AuditLog(settings.audit_file))
    app.add_middleware(Head)
    for module in (history, bundles, versions, models, uploads, deliveries, usage, keys):
        app.include_router(module.router, dependencies=[Depends(may_use)], responses=_REFUSALS)
    for module in (files, batches):
        app.include_router(module.router, dependencies=[Depends(may_use)], responses=envelopes(401, 403, 422, 503))
    app.include_router(operations.router)
    page.install(app)
    app.openapi = lambda: _documented(app, settings.home)
    return app


def _changed(registry: Registry) -> Callable[[], None]:
    """What is done when models came or went: the log tells."""

    def tell() -> None:
        broken = {str(path): why for path, why in registry.broken.items()}
        log.info("models_changed", models=len(registry), broken=broken)

    return tell


def _documented(app: FastAPI, home: str) -> dict[str, Any]:
    """The OpenAPI document, with the plain routes, the schemas that FastAPI does not see, and examples."""
    if app.openapi_schema is None:
        plain = APIRouter()
        for each in PLAIN:
            plain.include_router(each.documentation, responses=_REFUSALS)
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=[*plain.routes, *app.routes],
            servers=[{"url": home}] if home else None,
        )
        schemas = document["components"]["schemas"]
        schemas |= {name: schema for name, schema in components().items() if name not in schemas}
        illustrate(document)
        app.openapi_schema = document
    return app.openapi_schema
