"""UNet2DModel of diffusers: a folder with `config.json` and the weights, alone or as `unet` of a pipeline's folder.

Unlike other layouts' its settings stand in a file; that is held against what is known, and the weights against it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from importing import files
from importing.errors import NotImportable
from importing.layers import Layers, layers_of
from importing.layouts.layout import Finding, fit
from importing.states import candidates, check_finite
from models.families.published_diffusion import NoiseSchedule
from models.nn.published.unet2d import Config

_WEIGHTS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
_LARGEST = 2**20
"""Bytes of a file of settings."""
_USUAL: dict[str, tuple[Any, ...]] = {
    "center_input_sample": (False,),
    "time_embedding_type": ("positional",),
    "downsample_type": ("conv",),
    "upsample_type": ("conv",),
    "act_fn": ("silu", "swish"),
    "attn_norm_num_groups": (None,),
    "resnet_time_scale_shift": ("default",),
    "class_embed_type": (None,),
    "num_class_embeds": (None,),
    "num_train_timesteps": (None,),
    "attention_legacy_order": (False,),
    "time_embedding_dim": (None,),
    "mid_block_type": ("UNetMidBlock2D",),
}
"""Options whose other values are not known here."""
_LEFT_OUT = {
    "dropout",
    "sample_size",
    "in_channels",
    "out_channels",
    "_class_name",
    "_diffusers_version",
    "_name_or_path",
}
_DEFAULTS = {
    "block_out_channels": (224, 448, 672, 896),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
}
_RENAMED = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""The names of an attention's layers in old versions."""


def weights_of(folder: Path) -> Path:
    """The file of weights in a folder.

    Raises:
        NotImportable: there is none.
    """
    root = _root(folder)
    found = next((root / name for name in _WEIGHTS if (root / name).exists()), None)
    if found is None:
        raise NotImportable(f"it is a folder, and in {root} there is no {' and no '.join(_WEIGHTS)}")
    return found


def read(folder: Path) -> Finding:
    """The network in a folder.

    Raises:
        NotImportable: it is none of diffusers, or one with options that are not known here.
    """
    root = _root(folder)
    said = _json(root / "config.json")
    if said.get("_class_name") != "UNet2DModel":
        raise NotImportable(f"it is a folder of {said.get('_class_name')!r}; of diffusers UNet2DModel is known")
    network, schedule, assumed = _network(said), *_schedule(folder, root)
    path = weights_of(folder)
    candidate = candidates(files.read(path))[0]
    check_finite(candidate.state)
    state = fit(network, _renamed(layers_of(candidate.state)))
    attends = sum(kind.startswith("Attn") for kind in network.down_block_types)
    return Finding(
        "published-diffusion",
        network,
        state,
        side=network.size,
        inferred=(
            "UNet2DModel of diffusers",
            f"widths {', '.join(map(str, network.block_out_channels))}, {attends} of its blocks with attention",
            f"trained in {schedule.train_steps} steps of noise ({schedule.betas}) to tell the {schedule.predicts}",
        ),
        assumed=assumed,
        summary="pictures from noise by diffusion",
        settings={"schedule": schedule.model_dump(mode="json")},
        fixed=True,
    )


def _root(folder: Path) -> Path:
    """Where the network is: in the folder, or in `unet` of a pipeline's."""
    return folder / "unet" if not (folder / "config.json").exists() and (folder / "unet").is_dir() else folder


def _json(path: Path) -> dict[str, Any]:
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            raise NotImportable(f"it is a folder without a {path.name}, or with one that is no file of settings")
        said = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise NotImportable(f"{path.name} in it cannot be read ({error})") from None
    if not isinstance(said, dict):
        raise NotImportable(f"{path.name} in it says no settings")
    return said


def _network(said: dict[str, Any]) -> Config:
    for name, usual in _USUAL.items():
        if said.get(name, usual[0]) not in usual:
            raise NotImportable(f"its {name} is {said[name]!r}; {' and '.join(map(repr, usual))} are known")
    if said.get("in_channels", 3) != said.get("out_channels", 3):
        raise NotImportable("it takes other pictures than it makes")
    wanted = {name: value for name, value in said.items() if name not in _LEFT_OUT | _USUAL.keys()}
    try:
        return Config(
            **{**_DEFAULTS, **wanted, "size": said.get("sample_size"), "channels": said.get("in_channels", 3)}
        )
    except ValidationError as error:
        told = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'config.json'}: {each['msg']}" for each in error.errors()
        )
        raise NotImportable(f"its settings are not known here: {told}") from None


def _schedule(folder: Path, root: Path) -> tuple[NoiseSchedule, tuple[str, ...]]:
    """How it was trained, as the scheduler's settings beside it say, and what was assumed without them."""
    places = [each / "scheduler_config.json" for each in (folder / "scheduler", root.parent / "scheduler", root)]
    path = next((each for each in places if each.exists()), None)
    if path is None:
        return NoiseSchedule(), (
            "the noise of DDPM, 1000 steps from 0.0001 to 0.02; no scheduler_config.json is beside it",
        )
    said = _json(path)
    names = {
        "num_train_timesteps": "train_steps", "beta_start": "first", "beta_end": "last", "beta_schedule": "betas",
        "prediction_type": "predicts", "clip_sample": "clipped",
    }  # fmt: skip
    own = said.get("trained_betas") is not None or said.get("rescale_betas_zero_snr") or said.get("thresholding")
    if own or said.get("clip_sample_range", 1) != 1:
        raise NotImportable("its scheduler has levels of noise or bounds of its own, which are not known here")
    try:
        return NoiseSchedule(**{ours: said[theirs] for theirs, ours in names.items() if theirs in said}), ()
    except ValidationError as error:
        raise NotImportable(f"its scheduler is not known here: {error.errors()[0]['msg']}") from None


def _renamed(layers: Layers) -> Layers:
    pattern = re.compile(r"(attentions\.\d+\.)(query|key|value|proj_attn)$")
    return {pattern.sub(lambda found: found[1] + _RENAMED[found[2]], name): layer for name, layer in layers.items()}
