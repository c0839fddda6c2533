"""Generators of the official MUNIT and UNIT (`gen_01000000.pt`): `a` and `b`, those of both domains, in one file."""

from __future__ import annotations

from importing.errors import NotImportable
from importing.layers import Layers, channels, kernel, matrix, without_statistics
from importing.layouts.layout import Finding, ImportSettings, Layout, fit
from models.nn.published.munit import MUNITConfig, UNITConfig


def _munit(layers: Layers, settings: ImportSettings) -> Finding:
    network = MUNITConfig(
        **_sizes(layers, "a.enc_content", settings),
        style=matrix(layers, "a.mlp.model.0.fc").shape[1],
        mlp=len(matrix(layers, "a.mlp.model.0.fc")),
        mlp_layers=_count(layers, "a.mlp.model."),
    )
    return _finding("published-styled-translator", network, layers, f", styles of {network.style} numbers")


def _unit(layers: Layers, settings: ImportSettings) -> Finding:
    return _finding("published-translator", UNITConfig(**_sizes(layers, "a.enc", settings)), layers, "")


def _sizes(layers: Layers, encoder: str, settings: ImportSettings) -> dict:
    first = kernel(layers, f"{encoder}.model.0.conv")
    halvings = _count(layers, f"{encoder}.model.") - 2
    if not 1 <= halvings <= 6:
        raise NotImportable(f"its encoder halves {halvings} times; 1 to 6 are taken")
    return {
        "width": len(first),
        "channels": channels(first, 1),
        "halvings": halvings,
        "blocks": _count(layers, f"{encoder}.model.{halvings + 1}.model."),
        "padding": settings.padding,
    }


def _count(layers: Layers, prefix: str) -> int:
    return len({name.removeprefix(prefix).split(".")[0] for name in layers if name.startswith(prefix)})


def _finding(family: str, network: MUNITConfig | UNITConfig, layers: Layers, styles: str) -> Finding:
    return Finding(
        family,
        network,
        fit(network, without_statistics(layers)),
        side=256,
        inferred=(f"{network.halvings} halvings, {network.blocks} blocks, width {network.width}{styles}",),
        assumed=(f"layers that pad by {network.padding} (--padding), and rectifiers, as its configurations have them",),
        multiple=2**network.halvings,
    )


_CONV = "conv.{weight,bias}"
_LEFTOVER = "norm.{running_mean,running_var,num_batches_tracked}"


def _patterns(encoder: str) -> tuple[str, ...]:
    return (
        f"{{a,b}}.{encoder}.model.#.{_CONV}",
        f"{{a,b}}.{encoder}.model.#.model.#.model.#.{_CONV}",
        f"{{a,b}}.{encoder}.model.#.{_LEFTOVER}",
        f"{{a,b}}.{encoder}.model.#.model.#.model.#.{_LEFTOVER}",
        f"{{a,b}}.dec.model.0.model.#.model.#.{_CONV}",
        f"{{a,b}}.dec.model.0.model.#.model.#.{_LEFTOVER}",
        f"{{a,b}}.dec.model.#.{_CONV}",
        "{a,b}.dec.model.#.norm.{gamma,beta}",
    )


MUNIT = Layout(
    "munit",
    "the official MUNIT's generators of both domains",
    names=(
        "a.enc_style.model.0.conv.weight", "a.enc_content.model.0.conv.weight", "a.mlp.model.0.fc.weight",
        "a.dec.model.0.model.#.model.#.conv.weight", "b.enc_style.model.0.conv.weight",
        "b.enc_content.model.0.conv.weight",
    ),
    besides=(
        *_patterns("enc_content"), f"{{a,b}}.enc_style.model.#.{_CONV}", "{a,b}.enc_style.model.#.{weight,bias}",
        "{a,b}.mlp.model.#.fc.{weight,bias}",
    ),
    read=_munit,
)  # fmt: skip
UNIT = Layout(
    "unit",
    "the official UNIT's generators of both domains",
    names=("a.enc.model.0.conv.weight", "a.dec.model.0.model.#.model.#.conv.weight", "b.enc.model.0.conv.weight"),
    besides=_patterns("enc"),
    read=_unit,
)
