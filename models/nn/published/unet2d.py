"""The UNet2DModel of diffusers: a U-Net that tells the noise in a picture (after Ho et al. 2020, arXiv 2006.11239).

Of its options those are known that the published models of plain diffusion have: positional time embeddings, blocks
with and without attention, and no classes.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from models.nn.layers import Layers
from models.nn.published.network import NetworkConfig
from pictures.formats import MAX_SIDE, Channels

_MOST_WIDTH = 16_384
_MOST_LAYERS = 16


class Config(NetworkConfig):
    """Of a `UNet2D`; its names are diffusers', but for `network`, `size` and `channels`."""

    network: Literal["unet2d"] = "unet2d"
    size: int = Field(ge=8, le=MAX_SIDE)
    channels: Channels = 3
    block_out_channels: tuple[int, ...] = Field(min_length=1, max_length=10)
    down_block_types: tuple[Literal["DownBlock2D", "AttnDownBlock2D"], ...]
    up_block_types: tuple[Literal["UpBlock2D", "AttnUpBlock2D"], ...]
    layers_per_block: int = Field(default=2, ge=1, le=_MOST_LAYERS)
    mid_block_scale_factor: float = 1.0
    downsample_padding: Literal[0, 1] = 1
    flip_sin_to_cos: bool = True
    freq_shift: int = 0
    attention_head_dim: int | None = 8
    norm_num_groups: int = Field(default=32, ge=1)
    norm_eps: float = 1e-5
    add_attention: bool = True

    @model_validator(mode="after")
    def _fitting(self) -> Config:
        widths = self.block_out_channels
        if not len(self.down_block_types) == len(self.up_block_types) == len(widths):
            raise ValueError("there are not as many blocks down, blocks up and widths")
        if any(not 0 < width <= _MOST_WIDTH or width % self.norm_num_groups for width in widths):
            raise ValueError(f"widths {widths} are no multiples of {self.norm_num_groups} groups")
        if self.attention_head_dim and any(width % self.attention_head_dim for width in widths):
            raise ValueError(f"widths {widths} are no multiples of heads of {self.attention_head_dim}")
        if self.size % self.multiple:
            raise ValueError(f"pictures of {self.size} pixels are no multiple of {self.multiple}")
        return self

    @property
    def multiple(self) -> int:
        """What a side of a picture has to be a multiple of."""
        return 2 ** (len(self.block_out_channels) - 1)

    def heads(self, width: int) -> int:
        """How many heads an attention has."""
        return width // self.attention_head_dim if self.attention_head_dim else 1

    def build(self) -> UNet2D:
        """The network."""
        return UNet2D(self)


class UNet2D(nn.Module):
    """Pictures with noise [N, C, H, W] and how far it is, [N] steps, to what the network was trained to tell."""

    def __init__(self, config: Config):
        super().__init__()
        self.config, widths = config, config.block_out_channels
        told = widths[0] * 4
        self.conv_in = nn.Conv2d(config.channels, widths[0], 3, padding=1)
        self.time_embedding = _TimeEmbedding(widths[0], told)
        self.down_blocks, inputs = nn.ModuleList(), widths[0]
        for place, (kind, outputs) in enumerate(zip(config.down_block_types, widths, strict=True)):
            last = place == len(widths) - 1
            self.down_blocks.append(_Down(config, inputs, outputs, told, kind.startswith("Attn"), last))
            inputs = outputs
        self.mid_block = _Middle(config, widths[-1], told)
        self.up_blocks, before, back = nn.ModuleList(), widths[-1], widths[::-1]
        for place, (kind, outputs) in enumerate(zip(config.up_block_types, back, strict=True)):
            last = place == len(back) - 1
            skipped = back[min(place + 1, len(back) - 1)]
            self.up_blocks.append(_Up(config, before, skipped, outputs, told, kind.startswith("Attn"), last))
            before = outputs
        self.conv_norm_out = nn.GroupNorm(config.norm_num_groups, widths[0], eps=config.norm_eps)
        self.conv_out = nn.Conv2d(widths[0], config.channels, 3, padding=1)

    def forward(self, x: Tensor, steps: Tensor) -> Tensor:
        told = self.time_embedding(self._waves(steps))
        x = self.conv_in(x)
        maps = [x]
        for block in self.down_blocks:
            x = block(x, told, maps)
        x = self.mid_block(x, told)
        for block in self.up_blocks:
            x = block(x, told, maps)
        return self.conv_out(F.silu(self.conv_norm_out(x)))

    def _waves(self, steps: Tensor) -> Tensor:
        """Sines and cosines of the steps (arXiv 1706.03762, section 3.5), [N, width]."""
        half = self.config.block_out_channels[0] // 2
        places = torch.arange(half, dtype=torch.float32, device=steps.device)
        angles = steps[:, None] * torch.exp(-math.log(10_000) * places / (half - self.config.freq_shift))
        waves = [angles.sin(), angles.cos()]
        return torch.cat(waves[::-1] if self.config.flip_sin_to_cos else waves, dim=1)


