"""An MCP server (modelcontextprotocol.io): assistants make and translate pictures with the key, and so within the
limits, of whoever runs it. Needs the extra `mcp`.

It asks a running Easel as any client does. A call that the assistant gives up cancels its prediction.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from easel.client import AsyncEasel, EaselError, Prediction

SHOWN = 8
"""Most pictures that one answer shows; others are named by their addresses."""
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff", ".heic")
_MADE = "made:"
"""Before `<prediction>/<index>`: a picture that was made before, as an input."""

_INSTRUCTIONS = """Easel makes pictures with generative models: samples, translations, styles, enlargements, repairs.
Look with `models` for what there is and with `inputs` for what a model takes, then `make`. The same seed makes the same
picture again."""


def server(address: str, key: str | None) -> MCPServer:
    """The server of one Easel."""
    easel = AsyncEasel(address, key)

    @asynccontextmanager
    async def lifespan(_: MCPServer) -> AsyncIterator[None]:
        async with easel:
            yield

    served = MCPServer("Easel", instructions=_INSTRUCTIONS, lifespan=lifespan)

    @served.tool(structured_output=False)
    async def models(task: Annotated[str, Field(description="only those that do it: sample, translate …")] = "") -> str:
        """What can make pictures: ids, tasks, names of inputs, and what each does well and badly."""
        found = [each for each in await _told(easel.models()) if not task or task in each["tasks"]]
        return json.dumps(
            [{name: each[name] for name in ("id", "tasks", "takes", "summary", "limits")} for each in found]
        )

    @served.tool(structured_output=False)
    async def inputs(model: str) -> str:
        """What each task of a model takes, as JSON Schema; its classes, directions and size."""
        found = await _told(easel.model(model))
        card = {name: found["card"].get(name) for name in ("classes", "directions", "domains", "image")}
        return json.dumps({"inputs": found["inputs"], **card})

    @served.tool(structured_output=False)
    async def make(
        model: str,
        input: Annotated[
            dict[str, Any],
            Field(description="as `inputs` says; a picture is a file's path, a data: URI, or `made:…` of an answer"),
        ],
        task: Annotated[str, Field(description="the model's first if empty")] = "",
    ) -> list[Any]:
        """Make pictures, or change one. Answers with them, their seeds, and what they are called in a further input."""
        given = {name: await _picture(easel, value) for name, value in input.items()}
        more = {"task": task} if task else {}
        made = await _told(easel.predict(model, given, **more))
        shown = range(min(len(_images(made)), SHOWN))
        pictures = [Image(data=await _told(easel.image(made, index)), format="png") for index in shown]
        return [*pictures, json.dumps(_summary(made))]

    return served


async def _told(answer: Any) -> Any:
    """What the server answered; what it refused, in words for the assistant."""
    try:
        return await answer
    except EaselError as error:
        wrong = "".join(f"\n{each['pointer']}: {each['detail']}" for each in error.errors)
        raise ToolError(f"{error.detail}{wrong}") from None


async def _picture(easel: AsyncEasel, value: Any) -> Any:
    """A value of an input, with the bytes of the picture that it names, if it does."""
    if not isinstance(value, str):
        return value
    if value.startswith(_MADE):
        prediction, _, index = value.removeprefix(_MADE).partition("/")
        return await _told(easel.image(await _told(easel.find(prediction)), int(index or 0)))
    return await asyncio.to_thread(_file, Path(value)) or value


def _file(path: Path) -> bytes | None:
    """The bytes of a picture's file; other files are nothing that an assistant sends."""
    return path.read_bytes() if path.suffix.lower() in _PICTURES and path.is_file() else None


def _images(made: Prediction) -> list[Any]:
    return [each for each in made["output"] or [] if "url" in each]


def _summary(made: Prediction) -> dict[str, Any]:
    """What an assistant needs of a prediction."""
    outputs: list[dict[str, Any]] = [
        {"picture": f"{_MADE}{made['id']}/{index}", "seed": each.get("seed")} if "url" in each else dict(each)
        for index, each in enumerate(made["output"] or [])
    ]
    return {"model": made["model"], "task": made["task"], "output": outputs, "expires_at": made["expires_at"]}
