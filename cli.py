"""The `easel` command. Each subcommand imports what it needs when it runs, so that `--help` is instant."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message

    from app.keys import Keys
    from core.settings import Settings
    from models.provenance import Provenance
    from models.registry import Registry

Found = TypeVar("Found")

app = typer.Typer(
    name="easel",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Easel: pictures from generative models that you run yourself.\n\n"
    "Start with [bold]easel up[/bold], then open http://127.0.0.1:8000. "
    "Settings are EASEL_* environment variables; the README lists them.",
    rich_markup_mode="rich",
)

keys = typer.Typer(
    no_args_is_help=True,
    help="Make, list and revoke API keys, in the Redis that EASEL_REDIS_URL names or else in that of `easel up`.",
)
app.add_typer(keys, name="keys")

Server = Annotated[str, typer.Option("--server", envvar="EASEL_SERVER", help="address of a running Easel")]
Out = Annotated[
    Path, typer.Option("--out", "-o", help="file to write; its suffix (.png, .jpg, .webp, .avif) picks the format")
]
Token = Annotated[str | None, typer.Option("--key", envvar="EASEL_KEY", help="an API key, where one is needed")]
LOCAL = "http://127.0.0.1:8000"


def main() -> None:
    """Entry point of the console script."""
    app()


@app.command()
def up() -> None:
    """Start everything: Redis (unless EASEL_REDIS_URL names one), the API, the workers, the webhooks' deliverer."""
    from core import logs
    from core.supervisor import Supervisor

    settings = _settings()
    logs.configure(settings)

    def announce() -> None:
        address = f"http://{settings.host}:{settings.port}"
        print(f"\nEasel is ready: {address} (try {address}/docs). Ctrl-C stops it.\n", flush=True)

    try:
        Supervisor(settings).run(lambda url: _require_key(settings, url), announce)
    except RuntimeError as error:
        _quit(str(error))


@app.command()
def api() -> None:
    """Run the HTTP API alone. Needs EASEL_REDIS_URL."""
    import uvicorn

    settings = _settings()
    _require_redis(settings)
    from app.protocol import BoundedProtocol

    try:
        _require_key(settings, settings.redis)
    except RuntimeError as error:
        _quit(str(error))
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=30,
    )


@app.command()
def worker() -> None:
    """Run one worker alone: it holds models and answers predictions. Needs EASEL_REDIS_URL."""
    settings = _settings()
    _require_redis(settings)
    from workers.worker import run

    run(settings)


@app.command()
def deliver() -> None:
    """Run the process that delivers webhooks alone. Needs EASEL_REDIS_URL."""
    settings = _settings()
    _require_redis(settings)
    from app.deliveries import run

    run(settings)


@app.command()
def webhook_secret() -> None:
    """Show what webhooks are signed with, for whoever receives them. Keep it as you would a password."""
    from redis import Redis
    from redis.exceptions import RedisError

    from app.deliveries import secret
    from core.embedded_redis import EmbeddedRedis

    settings = _settings()
    url = settings.redis_url or EmbeddedRedis(settings.data_dir / "redis").url
    try:
        with Redis.from_url(url) as connection:
            print(secret(connection, settings))
    except RedisError as error:
        _quit(f"Redis cannot be reached: {error}; it runs while `easel up` does")


@app.command()
def models() -> None:
    """List the models in models/zoo and in the folders that EASEL_MODELS names."""
    from rich.console import Console
    from rich.table import Table

    from models.registry import Registry

    registry = Registry(_settings().model_folders)
    table = Table("model", "tasks", "size", "weights", "what it makes")
    for entry in registry.served():
        card = entry.card
        size = f"{card.image.width}x{card.image.height}"
        table.add_row(card.name, ", ".join(card.tasks), size, f"{card.weights.bytes / 1e6:.1f} MB", card.summary)
    Console().print(table)
    for folder, reason in registry.broken.items():
        typer.secho(f"{folder}: its card cannot be read: {reason}", fg="red", err=True)


