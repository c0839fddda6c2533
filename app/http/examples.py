"""What requests and answers look like, for the OpenAPI document: every example is held against its schema by a test."""

from __future__ import annotations

from typing import Any

from app.http.errors import PROBLEM_JSON, TITLES, openai_type

_ID = "4be0643f1d98573b97caaa9b6d6d5e1b"
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_AT, _LATER = "2026-01-31T12:00:00Z", "2026-01-31T13:00:00Z"

_QUEUED: dict[str, Any] = {
    "id": _ID,
    "object": "prediction",
    "model": "mnist-cgan",
    "version": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "task": "conditional",
    "status": "queued",
    "input": {"n": 1, "seed": 1, "label": 7, "truncation": None},
    "output": None,
    "error": None,
    "metrics": None,
    "created_at": _AT,
    "started_at": None,
    "completed_at": None,
    "expires_at": None,
    "urls": {
        "get": f"/v1/predictions/{_ID}",
        "cancel": f"/v1/predictions/{_ID}/cancel",
        "events": f"/v1/predictions/{_ID}/events",
    },
}
_SUCCEEDED = _QUEUED | {
    "status": "succeeded",
    "output": [{"url": f"/v1/predictions/{_ID}/images/0.png", "seed": 1, "width": 28, "height": 28, "sha256": _SHA256}],
    "metrics": {
        "queue_ms": 3.1,
        "load_ms": 0.0,
        "inference_ms": 8.2,
        "encode_ms": 0.4,
        "total_ms": 11.7,
        "batch_size": 4,
    },
    "started_at": _AT,
    "completed_at": _AT,
    "expires_at": _LATER,
}
_CANCELED = _QUEUED | {"status": "canceled", "completed_at": _AT, "expires_at": _LATER}
_UPLOAD = {
    "id": _ID,
    "object": "upload",
    "bytes": 81_920,
    "width": 1024,
    "height": 768,
    "media_type": "image/jpeg",
    "sha256": _SHA256,
    "created_at": _AT,
    "expires_at": _LATER,
}
_MODEL = {
    "id": "mnist-cgan",
    "object": "model",
    "created": 1_769_860_800,
    "owned_by": "easel",
    "family": "cgan",
    "summary": "Handwritten digits by class",
    "tasks": ["conditional"],
    "takes": {"conditional": ["label", "n", "seed", "latent", "truncation", "temperature"]},
    "image": {"height": 28, "width": 28, "channels": 1},
    "data": "mnist",
    "licence": "none stated for MNIST",
    "limits": "Of 10,000 digits 64 read as another one.",
    "metrics": [],
    "featured": False,
    "baseline": False,
    "sheet": "/v1/models/mnist-cgan/sheet.webp",
    "cover": "/v1/models/mnist-cgan/cover.webp",
    "version": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}
_VERSION = {
    "object": "model.version",
    "reference": f"zebra@{_SHA256}",
    "model": "zebra",
    "version": _SHA256,
    "names": ["zebra", "zebra-latest"],
    "published": True,
    "shipped": False,
    "created": 1_769_860_800,
    "bytes": 45_534_208,
    "tasks": ["translate"],
}
_DRAFT = _VERSION | {"names": [], "published": False}
_BROKEN = {"folder": "my-models/zebra", "reason": "there is no model.safetensors, or not yet"}
_USAGE = {
    "key": "0b7ad439d156",
    "name": "gallery",
    "requests": {"used": 3, "limit": 60, "per": "minute"},
    "predictions_today": 12,
    "images_today": {"used": 96, "limit": 10_000, "reset_s": 80_400},
    "outstanding": {"used": 1, "limit": 100},
    "uploads": {"used": 81_920, "limit": 209_715_200, "count": 1},
    "kept": {"used": 1_441_792, "limit": 1_073_741_824},
}
_KEY = {
    "object": "key",
    "id": "0b7ad439d156",
    "name": "gallery",
    "scopes": ["predict"],
    "rate": "60/minute",
    "outstanding": None,
    "daily": 1_000,
    "created_at": _AT,
}
_ATTEMPT = {"id": f"msg_{_ID}_succeeded", "type": "prediction.succeeded", "at": _AT, "status": 200, "error": None}
_IMAGES = {
    "created": 1_769_860_800,
    "data": [{"url": f"http://127.0.0.1:8000/v1/predictions/{_ID}/images/0.png", "seed": 1}],
    "output_format": "png",
    "size": "28x28",
}
_FILE = {
    "id": "file-5b1f0c9a7e3d4c2b8a6f1e0d",
    "object": "file",
    "bytes": 7_400_000,
    "created_at": 1_769_860_800,
    "expires_at": 1_770_120_000,
    "filename": "sevens.jsonl",
    "purpose": "batch",
    "status": "processed",
}
_BATCH: dict[str, Any] = {
    "id": "batch_7c0e5d2b9f8a4e1c6d3b2a1f",
    "object": "batch",
    "endpoint": "/v1/images/generations",
    "errors": None,
    "input_file_id": _FILE["id"],
    "completion_window": "24h",
    "status": "in_progress",
    "output_file_id": None,
    "error_file_id": None,
    "created_at": 1_769_860_900,
    "in_progress_at": 1_769_860_901,
    "expires_at": 1_769_947_300,
    "finalizing_at": None,
    "completed_at": None,
    "failed_at": None,
    "expired_at": None,
    "cancelling_at": None,
    "cancelled_at": None,
    "request_counts": {"total": 50_000, "completed": 1_200, "failed": 0},
    "metadata": {"set": "sevens"},
}
_EVENTS = (
    'event: queued\ndata: {"position": 1, "eta_s": 0.024}\n\n'
    f'event: started\ndata: {{"started_at": "{_AT}"}}\n\n'
    'id: 1769860800000-0\nevent: progress\ndata: {"step": 1, "total": 2}\n\n'
)

