"""Structured logs: one event per line, key-value pairs bound by whoever knows them; JSON when nobody watches."""

import logging
import sys

import structlog

from core.settings import Settings

# Until `configure` is called, as in commands that serve nothing: what a command answers on stdout is for programs.
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def configure(settings: Settings) -> None:
    """Sends structlog and the standard library's loggers (uvicorn, rq, redis) through one formatter to stderr."""
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    shared = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        cache_logger_on_first_use=True,
    )
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    last = [structlog.processors.format_exc_info, *([] if as_json else [_printable]), renderer]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name in ("uvicorn", "uvicorn.error", "rq.worker", "rq.queue", "rq.job"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    logging.getLogger("rq.worker").setLevel("WARNING")


def _printable(logger: object, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A processor that spells out control characters: a request's path must not write to the terminal of who reads it.

    Of tracebacks lines stay lines. What is no string is shown by its `repr`.
    """
    return {
        _escaped(name): _escaped(value, keep="\n" if name in ("exception", "stack") else "")
        if isinstance(value, str)
        else value
        for name, value in event.items()
    }


def _escaped(text: str, keep: str = "") -> str:
    return "".join(each if each.isprintable() or each in keep else repr(each)[1:-1] for each in text)


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger for the module `name`."""
    return structlog.get_logger(name)