@app.command()
def sample(
    model: Annotated[str, typer.Argument(help="a model that samples, for example mnist-dcgan")],
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
) -> None:
    """Ask a running Easel for pictures from noise: easel sample mnist-cgan --label 7 -o seven.png"""
    drawn = {"n": n, "seed": seed, "truncation": truncation, "temperature": temperature}
    fields = {**drawn, "label": label, "text": text, "steps": steps, "sampler": sampler, "guidance": guidance}
    given = {name: value for name, value in fields.items() if value is not None}
    _fetch(f"{server}/v1/sample/{model}", given, {}, out, key)


@app.command()
def translate(
    model: Annotated[str, typer.Argument(help="a model that translates, for example facades-pix2pix")],
    image: Annotated[Path, typer.Argument(help="the picture to translate", exists=True, dir_okay=False)],
    out: Out = Path("out.png"),
    direction: Annotated[str | None, typer.Option(help="AtoB or BtoA; the model's first if absent")] = None,
    fit: Annotated[
        str | None, typer.Option(help="contain, cover, stretch or tile: answer at the picture's own size")
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
    given = {name: value for name, value in fields.items() if value is not None}
    ways = {"cycle": True, "heat_map": True} if cycle else {}
    files = {"image": image, **({"style_image": style} if style else {})}
    _fetch(f"{server}/v1/translate/{model}", given | ways, files, out, key)


@app.command()
def replay(
    image: Annotated[Path, typer.Argument(help="a PNG that Easel made", exists=True, dir_okay=False)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="where the new PNG goes; nowhere if absent")] = None,
    server: Server = LOCAL,
    key: Token = None,
) -> None:
    """Make a picture again from what it says made it, and compare: easel replay digit.png

    Ends with status 1 if the pixels differ.
    """
    from models.pictures import difference
    from models.provenance import NoProvenance, Provenance

    try:
        made = Provenance.read(image.read_bytes())
    except NoProvenance as error:
        _quit(f"{image}: {error}")
    if made.had_pictures:
        _quit(f"{image} was made from other pictures, which it does not hold; ask {made.model} again with those")
    again = _make_again(server, made, key)
    if out is not None:
        out.write_bytes(again)
    told = difference(image.read_bytes(), again)
    if told is not None:
        _quit(f"{made.model} made a picture that is not the same: {told}")
    print(f"{made.model} made the same picture again: the pixels are identical")


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="name of a shipped recipe, or a .toml file")],
    runs: Annotated[Path, typer.Option(help="where the run keeps its state, log and sample sheets")] = Path("runs"),
    zoo: Annotated[Path | None, typer.Option(help="where the model goes; models/zoo if absent")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N; a GPU if there is one when absent")] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads; 0: all cores")] = 0,
    steps: Annotated[int | None, typer.Option(help="a smaller budget than the recipe's, for a trial")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="begin again instead of resuming")] = False,
    keep: Annotated[int | None, typer.Option(min=1, help="steps after which a model `<name>-step-<n>` is kept")] = None,
) -> None:
    """Train a model by its recipe. Stopped with Ctrl-C, the same command goes on where it was.

    Data is read from the folder that EASEL_DATASETS names (docs/data.md says where to get it).
    """
    import shutil

    import torch
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from core.settings import SHIPPED_MODELS
    from models.training import recipe as recipes
    from models.training.trainer import Trainer

    if threads:
        torch.set_num_threads(threads)
    chosen = torch.device(
        "cuda" if device == "auto" and torch.cuda.is_available() else "cpu" if device == "auto" else device
    )
    try:
        loaded, digest = recipes.load(recipe)
        if fresh:
            shutil.rmtree(runs / loaded.name, ignore_errors=True)
        trainer = Trainer(loaded, digest, runs / loaded.name, chosen, steps)
    except (FileNotFoundError, ValueError) as error:
        _quit(str(error))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}"),
    )
    try:
        with Progress(*columns, refresh_per_second=2) as progress:
            bar = progress.add_task(loaded.name, total=trainer.steps, completed=trainer.step, losses="")
            for losses in trainer.train():
                told = "  ".join(f"{name} {value:.3g}" for name, value in losses.items())
                progress.update(bar, completed=trainer.step, losses=told)
                if keep and trainer.step % keep == 0 and trainer.step < trainer.steps:
                    trainer.export(zoo or SHIPPED_MODELS, f"{loaded.name}-step-{trainer.step}")
    except KeyboardInterrupt:
        trainer.save()
        _quit(f"stopped at step {trainer.step}; the same command goes on from here")
    card = trainer.export(zoo or SHIPPED_MODELS)
    print(
        f"{card.name}: {card.weights.parameters:,} parameters, {card.weights.bytes / 1e6:.1f} MB, "
        f"in {(zoo or SHIPPED_MODELS) / card.name}"
    )


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="a generator: latest_net_G.pth, latest_net_G_A.pth", exists=True)],
    family: Annotated[Literal["pix2pix", "cyclegan"], typer.Option(help="what it was trained as")],
    name: Annotated[str, typer.Option(help="what requests will call the model, for example maps-pix2pix")],
    back: Annotated[Path | None, typer.Option(help="the generator of the way back: latest_net_G_B.pth")] = None,
    direction: Annotated[Literal["AtoB", "BtoA"], typer.Option(help="which way FILE goes")] = "AtoB",
    domains: Annotated[str, typer.Option(help="what A and B are, for example horse,zebra")] = "A,B",
    size: Annotated[int | None, typer.Option(help="side of the pictures; what is usual if absent")] = None,
    padding: Annotated[Literal["reflect", "replicate"], typer.Option(help="of a ResNet's padded blocks")] = "reflect",
    statistics: Annotated[
        Literal["stored", "picture"],
        typer.Option(help="of batch norm: those in the file, or each picture's own (test.py without --eval)"),
    ] = "stored",
    licence: Annotated[str, typer.Option(help="under which the weights may be used, for the card")] = "unknown",
    zoo: Annotated[Path, typer.Option(help="folder of models that the model's folder goes to")] = Path("imported"),
) -> None:
    """Make a model of a checkpoint of the reference PyTorch code of pix2pix and CycleGAN (docs/importing.md).

    easel import latest_net_G_A.pth --back latest_net_G_B.pth --family cyclegan --name horse2zebra --domains horse,zebra
    """
    from pydantic import TypeAdapter, ValidationError

    from models.card import BACK, ModelName
    from models.importing import NotImportable, Wishes, import_files

    try:
        TypeAdapter(ModelName).validate_python(name)
    except ValidationError:
        _quit(f"{name!r} is no name for a model: small letters, digits and single hyphens between them")
    named = tuple(part.strip() for part in domains.split(","))
    if len(named) != 2 or not all(named):
        _quit(f"--domains takes two names with a comma between them, not {domains!r}")
    files = {direction: file} | ({} if back is None else {BACK[direction]: back})
    wishes = Wishes(padding, statistics, size, named, licence)
    try:
        card = import_files(name, family, files, wishes, zoo)
    except NotImportable as error:
        _quit(str(error))
    for told in card.imported.inferred:
        print(f"found: {told}")
    for told in card.imported.assumed:
        print(f"assumed: {told}")
    print(
        f"{card.name}: {card.summary}; {card.weights.parameters:,} parameters, {card.weights.bytes / 1e6:.1f} MB, "
        f"in {zoo / name}. EASEL_MODELS={zoo} easel up serves it"
    )


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="a model of the zoo, for example mnist-cgan")],
    write: Annotated[bool, typer.Option("--write", help="write figures and today's tasks into the card")] = False,
    limits: Annotated[str | None, typer.Option(help="what the model does badly, as you saw it, for the card")] = None,
    featured: Annotated[
        bool | None, typer.Option(help="whether the model is shown before the others, for the card")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="measure only this kind of figures, keep the others")] = None,
) -> None:
    """Measure a model on data that it was not trained on. Data is read from the folder that EASEL_DATASETS names."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from models.metrics.evaluate import evaluate as measure
    from models.registry import Registry

    registry = Registry(_settings().model_folders)
    try:
        card = measure(model, registry, only or ())
    except KeyError as error:
        _quit(f"there is no model {error}")
    except (FileNotFoundError, ModuleNotFoundError, ValueError) as error:
        _quit(str(error))
    table = Table("figure", "value", "images", "against", "judge")
    for metric in card.metrics:
        table.add_row(
            escape(metric.name), f"{metric.value:g}", str(metric.count), metric.reference, metric.extractor or ""
        )
    Console().print(table)
    if write:
        said = {"limits": limits, "featured": featured}
        card = card.model_copy(update={name: value for name, value in said.items() if value is not None})
        card.write(registry[model].folder)


@app.command()
def directions(
    model: Annotated[str, typer.Argument(help="a model with a latent, for example mnist-cgan")],
    write: Annotated[bool, typer.Option("--write", help="ship them with the model, as inputs of its tasks")] = False,
) -> None:
    """Find directions of a model's latent along which one thing changes, such as the thickness of strokes.

    Data is read from the folder that EASEL_DATASETS names.
    """
    from rich.console import Console
    from rich.table import Table

    from models import directions
    from models.registry import Registry

    try:
        entry = Registry(_settings().model_folders)[model]
        found = directions.find(entry)
    except KeyError as error:
        _quit(f"there is no model {error}")
    except (FileNotFoundError, ValueError) as error:
        _quit(str(error))
    table = Table("attribute", "effect of a step, in standard deviations")
    for name, each in found.items():
        table.add_row(name, f"{each.effect:.2f}")
    Console().print(table)
    if write:
        directions.write(entry.folder, found)


@app.command()
def report(out: Annotated[Path, typer.Option("--out", "-o", help="folder of the docs")] = Path("docs")) -> None:
    """Write the docs' page of all models, with a sample sheet of each. Needs the data sets, as evaluate does."""
    from models.metrics.report import write

    _write_page(write, out)