REQUESTS: dict[str, dict[str, Any]] = {
    "/v1/sample/{model}": {"n": 4, "seed": 1},
    "/v1/translate/{model}": {"image": f"upload:{_ID}", "direction": "AtoB"},
    "/v1/stylize/{model}": {"image": f"upload:{_ID}", "label": "starry-night"},
    "/v1/dream/{model}": {"image": f"upload:{_ID}", "layer": "relu4_3"},
    "/v1/inpaint/{model}": {"image": f"upload:{_ID}", "mask": f"upload:{_ID}"},
    "/v1/upscale/{model}": {"image": f"upload:{_ID}", "scale": 2},
    "/v1/interpolate/{model}": {"seeds": "1,2,3", "frames": 24, "loop": True},
    "/v1/batches": {
        "input_file_id": "file-5b1f0c9a7e3d4c2b8a6f1e0d",
        "endpoint": "/v1/images/generations",
        "completion_window": "24h",
    },
    "/v1/images/generations": {"model": "mnist-cgan", "prompt": "a handwritten 7", "response_format": "url"},
    "/v1/models/{model}": {"summary": "Horses to zebras", "limits": "Riders get stripes, too."},
    "/v1/aliases/{name}": {"model": f"zebra@{_SHA256}"},
    "/v1/keys": {"name": "gallery", "scopes": ["predict"], "rate": "60/minute", "daily": 1_000},
}
"""JSON bodies that have no example of their own in `openapi`."""

