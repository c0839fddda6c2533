"""The MCP server, as an assistant's client sees it."""

import asyncio
import base64
import json
import sys

import pytest

from tests.conftest import pixels_of, png

mcp = pytest.importorskip("mcp")

from easel.mcp import server  # noqa: E402


def ask(easel, act):
    async def run():
        async with mcp.Client(server(easel.url, None)) as client:
            return await act(client)

    return asyncio.run(run())


def call(easel, tool, **arguments):
    result = ask(easel, lambda client: client.call_tool(tool, arguments))
    return result.is_error, result.content


def test_an_assistant_finds_what_there_is(easel):
    _, (told,) = call(easel, "models", task="translate")
    names = [each["id"] for each in json.loads(told.text)]
    assert "toy-cyclegan" in names
    assert "toy-dcgan" not in names
    _, (told,) = call(easel, "inputs", model="toy-dcgan")
    assert "seed" in json.loads(told.text)["inputs"]["sample"]["properties"]


def test_it_makes_pictures_and_changes_what_it_made(easel, client, tmp_path):
    wrong, (first, second, told) = call(easel, "make", model="toy-vae", task="sample", input={"n": 2, "seed": 4})
    assert not wrong
    assert (first.mime_type, second.mime_type) == ("image/png", "image/png")
    output = json.loads(told.text)["output"]
    assert [each["seed"] for each in output] == [4, 5]
    expected = client.post("/v1/sample/toy-vae", data={"seed": 4}).content
    assert (pixels_of(base64.b64decode(first.data)) == pixels_of(expected)).all()
    wrong, content = call(easel, "make", model="toy-vae", task="reconstruct", input={"image": output[1]["picture"]})
    assert not wrong, content
    (tmp_path / "in.png").write_bytes(png())
    wrong, content = call(easel, "make", model="toy-cyclegan", input={"image": str(tmp_path / "in.png")})
    assert not wrong, content


def test_it_is_told_what_is_wrong(easel):
    wrong, (told,) = call(easel, "make", model="toy-dcgan", input={"n": 0})
    assert wrong
    assert "/input/n" in told.text


def test_the_command_serves_over_stdio(easel):
    async def run():
        command = mcp.StdioServerParameters(command=sys.executable, args=["-m", "cli", "mcp", "--server", easel.url])
        async with mcp.Client(mcp.stdio_client(command)) as client:
            return {tool.name for tool in (await client.list_tools()).tools}

    assert asyncio.run(run()) == {"models", "inputs", "make"}