@app.command()
def gallery(out: Annotated[Path, typer.Option("--out", "-o", help="folder of the docs")] = Path("docs")) -> None:
    """Write the docs' page of translations, a sheet for each way of each translator. Needs the data sets."""
    from models.metrics.gallery import write

    _write_page(write, out)


def _write_page(write: Callable[[Registry, Path], None], out: Path) -> None:
    from models.registry import Registry

    try:
        write(Registry(_settings().model_folders), out)
    except FileNotFoundError as error:
        _quit(str(error))


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="whom or what the key is for")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="predict: ask for pictures; read: models, queues and metrics; admin: all. Can be repeated"),
    ] = None,
    rate: Annotated[str | None, typer.Option(help="requests for predictions, for example 60/minute")] = None,
    outstanding: Annotated[int | None, typer.Option(help="predictions that may be unfinished")] = None,
    daily: Annotated[int | None, typer.Option(help="images in 24 hours")] = None,
) -> None:
    """Make a key and print its token, this once: easel keys create gallery --rate 60/minute"""
    from pydantic import ValidationError

    try:
        key, token = _with_keys(lambda kept: kept.create(name, scope or ["predict"], rate, outstanding, daily))
    except ValidationError as error:
        _quit("\n".join(f"{item['loc'][0]}: {item['msg']}" for item in error.errors()))
    typer.echo(f"{key.id} ({', '.join(sorted(key.scopes))}) for {key.name}. The token is shown only now:", err=True)
    print(token)


