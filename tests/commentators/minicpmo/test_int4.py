"""4-bit weights on PyTorch's int4 kernel, and the output head in 8 bits, compared with the full weights on a CPU."""

from __future__ import annotations

import weakref

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from torch import nn  # noqa: E402

from commentator_lib.commentators.minicpmo import awq, int4, shortlist  # noqa: E402


def awq_layer(inputs=256, outputs=64, group=128, bias=False, exact=False):
    torch.manual_seed(0)
    layer = awq.AwqLinear(inputs, outputs, bias, group)
    for name in ("qweight", "qzeros"):
        buffer = getattr(layer, name)
        buffer.copy_(torch.randint(-(2**31), 2**31 - 1, buffer.shape, dtype=torch.int32))
    layer.scales.copy_(
        2.0 ** torch.randint(-9, -5, layer.scales.shape) if exact else torch.rand(layer.scales.shape) / 99
    )
    return layer


def test_numbers_survive_packing():
    numbers = torch.randint(0, 16, (24, 384), dtype=torch.uint8)
    packed = int4.pack(numbers)
    assert packed.shape == (3, 3, 32, 4) and torch.equal(int4.unpack_tiles(packed), numbers.int())


@pytest.mark.parametrize("group", [32, 128])
def test_awq_weights_carry_over_exactly_but_for_the_rounding_of_scales(group):
    for exact in (True, False):  # powers of two are not rounded
        layer = awq_layer(group=group, exact=exact)
        wanted = awq.dequantise(layer.qweight, layer.qzeros, layer.scales.float(), group).T
        weight = int4.from_awq(layer.qweight, layer.qzeros, layer.scales)
        assert weight.group_size == group
        found = int4.dequantise(*weight).float()
        assert torch.equal(found, wanted) if exact else float((found - wanted).norm() / wanted.norm()) < 0.004


def test_a_layer_on_int4_is_the_awq_layer_and_joins_with_others():
    torch.manual_seed(0)
    model = nn.ModuleDict({name: awq_layer(outputs=64, exact=True) for name in ("q_proj", "k_proj")})
    x = torch.randn(5, 256)
    wanted = [layer(x) for layer in model.values()]
    int4.replace_awq_layers(model, int4.find_awq_layers(model))
    x = x.bfloat16()
    before = [layer(x) for layer in model.values()]
    for ours, theirs in zip(before, wanted, strict=True):
        assert float((ours.float() - theirs).norm() / theirs.norm()) < 0.01
    whole, again = int4.join_int4([list(model.values()), [model["q_proj"]]])
    assert torch.equal(again.packed, whole.packed[:8]) and again.scales.dtype == torch.bfloat16
    assert torch.equal(int4.matmul(x, whole), torch.cat(before, dim=-1))
    assert all(torch.equal(layer(x), result) for layer, result in zip(model.values(), before, strict=True))
    assert model["k_proj"].packed.data_ptr() == whole.packed[8:].data_ptr()
    assert model["q_proj"].packed.untyped_storage().data_ptr() == whole.scales.untyped_storage().data_ptr()


def test_never_more_than_one_layer_is_in_memory_twice(monkeypatch):
    model = nn.ModuleList([awq_layer() for _ in range(4)])
    there = [weakref.ref(layer) for layer in model]
    seen, own = [], int4.from_awq

    def counting(*parts):
        seen.append(sum(layer() is not None for layer in there))
        return own(*parts)

    monkeypatch.setattr(int4, "from_awq", counting)
    int4.replace_awq_layers(model, int4.find_awq_layers(model))
    assert all(type(layer) is int4.Int4Linear for layer in model)
    assert seen == [4, 4, 3, 2] or seen == [4, 3, 2, 1]


@pytest.mark.parametrize("changes", [{"inputs": 192, "group": 64}, {"bias": True}, {"group": 16}])
def test_all_awq_layers_stay_where_the_kernel_cannot_take_one(changes):
    model = nn.ModuleList([awq_layer(), awq_layer(**changes)])
    assert int4.find_awq_layers(model) == []
    int4.replace_awq_layers(model, int4.find_awq_layers(model))
    assert all(type(layer) is awq.AwqLinear for layer in model)


# --- the output head


@pytest.mark.parametrize("outliers", [False, True])
def test_the_likeliest_tokens_are_those_of_the_whole_head(outliers):
    torch.manual_seed(0)
    weight = torch.randn(20_000, 256) * 0.02
    if outliers:  # a few columns far larger than the others, as trained heads have them
        weight[:, :4] *= 20
    whole = nn.Linear(256, 20_000, bias=False).bfloat16()
    whole.weight.data = weight.bfloat16()
    head = shortlist.ShortlistHead(whole.weight)
    assert head.out_features == 20_000 and head.numbers.dtype == torch.int8
    for _ in range(20):
        hidden = torch.randn(1, 256).bfloat16()
        wanted, found = whole(hidden)[0], head(hidden)[0]
        assert found.shape == wanted.shape and found.dtype == wanted.dtype
        likeliest = wanted.topk(100)
        assert torch.equal(found[likeliest.indices], likeliest.values)
        assert torch.equal(found.topk(100).values, likeliest.values)
        assert found.argmax() == wanted.argmax()


def test_eight_bits_are_as_near_as_eight_bits_can_be():
    torch.manual_seed(0)
    weight = torch.randn(300, 64).bfloat16()
    weight[7] = 0
    numbers, scales = shortlist.quantise(weight)
    assert int(numbers.abs().max()) == 127 and not numbers[7].any()
    apart = (numbers.float() * scales[:, None] - weight.float()).abs()
    assert bool((apart <= scales[:, None] * 0.51).all())
