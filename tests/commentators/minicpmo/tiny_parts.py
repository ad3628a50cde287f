"""Tiny parts of MiniCPM-o with random weights and the published names: a decoder, and Token2wav's flow model."""

from __future__ import annotations

import torch
from torch import nn
from transformers import LlamaConfig, LlamaModel, Qwen3Config, Qwen3Model


def decoder(kind, **changes):
    torch.manual_seed(0)
    config = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "vocab_size": 50,
        **changes,
    }
    return (
        Qwen3Model(Qwen3Config(**config)) if kind == "qwen3" else LlamaModel(LlamaConfig(**config))
    ).eval()


class Conv(nn.Module):
    """Two causal convolutions of width three, which return the past frames that they need next."""

    def __init__(self, width):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv1d(width, width, 3) for _ in range(2))

    def forward_chunk(self, x, cache):
        kept = []
        x = x.transpose(1, 2)
        for conv, before in zip(self.convs, cache.chunk(2, dim=1), strict=True):
            x = torch.cat([before, x], dim=2)
            kept.append(x[..., -2:])
            x = conv(x)
        return x.transpose(1, 2), torch.cat(kept, dim=1)


class Flow(nn.Module):
    """A diffusion transformer over mel frames with the parts of the published one, and its loop with growing caches."""

    steps, heads, width, mel = 3, 2, 16, 4

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        width = self.width
        self.inference_cfg_rate = 0.7
        self.register_buffer("rand_noise", torch.randn(1, self.mel, 500))
        self.estimator = estimator = nn.Module()
        estimator.in_proj = nn.Linear(4 * self.mel, width)
        table = nn.Linear(1, width)
        estimator.t_embedder = lambda t: torch.sin(table(t[:, None]) * 5)
        last = nn.Linear(width, self.mel)
        estimator.final_layer = lambda x, t: last(x * (1 + t))
        estimator.blocks = nn.ModuleList()
        for _ in range(2):
            block = nn.Module()
            block.norm1, block.norm2, block.norm3 = (
                nn.LayerNorm(width, elementwise_affine=False) for _ in range(3)
            )
            block.mlp, block.conv = nn.Linear(width, width), Conv(width)
            block.adaLN_modulation = nn.Linear(width, 9 * width)
            block.attn = attention = nn.Module()
            attention.num_heads, attention.head_dim = self.heads, width // self.heads
            for name in ("to_q", "to_k", "to_v", "proj"):
                setattr(attention, name, nn.Linear(width, width))
            attention.q_norm, attention.k_norm = (
                nn.LayerNorm(attention.head_dim),
                nn.LayerNorm(attention.head_dim),
            )
            attention.to_heads = lambda x: x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)
            estimator.blocks.append(block)

    def forward_chunk(self, mu, spks, cond, cnn_cache=None, att_cache=None):
        """Run one chunk as the published code does: newest keys first, and the caches grow with each chunk."""
        frames, offset = mu.shape[2], 0 if att_cache is None else att_cache.shape[4]
        x = self.rand_noise[:, :, offset : offset + frames]
        ends = 1 - torch.cos(torch.linspace(0, 1, self.steps + 1) * 0.5 * torch.pi)
        now, length = ends[0], ends[1] - ends[0]
        given = torch.cat([mu, spks[:, :, None].expand(-1, -1, frames), cond], dim=1)
        given = torch.cat([given, torch.zeros_like(given)])
        convolved, attended = [], []
        for step in range(self.steps):
            time = self.estimator.t_embedder(now.reshape(1))[:, None]
            h = self.estimator.in_proj(torch.cat([x.repeat(2, 1, 1), given], dim=1).transpose(1, 2))
            for number, block in enumerate(self.estimator.blocks):
                sa, ca, ga, sm, cm, gm, sc, cc, gc = block.adaLN_modulation(time).chunk(9, dim=-1)
                own, normed = block.attn, block.norm1(h) * (1 + ca) + sa
                query = own.q_norm(own.to_heads(own.to_q(normed)))
                key, value = own.k_norm(own.to_heads(own.to_k(normed))), own.to_heads(own.to_v(normed))
                if att_cache is not None:
                    old_key, old_value = att_cache[step, number].chunk(2, dim=3)
                    key, value = torch.cat([key, old_key], dim=2), torch.cat([value, old_value], dim=2)
                attended.append(torch.cat([key, value], dim=3))
                weights = (query @ key.transpose(2, 3) * query.shape[-1] ** -0.5).softmax(-1)
                h = h + ga * own.proj((weights @ value).transpose(1, 2).flatten(2))
                before = torch.zeros(2, 2 * self.width, 2) if cnn_cache is None else cnn_cache[step, number]
                y, kept = block.conv.forward_chunk(block.norm3(h) * (1 + cc) + sc, before)
                convolved.append(kept)
                h = h + gc * y
                h = h + gm * block.mlp(block.norm2(h) * (1 + cm) + sm)
            slope = self.estimator.final_layer(h, time).transpose(1, 2)
            rate = self.inference_cfg_rate
            x = x + length * ((1 + rate) * slope[:1] - rate * slope[1:])
            now = now + length
            if step + 2 <= self.steps:
                length = ends[step + 2] - now
        shape = (self.steps, 2)
        return (
            x,
            torch.stack(convolved).view(*shape, *convolved[0].shape),
            torch.stack(attended).view(*shape, *attended[0].shape),
        )