class _TimeEmbedding(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(inputs, outputs), nn.Linear(outputs, outputs)

    def forward(self, waves: Tensor) -> Tensor:
        return self.linear_2(F.silu(self.linear_1(waves)))


class _Residual(nn.Module):
    def __init__(self, config: Config, inputs: int, outputs: int, told: int, factor: float = 1.0):
        super().__init__()
        groups, epsilon = config.norm_num_groups, config.norm_eps
        self.norm1, self.conv1 = nn.GroupNorm(groups, inputs, eps=epsilon), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time_emb_proj = nn.Linear(told, outputs)
        self.norm2, self.conv2 = nn.GroupNorm(groups, outputs, eps=epsilon), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None
        self.factor = factor

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        inner = self.conv1(F.silu(self.norm1(x))) + self.time_emb_proj(F.silu(told))[:, :, None, None]
        inner = self.conv2(F.silu(self.norm2(inner)))
        return ((x if self.conv_shortcut is None else self.conv_shortcut(x)) + inner) / self.factor


class _Attention(nn.Module):
    def __init__(self, config: Config, width: int, factor: float = 1.0):
        super().__init__()
        self.heads, self.factor = config.heads(width), factor
        self.group_norm = nn.GroupNorm(config.norm_num_groups, width, eps=config.norm_eps)
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        self.to_out = nn.Sequential(nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        flat = self.group_norm(x).flatten(2).transpose(1, 2)
        query, key, value = (
            layer(flat).unflatten(2, (self.heads, -1)).transpose(1, 2) for layer in (self.to_q, self.to_k, self.to_v)
        )
        seen = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        return (self.to_out(seen).transpose(1, 2).unflatten(2, x.shape[2:]) + x) / self.factor


class _Halving(nn.Module):
    def __init__(self, width: int, padding: int):
        super().__init__()
        self.conv, self.padding = nn.Conv2d(width, width, 3, stride=2, padding=padding), padding

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x if self.padding else F.pad(x, (0, 1, 0, 1)))


class _Doubling(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0))


class _Down(nn.Module):
    """Puts each map that it makes behind `maps`, for the way up."""

    def __init__(self, config: Config, inputs: int, outputs: int, told: int, attends: bool, last: bool):
        super().__init__()
        count = config.layers_per_block
        self.resnets = Layers(_Residual(config, outputs if i else inputs, outputs, told) for i in range(count))
        self.attentions = Layers(_Attention(config, outputs) for _ in range(count if attends else 0))
        self.downsamplers = Layers([] if last else [_Halving(outputs, config.downsample_padding)])

    def forward(self, x: Tensor, told: Tensor, maps: list[Tensor]) -> Tensor:
        attentions = iter(self.attentions)
        for residual in self.resnets:
            x = residual(x, told)
            if attention := next(attentions, None):
                x = attention(x)
            maps.append(x)
        for halving in self.downsamplers:
            x = halving(x)
            maps.append(x)
        return x


class _Middle(nn.Module):
    def __init__(self, config: Config, width: int, told: int):
        super().__init__()
        factor = config.mid_block_scale_factor
        self.resnets = Layers(_Residual(config, width, width, told, factor) for _ in range(2))
        self.attentions = Layers([_Attention(config, width, factor)] if config.add_attention else [])

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        first, second = self.resnets
        x = first(x, told)
        for attention in self.attentions:
            x = attention(x)
        return second(x, told)


class _Up(nn.Module):
    """Takes the maps of the way down from the end of `maps`."""

    def __init__(self, config: Config, before: int, skipped: int, outputs: int, told: int, attends: bool, last: bool):
        super().__init__()
        count = config.layers_per_block + 1
        self.resnets = Layers(
            _Residual(config, (outputs if i else before) + (outputs if i < count - 1 else skipped), outputs, told)
            for i in range(count)
        )
        self.attentions = Layers(_Attention(config, outputs) for _ in range(count if attends else 0))
        self.upsamplers = Layers([] if last else [_Doubling(outputs)])

    def forward(self, x: Tensor, told: Tensor, maps: list[Tensor]) -> Tensor:
        attentions = iter(self.attentions)
        for residual in self.resnets:
            x = residual(torch.cat([x, maps.pop()], dim=1), told)
            if attention := next(attentions, None):
                x = attention(x)
        for doubling in self.upsamplers:
            x = doubling(x)
        return x