ANSWERS: dict[tuple[str, str], Any] = {
    ("get", "/v1/predictions"): {"object": "list", "data": [_SUCCEEDED], "next_cursor": f"1769860800000-{_ID}"},
    ("get", "/v1/predictions/{prediction_id}"): _SUCCEEDED,
    ("post", "/v1/predictions/{prediction_id}/cancel"): _CANCELED,
    ("get", "/v1/predictions/{prediction_id}/events"): _EVENTS,
    ("get", "/v1/predictions/{prediction_id}/deliveries"): {"object": "list", "data": [_ATTEMPT]},
    ("post", "/v1/uploads"): _UPLOAD,
    ("get", "/v1/uploads/{upload_id}"): _UPLOAD,
    ("post", "/v1/images/generations"): _IMAGES,
    ("post", "/v1/images/edits"): _IMAGES,
    ("post", "/v1/images/variations"): _IMAGES,
    ("post", "/v1/files"): _FILE,
    ("get", "/v1/files/{file_id}"): _FILE,
    ("get", "/v1/files"): {
        "object": "list",
        "data": [_FILE],
        "first_id": _FILE["id"],
        "last_id": _FILE["id"],
        "has_more": False,
    },
    ("delete", "/v1/files/{file_id}"): {"id": _FILE["id"], "object": "file", "deleted": True},
    ("get", "/v1/files/{file_id}/content"): '{"custom_id": "seven-1", "method": "POST", …}\n',
    ("post", "/v1/batches"): _BATCH | {"status": "validating", "in_progress_at": None},
    ("get", "/v1/batches/{batch_id}"): _BATCH,
    ("post", "/v1/batches/{batch_id}/cancel"): _BATCH | {"status": "cancelling", "cancelling_at": 1_769_861_000},
    ("get", "/v1/batches"): {
        "object": "list",
        "data": [_BATCH],
        "first_id": _BATCH["id"],
        "last_id": _BATCH["id"],
        "has_more": False,
    },
    ("get", "/v1/models"): {"object": "list", "data": [_MODEL]},
    ("post", "/v1/models/refresh"): {
        "models": 52,
        "broken": [_BROKEN],
        "told": 2,
    },
    ("post", "/v1/models/{model}/{verb}"): {"model": "mnist-cgan", "workers": 2},
    ("get", "/v1/versions"): {"object": "list", "data": [_VERSION], "broken": [_BROKEN]},
    ("post", "/v1/models"): _DRAFT,
    ("patch", "/v1/models/{model}"): _DRAFT,
    ("delete", "/v1/models/{model}"): {"removed": [f"zebra@{_SHA256}"]},
    ("post", "/v1/models/{model}/publish"): _VERSION,
    ("post", "/v1/models/{name}/rollback"): _VERSION,
    ("put", "/v1/aliases/{name}"): _VERSION,
    ("get", "/v1/usage"): {"object": "list", "data": [_USAGE]},
    ("get", "/v1/keys"): {"object": "list", "data": [_KEY]},
    ("post", "/v1/keys"): _KEY | {"token": "ek_0b7ad439d156_7TrYbVhC2Jx0fKq1mWnPzLs8dGuE4aRi5oB6cHvXtNk"},
    ("delete", "/v1/keys/{id}"): {"object": "key", "id": "0b7ad439d156", "deleted": True, "canceled": 0},
    ("get", "/livez"): {"status": "ok"},
    ("get", "/readyz"): {"status": "ok"},
    ("get", "/version"): {
        "name": "easel",
        "version": "0.1.0",
        "upload_bytes": 10_485_760,
        "picture_pixels": 16_000_000,
        "grafana": None,
    },
    ("get", "/metrics"): "easel_workers 1.0\n",
}
"""What a route answers when all is well, where it is no picture and no prediction that was asked for."""

_CODES = {
    400: ("malformed_request", "the body is not valid JSON"),
    401: ("unauthorized", "this needs a valid API key, sent as `Authorization: Bearer ek_…`"),
    403: ("missing_scope", "this key lacks the scope predict"),
    404: ("not_found", "there is nothing of this id; results are kept for a limited time"),
    406: ("not_acceptable", "score answers with numbers, not with pictures; send `Accept: application/json`"),
    408: ("request_timeout", "the request's body did not arrive within 30 s"),
    409: ("not_ended", "the prediction has not ended; cancel it first"),
    410: ("expired", "the images have expired"),
    413: ("too_large", "the request body exceeds the limit of 10,485,760 bytes"),
    415: ("unsupported_media_type", "cannot read text/plain; send application/json or multipart/form-data"),
    422: ("invalid_input", "mnist-cgan does not take this input"),
    429: ("rate_limited", "this key may send 60/minute requests"),
    503: ("queue_full", "1000 predictions of mnist-cgan are waiting already"),
}
_FIELD = {"pointer": "/input/label", "detail": "unknown label; this model knows 0, 1, 2 (or an index below 10)"}


def illustrate(document: dict[str, Any]) -> None:
    """Puts an example into every JSON body and every answer that is no picture, where there is none yet."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body is not None and path in REQUESTS:
                body["example"] = REQUESTS[path]
            for status, answer in operation["responses"].items():
                for kind, content in answer.get("content", {}).items():
                    example = _example(method, path, int(status), kind)
                    if example is not None:
                        content["example"] = example


def _example(method: str, path: str, status: int, kind: str) -> Any:
    if status >= 400:
        return _problem(status) if kind == PROBLEM_JSON else _envelope(status)
    if status == 202 and (method, path) not in ANSWERS:
        return _QUEUED
    if kind == "application/json" and method in ("post", "put") and (method, path) not in ANSWERS:
        return _SUCCEEDED
    return ANSWERS.get((method, path)) if not kind.startswith(("image/", "application/zip")) else None


def _problem(status: int) -> dict[str, Any]:
    code, detail = _CODES[status]
    return {
        "type": "about:blank",
        "title": TITLES[status],
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": "0c3f7d6a5b1e4f2d8a9b0c1d2e3f4a5b",
        "errors": [_FIELD] if status == 422 else [],
    }


def _envelope(status: int) -> dict[str, Any]:
    code, detail = _CODES[status]
    return {"error": {"message": detail, "type": openai_type(status), "param": None, "code": code}}
