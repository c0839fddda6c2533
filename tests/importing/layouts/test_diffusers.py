"""A folder of diffusers' UNet2DModel: its network as that code writes it down, and its noise."""

import json
import re

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import nn
from typer.testing import CliRunner

from cli.main import app
from models import checkpoint
from models.card import Task
from models.model import final_images
from tasks.operations import OPERATIONS
from tests.importing.layouts.served import assert_same, noise
from tests.reference import trained

CONFIG = {
    "_class_name": "UNet2DModel",
    "_diffusers_version": "0.30.0",
    "act_fn": "silu",
    "attention_head_dim": 4,
    "block_out_channels": [8, 16, 16],
    "center_input_sample": False,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D"],
    "downsample_padding": 1,
    "dropout": 0.0,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 3,
    "layers_per_block": 1,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 4,
    "out_channels": 3,
    "sample_size": 16,
    "time_embedding_type": "positional",
    "up_block_types": ["UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
}
GREY = {"mid_block_scale_factor": 1.5, "in_channels": 1, "out_channels": 1}
NEW = {
    "add_attention": True,
    "attn_norm_num_groups": None,
    "class_embed_type": None,
    "downsample_type": "conv",
    "mid_block_type": "UNetMidBlock2D",
    "num_class_embeds": None,
    "num_train_timesteps": None,
    "resnet_time_scale_shift": "default",
    "time_embedding_dim": None,
    "upsample_type": "conv",
}
"""What version 0.42 says besides."""
OLD = {
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "attention_head_dim": None,
    "norm_eps": 1e-06,
}
"""As the converted models of the paper have it."""
SCHEDULER = {
    "_class_name": "DDPMScheduler",
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "beta_start": 0.0001,
    "clip_sample": True,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
}


class ResnetBlock2D(nn.Module):
    def __init__(self, inputs, outputs, temb, groups, eps, scale=1.0):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inputs, eps=eps)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 1, 1)
        self.time_emb_proj = nn.Linear(temb, outputs)
        self.norm2 = nn.GroupNorm(groups, outputs, eps=eps)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None
        self.scale = scale

    def forward(self, x, temb):
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.time_emb_proj(F.silu(temb))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        if self.conv_shortcut is not None:
            x = self.conv_shortcut(x)
        return (x + h) / self.scale


