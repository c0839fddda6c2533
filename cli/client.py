"""For callers: ask a running Easel for pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cli.common import AsJson, models_that, print_json, quit_with

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message

    from pictures.provenance import Provenance

Value = TypeVar("Value")

app = typer.Typer()

Server = Annotated[str, typer.Option("--server", envvar="EASEL_SERVER", help="address of a running Easel")]
Out = Annotated[
    Path, typer.Option("--out", "-o", help="file to write; its suffix (.png, .jpg, .webp, .avif) picks the format")
]
Token = Annotated[str | None, typer.Option("--key", envvar="EASEL_KEY", help="an API key, where one is needed")]
LOCAL = "http://127.0.0.1:8000"


@app.command()
def sample(
    model: Annotated[
        str,
        typer.Argument(
            help="a model that samples, for example mnist-dcgan",
            autocompletion=models_that("sample", "conditional", "text"),
        ),
    ],
    out: Out = Path("out.png"),
    n: Annotated[int, typer.Option("-n", help="how many images; several make a grid")] = 1,
    seed: Annotated[
        int | None, typer.Option(help="image i is drawn with seed + i; drawn by the server if absent")
    ] = None,
    label: Annotated[str | None, typer.Option(help="class name or index, for conditional models")] = None,
    text: Annotated[str | None, typer.Option(help="what to make, for models that read")] = None,
    truncation: Annotated[float | None, typer.Option(help="lower is more typical and less varied")] = None,
    temperature: Annotated[float | None, typer.Option(help="the same, for models with a likelihood")] = None,
    steps: Annotated[int | None, typer.Option(help="noise levels on the way, for diffusion models")] = None,
    sampler: Annotated[str | None, typer.Option(help="dpm-solver++, ddim or ddpm, for diffusion models")] = None,
    guidance: Annotated[float | None, typer.Option(help="how much the label counts, for diffusion models")] = None,
    server: Server = LOCAL,
    key: Token = None,
    as_json: AsJson = False,
) -> None:
    """Ask a running Easel for pictures from noise: easel sample mnist-cgan --label 7 -o seven.png"""
    drawn = {"n": n, "seed": seed, "truncation": truncation, "temperature": temperature}
    fields = {**drawn, "label": label, "text": text, "steps": steps, "sampler": sampler, "guidance": guidance}
    _fetch(f"{server}/v1/sample/{model}", _given(fields), {}, out, key, as_json)


@app.command()
def translate(
    model: Annotated[
        str,
        typer.Argument(
            help="a model that translates, for example facades-pix2pix", autocompletion=models_that("translate")
        ),
    ],
    image: Annotated[Path, typer.Argument(help="the picture to translate", exists=True, dir_okay=False)],
    out: Out = Path("out.png"),
    direction: Annotated[str | None, typer.Option(help="AtoB or BtoA; the model's first if absent")] = None,
    fit: Annotated[
        str | None, typer.Option(help="contain, cover, stretch, tile or native: answer at the picture's own size")
    ] = None,
    side: Annotated[int | None, typer.Option(help="with --fit: the answer's longer side, in pixels")] = None,
    cycle: Annotated[bool, typer.Option("--cycle", help="the way back beside it, and where that is off")] = False,
    n: Annotated[int | None, typer.Option("-n", help="of a model with styles: how many")] = None,
    seed: Annotated[int | None, typer.Option(help="of a model with styles: draws them")] = None,
    style: Annotated[
        Path | None, typer.Option(help="of a model with styles: a picture whose style is taken", exists=True)
    ] = None,
    target: Annotated[str | None, typer.Option(help="of a model with several domains: the one to make")] = None,
    targets: Annotated[str | None, typer.Option(help="attributes that the result is to have: smiling,glasses")] = None,
    server: Server = LOCAL,
    key: Token = None,
    as_json: AsJson = False,
) -> None:
    """Ask a running Easel to translate a picture: easel translate horse2zebra-cyclegan horse.jpg -o zebra.png"""
    fields = {
        "direction": direction,
        "fit": fit,
        "side": side,
        "n": n,
        "seed": seed,
        "target": target,
        "targets": targets,
    }
    ways = {"cycle": True, "heat_map": True} if cycle else {}
    files = _given({"image": image, "style_image": style})
    _fetch(f"{server}/v1/translate/{model}", _given(fields) | ways, files, out, key, as_json)


@app.command()
def stylize(
    image: Annotated[Path, typer.Argument(help="the picture to stylize", exists=True, dir_okay=False)],
    out: Out = Path("out.png"),
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="paintings-fast-style if absent; with --style, paintings-adain",
            autocompletion=models_that("stylize"),
        ),
    ] = None,
    label: Annotated[str | None, typer.Option(help="a painting that the model knows, for example the-scream")] = None,
    blend: Annotated[str | None, typer.Option(help="further paintings to mix with it, separated by commas")] = None,
    style: Annotated[
        Path | None, typer.Option(help="instead of a label: a picture in whose manner it is to be", exists=True)
    ] = None,
    strength: Annotated[float | None, typer.Option(help="how far to go, from 0 to 1; all the way if absent")] = None,
    steps: Annotated[int | None, typer.Option(help="of a model that takes many")] = None,
    side: Annotated[int | None, typer.Option(help="the answer's longer side, in pixels")] = None,
    server: Server = LOCAL,
    key: Token = None,
    as_json: AsJson = False,
) -> None:
    """Ask a running Easel for a picture in the manner of a painting: easel stylize cat.jpg --label starry-night

    The manner may be that of any picture, too: --style painting.jpg
    """
    model = model or ("paintings-adain" if style else "paintings-fast-style")
    fields = {"label": label, "blend": blend, "strength": strength, "steps": steps, "side": side}
    files = _given({"image": image, "style_image": style})
    _fetch(f"{server}/v1/stylize/{model}", _given(fields), files, out, key, as_json)


@app.command()
def dream(
    image: Annotated[Path, typer.Argument(help="the picture to begin with", exists=True, dir_okay=False)],
    out: Out = Path("out.png"),
    model: Annotated[
        str, typer.Option("--model", "-m", help="a model that dreams", autocompletion=models_that("dream"))
    ] = "medley-deepdream",
    layer: Annotated[str | None, typer.Option(help="whose activations grow; the middle one if absent")] = None,
    channel: Annotated[int | None, typer.Option(help="the one channel of the layer that grows")] = None,
    label: Annotated[
        str | None, typer.Option(help="instead of a layer: a class to dream of, for example zebra")
    ] = None,
    guide: Annotated[Path | None, typer.Option(help="a picture of which to dream", exists=True)] = None,
    octaves: Annotated[int | None, typer.Option(help="sizes at which to dream, from small to large")] = None,
    steps: Annotated[int | None, typer.Option(help="in each octave")] = None,
    strength: Annotated[float | None, typer.Option(help="how much a step changes, from 0 to 1")] = None,
    side: Annotated[int | None, typer.Option(help="the answer's longer side, in pixels")] = None,
    server: Server = LOCAL,
    key: Token = None,
    as_json: AsJson = False,
) -> None:
    """Ask a running Easel for a picture with what a network sees in it: easel dream clouds.jpg --label zebra"""
    of = {"layer": layer, "channel": channel, "label": label}
    how = {"octaves": octaves, "steps": steps, "strength": strength, "side": side}
    files = _given({"image": image, "guide_image": guide})
    _fetch(f"{server}/v1/dream/{model}", _given(of | how), files, out, key, as_json)


@app.command()
def inpaint(
    image: Annotated[Path, typer.Argument(help="the picture to fill in", exists=True, dir_okay=False)],
    mask: Annotated[Path, typer.Option(help="as large: white or transparent where it is to be filled in", exists=True)],
    out: Out = Path("out.png"),
    model: Annotated[
        str, typer.Option("--model", "-m", help="a model that fills in", autocompletion=models_that("inpaint"))
    ] = "facades-gated-conv",
    n: Annotated[int | None, typer.Option("-n", help="of a model that draws: how many; several make a grid")] = None,
    seed: Annotated[int | None, typer.Option(help="of a model that draws")] = None,
    server: Server = LOCAL,
    key: Token = None,
    as_json: AsJson = False,
) -> None:
    """Ask a running Easel to fill in a part of a picture: easel inpaint house.jpg --mask mask.png -o house.png"""
    _fetch(
        f"{server}/v1/inpaint/{model}",
        _given({"n": n, "seed": seed}),
        {"image": image, "mask": mask},
        out,
        key,
        as_json,
    )


@app.command()
def upscale(
    image: Annotated[Path, typer.Argument(help="the picture to enlarge", exists=True, dir_okay=False)],
    out: Out = Path("out.png"),
    model: Annotated[
        str, typer.Option("--model", "-m", help="a model that enlarges pictures", autocompletion=models_that("upscale"))
    ] = "sr-edsr",
    scale: Annotated[int | None, typer.Option(help="2, 3 or 4 times as large; the model's first if absent")] = None,
    server: Server = LOCAL,
    key: Token = None,
    as_json: AsJson = False,
) -> None:
    """Ask a running Easel to enlarge a picture: easel upscale small.jpg -o large.png --scale 2"""
    _fetch(f"{server}/v1/upscale/{model}", _given({"scale": scale}), {"image": image}, out, key, as_json)


@app.command()
def mcp(server: Server = LOCAL, key: Token = None) -> None:
    """Serve assistants over stdio (MCP): they make pictures with this key, and within its limits.

    In the assistant's settings: {"mcpServers": {"easel": {"command": "easel", "args": ["mcp"]}}}
    """
    try:
        from easel.mcp import server as serving
    except ImportError:
        quit_with("this needs the extra mcp: pip install 'easel[mcp]'")
    serving(server, key).run()


@app.command()
def replay(
    image: Annotated[Path, typer.Argument(help="a picture that Easel made", exists=True, dir_okay=False)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="where the new picture goes, if anywhere")] = None,
    server: Server = LOCAL,
    key: Token = None,
) -> None:
    """Make a picture again from what it says made it, and compare: easel replay digit.png

    Ends with status 1 if the pixels differ.
    """
    from pictures.composition import difference
    from pictures.formats import format_of
    from pictures.provenance import NoProvenance, Provenance

    try:
        made = Provenance.read(image.read_bytes())
    except NoProvenance as error:
        quit_with(f"{image}: {error}")
    if made.had_pictures:
        quit_with(f"{image} was made from other pictures, which it does not hold; ask {made.model} again with those")
    again = _make_again(server, made, format_of(image.read_bytes()) or "png", key)
    if out is not None:
        _write(out, again)
    differs = difference(image.read_bytes(), again)
    if differs is not None:
        quit_with(f"{made.model} made a picture that is not the same: {differs}")
    print(f"{made.model} made the same picture again: the pixels are identical")


def _make_again(server: str, made: Provenance, format: str, key: str | None) -> bytes:
    """The image that `made` tells of, made anew by the server; ends the command if the server cannot."""
    import json

    card = json.loads(_ask(f"{server}/v1/models/{made.model}", key=key)[0])["card"]
    if card["weights"]["sha256"] != made.weights:
        quit_with(
            f"the picture was made by {made.model} with the weights {made.weights[:12]}…, "
            f"and {server} serves {card['weights']['sha256'][:12]}…; only the same weights make the same picture"
        )
    drawn = {} if made.seed is None else {"seed": made.seed}
    output = {"format": format, **({} if made.quality is None else {"quality": made.quality})}
    order = {"model": made.model, "task": made.task, "input": {**made.input, **drawn}, "output": output}
    headers = {"Content-Type": "application/json", "Prefer": "wait"}
    prediction = json.loads(_ask(f"{server}/v1/predictions", json.dumps(order).encode(), headers, key)[0])
    if prediction["status"] != "succeeded":
        reason = (prediction["error"] or {}).get("detail", prediction["status"])
        quit_with(f"{made.model} did not make it: {reason}")
    return _ask(server + prediction["output"][made.index]["url"], key=key)[0]


def _given(fields: Mapping[str, Value | None]) -> dict[str, Value]:
    """The fields that were given."""
    return {name: value for name, value in fields.items() if value is not None}


def _fetch(url: str, fields: dict, files: dict[str, Path], out: Path, key: str | None, as_json: bool) -> None:
    """Posts a form, writes the picture that comes back and tells of it; an error ends the command with its words."""
    from uuid import uuid4

    kind = _media_type(out)
    boundary = uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, path in files.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="picture"\r\n\r\n'
        parts.append(head.encode() + path.read_bytes() + b"\r\n")
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Accept": kind}
    data, answered = _ask(url, body, headers, key)
    if answered.get_content_type() != kind:
        quit_with(f"it is not made yet; it will be at {answered.get('Location')} of the server")
    _write(out, data)
    seed, prediction = answered.get("X-Seed"), answered.get("Content-Location")
    if as_json:
        print_json({"file": out, "seed": seed and int(seed), "prediction": prediction, "bytes": len(data)})
    else:
        print(f"{out}" + (f" (seed {seed})" if seed else ""))


def _media_type(out: Path) -> str:
    """What a file is to be by its suffix, a PNG if it has none; ends the command if that is not made."""
    from pictures.formats import MEDIA_TYPES

    suffix = out.suffix[1:].lower().replace("jpeg", "jpg") or "png"
    found = next((kind for format, kind in MEDIA_TYPES.items() if format == suffix), None)
    if found is None:
        quit_with(f"{out}: no {out.suffix} is made, only {', '.join(f'.{format}' for format in MEDIA_TYPES)}")
    return found


def _write(out: Path, data: bytes) -> None:
    """Makes the folder, too."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(data)
    except OSError as error:
        quit_with(f"{out} cannot be written: {error.strerror}")


def _ask(
    url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, key: str | None = None
) -> tuple[bytes, Message]:
    """The body and the headers of an answer; GET without a body. An error ends the command with its words."""
    import json
    import urllib.error
    import urllib.request

    identity = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(url, body, {**(headers or {}), **identity})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        problem = json.loads(error.read() or b"{}")
        details = "".join(f"\n  {item['pointer']}: {item['detail']}" for item in problem.get("errors", []))
        quit_with(f"{problem.get('detail', error.reason)}{details}")
    except OSError as error:
        quit_with(f"no Easel answers at {url}: {error}; start one with `easel up`")