@keys.command("list")
def list_keys() -> None:
    """List the keys. A limit that is not shown is the default of the settings."""
    from rich.console import Console
    from rich.table import Column, Table

    table = Table(Column("id", no_wrap=True), "name", "scopes", "rate", "outstanding", "daily", "created")
    for key in _with_keys(lambda kept: kept.all()):
        limits = [str(limit or "") for limit in (key.rate, key.outstanding, key.daily)]
        table.add_row(key.id, key.name, ", ".join(sorted(key.scopes)), *limits, f"{key.created_at:%Y-%m-%d %H:%M}")
    Console().print(table)


@keys.command("revoke")
def revoke_key(id: Annotated[str, typer.Argument(help="as `easel keys list` shows it")]) -> None:
    """Revoke a key, from the next request on. What it made stays until it expires, for admins to see."""
    if not _with_keys(lambda kept: kept.revoke(id)):
        _quit(f"there is no key {id}; `easel keys list` shows those there are")
    print(f"{id} is revoked")


def _with_keys(act: Callable[[Keys], Awaitable[Found]]) -> Found:
    """What `act` makes of the keys; without a Redis to find them in, the end of the command."""
    from contextlib import nullcontext

    from redis.exceptions import RedisError

    from core.embedded_redis import EmbeddedRedis

    settings = _settings()
    place = nullcontext(settings.redis_url) if settings.redis_url else EmbeddedRedis(settings.redis_folder).visited()
    try:
        with place as url:
            return _ask_keys(url, act)
    except (RuntimeError, RedisError) as error:
        _quit(str(error))