class Attention(nn.Module):
    def __init__(self, channels, head_dim, groups, eps, scale=1.0):
        super().__init__()
        self.heads, self.scale = channels // (head_dim or channels), scale
        self.group_norm = nn.GroupNorm(groups, channels, eps=eps)
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(channels, channels), nn.Dropout(0.0)])

    def forward(self, x):
        b, c, h, w = x.shape
        flat = self.group_norm(x.view(b, c, h * w)).transpose(1, 2)

        def split(t):
            return t.reshape(b, h * w, self.heads, c // self.heads).permute(0, 2, 1, 3)

        q, k, v = split(self.to_q(flat)), split(self.to_k(flat)), split(self.to_v(flat))
        weights = (q @ k.transpose(-1, -2) * (c // self.heads) ** -0.5).softmax(-1)
        out = self.to_out[0]((weights @ v).permute(0, 2, 1, 3).reshape(b, h * w, c))
        return (out.transpose(-1, -2).reshape(b, c, h, w) + x) / self.scale


class Sampler2D(nn.Module):
    def __init__(self, channels, stride, padding):
        super().__init__()
        self.stride, self.padding = stride, padding
        self.conv = nn.Conv2d(channels, channels, 3, stride, padding)

    def forward(self, x):
        if self.stride == 1:
            return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.conv(F.pad(x, (0, 1, 0, 1), mode="constant", value=0) if self.padding == 0 else x)


class Block(nn.Module):
    """Of the way down, of the middle and of the way up alike."""

    def __init__(self, resnets, attentions, sampler=None, name=""):
        super().__init__()
        self.resnets, self.attentions = nn.ModuleList(resnets), nn.ModuleList(attentions)
        self.sampler = name
        if sampler is not None:
            setattr(self, name, nn.ModuleList([sampler]))


class UNet2DModel(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config, widths = config, config["block_out_channels"]
        groups, eps, dim = config["norm_num_groups"], config["norm_eps"], config["attention_head_dim"]
        temb, layers = widths[0] * 4, config["layers_per_block"]
        self.conv_in = nn.Conv2d(config["in_channels"], widths[0], 3, padding=1)
        self.time_embedding = nn.ModuleDict({"linear_1": nn.Linear(widths[0], temb), "linear_2": nn.Linear(temb, temb)})
        self.down_blocks, output = nn.ModuleList(), widths[0]
        for i, kind in enumerate(config["down_block_types"]):
            inputs, output = output, widths[i]
            resnets = [ResnetBlock2D(output if j else inputs, output, temb, groups, eps) for j in range(layers)]
            attentions = [Attention(output, dim, groups, eps) for _ in range(layers)] if "Attn" in kind else []
            sampler = Sampler2D(output, 2, config["downsample_padding"]) if i < len(widths) - 1 else None
            self.down_blocks.append(Block(resnets, attentions, sampler, "downsamplers"))
        scale, last = config["mid_block_scale_factor"], widths[-1]
        resnets = [ResnetBlock2D(last, last, temb, groups, eps, scale) for _ in range(2)]
        self.mid_block = Block(resnets, [Attention(last, dim, groups, eps, scale)])
        self.up_blocks, back, output = nn.ModuleList(), widths[::-1], widths[-1]
        for i, kind in enumerate(config["up_block_types"]):
            previous, output, inputs = output, back[i], back[min(i + 1, len(widths) - 1)]
            resnets = []
            for j in range(layers + 1):
                skip = inputs if j == layers else output
                resnets.append(ResnetBlock2D((output if j else previous) + skip, output, temb, groups, eps))
            attentions = [Attention(output, dim, groups, eps) for _ in range(layers + 1)] if "Attn" in kind else []
            sampler = Sampler2D(output, 1, 1) if i < len(widths) - 1 else None
            self.up_blocks.append(Block(resnets, attentions, sampler, "upsamplers"))
        self.conv_norm_out = nn.GroupNorm(groups, widths[0], eps=eps)
        self.conv_out = nn.Conv2d(widths[0], config["out_channels"], 3, padding=1)

    def forward(self, sample, timestep):
        half = self.config["block_out_channels"][0] // 2
        exponent = -np.log(10000) * torch.arange(half, dtype=torch.float32) / (half - self.config["freq_shift"])
        angles = torch.full((len(sample), 1), float(timestep)) * exponent.exp()[None]
        sines = [angles.cos(), angles.sin()] if self.config["flip_sin_to_cos"] else [angles.sin(), angles.cos()]
        temb = self.time_embedding["linear_2"](F.silu(self.time_embedding["linear_1"](torch.cat(sines, -1))))
        sample = self.conv_in(sample)
        saved = (sample,)
        for block in self.down_blocks:
            for j, resnet in enumerate(block.resnets):
                sample = resnet(sample, temb)
                sample = block.attentions[j](sample) if len(block.attentions) else sample
                saved += (sample,)
            if hasattr(block, "downsamplers"):
                sample = block.downsamplers[0](sample)
                saved += (sample,)
        sample = self.mid_block.resnets[0](sample, temb)
        sample = self.mid_block.resnets[1](self.mid_block.attentions[0](sample), temb)
        for block in self.up_blocks:
            for j, resnet in enumerate(block.resnets):
                sample, saved = resnet(torch.cat([sample, saved[-1]], 1), temb), saved[:-1]
                sample = block.attentions[j](sample) if len(block.attentions) else sample
            if hasattr(block, "upsamplers"):
                sample = block.upsamplers[0](sample)
        return self.conv_out(F.silu(self.conv_norm_out(sample)))


def saved(folder, config, scheduler=None, old=False, weights="safetensors"):
    """A network, and the folder that diffusers would save it to."""
    network = trained(UNet2DModel(config))
    state = network.state_dict()
    if old:
        for new, before in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
            state = {name.replace(new, before): value for name, value in state.items()}
    root = folder / "unet" if scheduler else folder
    root.mkdir(parents=True)
    (root / "config.json").write_text(json.dumps(config))
    if weights == "safetensors":
        safetensors.torch.save_file(state, root / "diffusion_pytorch_model.safetensors")
    else:
        torch.save(state, root / "diffusion_pytorch_model.bin")
    if scheduler:
        (folder / "scheduler").mkdir()
        (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    return network


def imported(folder, path):
    told = CliRunner().invoke(app, ["import", str(path), "--name", "mine", "--zoo", str(folder / "zoo")])
    assert told.exit_code == 0, told.output
    return checkpoint.read(folder / "zoo" / "mine"), told.output


def cumulative(scheduler):
    if scheduler["beta_schedule"] == "squaredcos_cap_v2":
        bar = [np.cos((t / 1000 + 0.008) / 1.008 * np.pi / 2) ** 2 for t in range(1001)]
        betas = np.minimum(1 - np.divide(bar[1:], bar[:-1]), 0.999)
    else:
        betas = np.linspace(scheduler["beta_start"], scheduler["beta_end"], scheduler["num_train_timesteps"])
    return np.cumprod(1 - betas)


@torch.inference_mode()
def ddim(network, latent, scheduler, timesteps):
    """Sampling as DDIM has it without noise (arXiv 2010.02502, equation 12), by the network as it was trained."""
    bars, x = cumulative(scheduler), latent
    for place, t in enumerate(timesteps):
        bar, told = bars[t], network(x, t)
        if scheduler["prediction_type"] == "epsilon":
            clean = (x - (1 - bar) ** 0.5 * told) / bar**0.5
        elif scheduler["prediction_type"] == "v_prediction":
            clean = bar**0.5 * x - (1 - bar) ** 0.5 * told
        else:
            clean = told
        clean = clean.clamp(-1, 1) if scheduler["clip_sample"] else clean
        direction = (x - bar**0.5 * clean) / (1 - bar) ** 0.5
        following = bars[timesteps[place + 1]] if place + 1 < len(timesteps) else 1.0
        x = following**0.5 * clean + (1 - following) ** 0.5 * direction
    return x.clamp(-1, 1).float()


@pytest.mark.parametrize("weights", ["safetensors", "bin"])
@pytest.mark.parametrize("options", [{}, NEW, OLD, GREY])
def test_the_network_tells_the_noise_as_it_did(tmp_path, options, weights):
    config = {**CONFIG, **options}
    network = saved(tmp_path / "ddpm", config, old=options is OLD, weights=weights)
    model, told = imported(tmp_path, tmp_path / "ddpm")
    x = noise(2, config["in_channels"], 16, 16)
    with torch.inference_mode():
        for step in (0, 17, 999):
            assert_same(model.network(x, torch.full((2,), float(step))), network(x, step))
    assert "assumed: the noise of DDPM, 1000 steps" in told


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"prediction_type": "v_prediction"},
        {"prediction_type": "sample", "clip_sample": False},
        {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"},
    ],
)
def test_it_samples_as_ddim_does_with_it(tmp_path, options):
    scheduler = {**SCHEDULER, **options}
    network = saved(tmp_path / "ddpm", CONFIG, scheduler)
    with torch.no_grad():
        network.conv_out.weight *= 0.3
    safetensors.torch.save_file(
        network.state_dict(), tmp_path / "ddpm" / "unet" / "diffusion_pytorch_model.safetensors"
    )
    model, _ = imported(tmp_path, tmp_path / "ddpm")
    latent = noise(2, 3, 16, 16)
    rows = {"latent": latent}
    with torch.inference_mode():
        made = final_images(OPERATIONS[Task.SAMPLE].apply(model, rows, steps=4, sampler="ddim"))
    assert_same(made, ddim(network, latent, scheduler, [999, 666, 333, 0]))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"_class_name": "UNet2DConditionModel"}, "it is a folder of 'UNet2DConditionModel'"),
        ({"class_embed_type": "timestep"}, "its class_embed_type is 'timestep'; None are known"),
        ({"block_out_channels": [10**9] * 3}, "its settings are not known here"),
        ({"layers_per_block": 10**9}, "its settings are not known here"),
        ({"down_block_types": ["DownBlock2D", "SkipDownBlock2D", "DownBlock2D"]}, "its settings are not known here"),
        ({"unheard_of": 1}, "its settings are not known here"),
        ({"block_out_channels": [8, 16, 32]}, "and 32 x 16 x 3 x 3 in such a network"),
        ({"time_embedding_dim": 64}, "its time_embedding_dim is 64; None are known"),
        ({"out_channels": 6}, "it takes other pictures than it makes"),
    ],
)
def test_options_that_are_not_known_are_refused(tmp_path, options, reason):
    saved(tmp_path / "ddpm", CONFIG)
    (tmp_path / "ddpm" / "config.json").write_text(json.dumps({**CONFIG, **options}))
    told = CliRunner().invoke(app, ["import", str(tmp_path / "ddpm"), "--name", "mine", "--zoo", str(tmp_path / "zoo")])
    assert told.exit_code == 1
    assert re.search(reason, told.output), told.output