def _ask_keys(url: str, act: Callable[[Keys], Awaitable[Found]]) -> Found:
    import asyncio

    from app.keys import Keys

    async def run() -> Found:
        async with Keys.at(url) as kept:
            return await act(kept)

    return asyncio.run(run())


def _require_key(settings: Settings, redis_url: str) -> None:
    """Keeps a command from serving a network on which nobody could ask for anything.

    A Redis that does not answer yet is no obstacle: until it does, nobody gets in either.

    Raises:
        RuntimeError: requests would need a key, and there is none.
    """
    from redis.exceptions import RedisError

    if settings.open_access or settings.on_loopback:
        return
    try:
        if _ask_keys(redis_url, lambda kept: kept.any()):
            return
    except RedisError:
        return
    raise RuntimeError(
        f"{settings.host} can be reached from other machines, so requests need an API key, and there is none: make one "
        "with `easel keys create NAME`, or set EASEL_AUTH=open to let everybody in"
    )


def _make_again(server: str, made: Provenance, key: str | None) -> bytes:
    """The image that `made` tells of, made anew by the server; ends the command if the server cannot."""
    import json

    card = json.loads(_ask(f"{server}/v1/models/{made.model}", key=key)[0])["card"]
    if card["weights"]["sha256"] != made.weights:
        _quit(
            f"the picture was made by {made.model} with the weights {made.weights[:12]}…, "
            f"and {server} serves {card['weights']['sha256'][:12]}…; only the same weights make the same picture"
        )
    drawn = {} if made.seed is None else {"seed": made.seed}
    order = {"model": made.model, "task": made.task, "input": {**made.input, **drawn}}
    headers = {"Content-Type": "application/json", "Prefer": "wait"}
    prediction = json.loads(_ask(f"{server}/v1/predictions", json.dumps(order).encode(), headers, key)[0])
    if prediction["status"] != "succeeded":
        reason = (prediction["error"] or {}).get("detail", prediction["status"])
        _quit(f"{made.model} did not make it: {reason}")
    return _ask(server + prediction["output"][made.index]["url"], key=key)[0]


def _fetch(url: str, fields: dict, files: dict[str, Path], out: Path, key: str | None) -> None:
    """Posts a form and writes the picture that comes back; an error ends the command with its words."""
    from uuid import uuid4

    from models.pictures import MEDIA_TYPES

    boundary = uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, path in files.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="picture"\r\n\r\n'
        parts.append(head.encode() + path.read_bytes() + b"\r\n")
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Accept": MEDIA_TYPES.get(out.suffix[1:].lower().replace("jpeg", "jpg"), "image/png"),
    }
    data, told = _ask(url, body, headers, key)
    out.write_bytes(data)
    seed = told.get("X-Seed")
    print(f"{out}" + (f" (seed {seed})" if seed else ""))


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
        _quit(f"{problem.get('detail', error.reason)}{details}")
    except OSError as error:
        _quit(f"no Easel answers at {url}: {error}; start one with `easel up`")


def _settings() -> Settings:
    """This process's settings, or the end of it with a word on each that is wrong."""
    from pydantic import ValidationError

    from core.settings import get_settings

    try:
        return get_settings()
    except ValidationError as error:
        wrong = [f"EASEL_{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors()]
        _quit("\n".join(wrong))


def _require_redis(settings: Settings) -> None:
    if settings.redis_url is None:
        _quit("EASEL_REDIS_URL is not set; name a Redis, or run `easel up`, which starts one")


def _quit(message: str) -> NoReturn:
    typer.secho(message, fg="red", err=True)
    sys.stdout.flush()
    raise typer.Exit(1)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
