"""The guided-diffusion U-Net: names and shapes of the published files, and the same function as a literal reference."""

import hashlib
import math

import pytest
import torch
from safetensors.torch import save_file

from teachdiff import schedules
from teachdiff.checks import check_name
from teachdiff.methods import ddpm
from teachdiff.priors import guided
from teachdiff.priors.checkpoints import load_prior
from teachdiff.priors.guided import LAYOUTS, Attention, GuidedUNet, ResidualBlock
from teachdiff.priors.network import NetworkPrior
from teachdiff.testing import check_prior
from tests.priors import reference_unet

# What the two published state dicts are: arguments of `spelled_out`, tensors, parameters, and the SHA-256 of the sorted
# lines "name shape".
PUBLISHED = {
    "FFHQ-256": (
        (3, 128, 6, (1, 1, 2, 2, 4, 4), 1, {4}), 362, 93_563_910,
        "47cc71b580397ca5963a818ef45b94c83e2efd2d53c71a0d5c9bf76a24b60290",
    ),
    "ImageNet-256, unconditional": (
        (3, 256, 6, (1, 1, 2, 2, 4, 4), 2, {3, 4, 5}), 566, 552_814_086,
        "b9c90be1570d1541c91bede05b270bfb6bd51a7d5432e7b06f3a4c4cb257b1b6",
    ),
}  # fmt: skip
SMALL = {"image_channels": 3, "out_channels": 6, "model_channels": 64, "channel_mult": (1, 2), "attention": (1,)}


def digest(shapes):
    return hashlib.sha256("\n".join(sorted(f"{k} {tuple(v)}" for k, v in shapes.items())).encode()).hexdigest()


def shapes_of(network):
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


def meta(**options):
    with torch.device("meta"):
        return GuidedUNet(**options)


def weights(shapes, seed=0):
    """Random tensors that keep the signal's size, so that every layer matters in the answer."""
    g = torch.Generator().manual_seed(seed)
    return {
        key: torch.randn(shape, generator=g) / math.sqrt(math.prod(shape[1:])) if len(shape) > 1
        else (1.0 if key.endswith("weight") else 0.0) + 0.3 * torch.randn(shape, generator=g)
        for key, shape in shapes.items()
    }  # fmt: skip


def small(dtype=torch.float32, **options):
    network = GuidedUNet(**{**SMALL, **options})
    network.load_state_dict(weights(shapes_of(network)))
    return network.to(dtype).requires_grad_(False).eval()


# Names and shapes


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_names_and_shapes(name):
    arguments, count, parameters, sha256 = PUBLISHED[name]
    expected = reference_unet.spelled_out(*arguments)
    assert len(expected) == count
    assert sum(map(math.prod, expected.values())) == parameters
    assert digest(expected) == sha256
    check_name(name, LAYOUTS, "layout")
    assert shapes_of(meta(**LAYOUTS[name])) == expected


CONFIGS = {
    **{name: arguments for name, (arguments, *_) in PUBLISHED.items()},
    "grey, no variance": (1, 64, 1, (1, 4), 1, {0, 1}),
    "one level": (3, 64, 6, (1,), 3, set()),
    "four levels": (2, 64, 4, (1, 1, 3, 2), 2, {1, 3}),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_the_configuration_is_read_off_the_shapes(case):
    channels, width, out, mult, blocks, attention = CONFIGS[case]
    shapes = reference_unet.spelled_out(*CONFIGS[case])
    tensors = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    assert guided.is_guided(tensors)
    assert guided.infer(tensors) == {
        "image_channels": channels, "out_channels": out, "model_channels": width, "channel_mult": list(mult),
        "blocks": blocks, "attention": sorted(attention),
    }  # fmt: skip
    assert shapes_of(guided.fitting(tensors)[1]) == shapes


# The same function


@pytest.mark.parametrize("order", guided.ORDERS)
@pytest.mark.parametrize(
    ("mult", "blocks", "attention"), [((1, 2), 1, (1,)), ((1, 1, 2), 2, (0, 2))], ids=["two levels", "three levels"]
)
def test_the_network_is_the_literal_one(order, mult, blocks, attention):
    network = small(channel_mult=mult, blocks=blocks, attention=attention, order=order)
    x, t = torch.randn(2, 3, 8, 4, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 731])
    expected = reference_unet.unet(network.state_dict(), x, t, mult, blocks, order)
    assert expected.std() > 0.1
    torch.testing.assert_close(network(x, t), expected, rtol=1e-5, atol=1e-5)


def test_in_double_precision_it_is_the_literal_one_to_ten_digits():
    network = small(torch.float64)
    x, t = torch.randn(1, 3, 4, 6, dtype=torch.float64), torch.tensor([999])
    expected = reference_unet.unet(network.state_dict(), x, t, (1, 2), 1, "legacy")
    # The angles of the time are computed in float32, as where the weights come from.
    torch.testing.assert_close(network(x, t), expected, rtol=1e-4, atol=1e-4)
    network.embed = lambda t: network.time_embed(reference_unet.embedding(t, 64, torch.float64))
    torch.testing.assert_close(network(x, t), expected, rtol=1e-10, atol=1e-10)


def test_the_orders_of_attention_differ():
    x, t = torch.randn(1, 3, 4, 4), torch.tensor([5])
    assert not torch.allclose(small(order="legacy")(x, t), small(order="new")(x, t), atol=1e-2)


@pytest.mark.parametrize("order", guided.ORDERS)
def test_attention_is_softmax_written_out(order):
    block = Attention(128, 64, order).double()
    block.load_state_dict({k: 3 * v for k, v in weights(shapes_of(block)).items()})  # sharp, so that scale matters
    x = torch.randn(2, 128, 3, 4, dtype=torch.float64)
    expected = reference_unet.attention(x, block.state_dict(), order)
    torch.testing.assert_close(block(x, None), expected, rtol=1e-10, atol=1e-10)
    assert (expected - x).std() > 1


@pytest.mark.parametrize(
    ("resample", "literal"), [("", lambda x: x), ("up", reference_unet.nearest), ("down", reference_unet.pooled)]
)
@pytest.mark.parametrize("c_out", [32, 64])
def test_a_residual_block_is_the_literal_one(resample, literal, c_out):
    block = ResidualBlock(32, c_out, 16, resample)
    block.load_state_dict(weights(shapes_of(block)))
    x, time = torch.randn(2, 32, 4, 6), torch.randn(2, 16)
    expected = reference_unet.residual(x, time, block.state_dict(), literal)
    torch.testing.assert_close(block(x, time), expected, rtol=1e-5, atol=1e-5)


def test_the_time_is_embedded_cosines_first():
    network, t = small(), torch.tensor([0, 1, 999])
    waves = []
    network.time_embed.register_forward_pre_hook(lambda module, inputs: waves.append(inputs[0]))
    network.embed(t)
    # 999 rad in float32 is good to 6e-5.
    torch.testing.assert_close(waves[0], reference_unet.embedding(t, 64, torch.float32), rtol=0, atol=1e-4)


def test_norms_are_computed_in_float32():
    norm = guided.GroupNorm(64).half()
    x = 300 * torch.randn(1, 64, 4, 4).half()  # squares beyond the largest half
    assert norm(x).dtype == torch.float16
    torch.testing.assert_close(norm(x).float(), guided.GroupNorm(64)(x.float()), rtol=1e-3, atol=1e-3)


def test_in_bfloat16_the_answer_is_nearly_the_same():
    x, t = torch.randn(1, 3, 8, 8), torch.tensor([300])
    half = small(torch.bfloat16)(x.bfloat16(), t)
    assert half.dtype == torch.bfloat16
    assert (half.float() - small()(x, t)).abs().mean() < 0.05


# How it may be run


def test_channels_last_is_kept_and_changes_nothing():
    network, x, t = small(), torch.randn(2, 3, 8, 8), torch.tensor([3, 4])
    plain = network(x, t)
    network.to(memory_format=torch.channels_last)
    formats = []
    for module in network.modules():
        if isinstance(module, ResidualBlock | Attention):
            module.register_forward_hook(
                lambda m, i, out: formats.append(out.is_contiguous(memory_format=torch.channels_last))
            )
    torch.testing.assert_close(network(x.to(memory_format=torch.channels_last), t), plain, rtol=1e-5, atol=1e-5)
    assert len(formats) > 10 and all(formats)


def test_checkpointing_keeps_the_gradient_and_frees_the_memory():
    def gradient(checkpointing):
        network, kept = small(), 0
        network.checkpointing = checkpointing
        x = torch.ones(1, 3, 8, 8, requires_grad=True)

        def pack(tensor):
            nonlocal kept
            kept += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            out = network(x, torch.tensor([7]))
        return torch.autograd.grad(out.square().sum(), x)[0], kept

    (plain, all_of_it), (recomputed, little) = gradient(False), gradient(True)
    assert torch.equal(plain, recomputed) and plain.abs().sum() > 0
    assert little < 0.4 * all_of_it


@pytest.mark.slow
def test_the_graph_has_no_break():
    """What torch.compile(fullgraph=True) asks for, without its minutes of code generation."""
    network, x, t = small(), torch.randn(1, 3, 8, 8), torch.tensor([3])
    traced = torch.compile(network, backend="eager", fullgraph=True)
    assert torch.equal(traced(x, t), network(x, t))


def test_each_sample_sees_only_itself_and_its_own_time():
    network = small(torch.float64)
    x, t = torch.randn(3, 3, 4, 8, dtype=torch.float64), torch.tensor([0, 5, 999])
    each = torch.cat([network(x[i : i + 1], t[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(network(x, t), each, rtol=1e-10, atol=1e-10)
    assert not torch.allclose(network(x, t), network(x, t.flip(0)))


def test_every_parameter_takes_part():
    network = small().requires_grad_()
    network(torch.randn(1, 3, 8, 8), torch.tensor([3])).square().sum().backward()
    dead = [k for k, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not dead


def test_a_size_that_cannot_be_halved_is_named():
    with pytest.raises(ValueError, match="multiples of 2"):
        small()(torch.zeros(1, 3, 5, 4), torch.tensor([1]))


BAD = {
    "width": ({"model_channels": 48}, "multiple of 32"),
    "no levels": ({"channel_mult": ()}, "counts of 1 or more"),
    "no blocks": ({"blocks": 0}, "counts of 1 or more"),
    "no such level": ({"attention": (2,)}, "attention at some of its levels"),
    "heads": ({"head_channels": 48}, "heads of 48 channels"),
    "order": ({"order": "old"}, "unknown attention order"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_sizes_are_named(case):
    options, says = BAD[case]
    with pytest.raises(ValueError, match=says):
        meta(**{**SMALL, **options})


# As a prior


def test_it_obeys_the_laws_of_a_prior():
    network = small(torch.float64, channel_mult=(1,), attention=(0,))
    prior = NetworkPrior(network, schedules.linear(T=50), learned_variance=True)
    assert all(r.ok for r in check_prior(prior, shape=(3, 4, 4)))


def test_the_variance_lies_between_its_bounds():
    network, schedule = small(out_channels=6), schedules.linear(T=50)
    prior, x = NetworkPrior(network, schedule, learned_variance=True), torch.randn(3, 3, 4, 4)
    t = torch.tensor([2, 25, 50])
    x0_hat, log_variance = prior.predict(x, t)
    assert torch.equal(x0_hat, prior.denoise(x, t))
    alpha_bar, beta = schedule.alpha_bar, schedule.beta
    for i, step in enumerate(t.tolist()):
        small_beta = (1 - alpha_bar[step - 1]) / (1 - alpha_bar[step]) * beta[step]
        u = network(x[i : i + 1], t[i : i + 1] - 1)[:, 3:]
        expected = (u + 1) / 2 * beta[step].log() + (1 - u) / 2 * small_beta.log()
        torch.testing.assert_close(log_variance[i : i + 1], expected.float(), rtol=1e-5, atol=1e-5)
    assert prior.predict(x, 1)[1].isfinite().all()
    one_step = NetworkPrior(network, schedules.linear(T=1, beta_min=0.1, beta_max=0.1), learned_variance=True)
    assert one_step.predict(x, 1)[1].isfinite().all()


def test_ddpm_takes_the_learned_variance():
    """A network that always says u = -1 or u = 1 gives the chains of the small and of the large variance."""
    network = small()
    for u, variance in ((-1.0, "small"), (1.0, "large")):
        network.out[2].weight[3:], network.out[2].bias[3:] = 0, u
        prior = NetworkPrior(network, schedules.linear(T=20), learned_variance=True)
        learned, fixed = (
            ddpm(prior, shape=(1, 3, 4, 4), variance=v, steps=steps, seed=1)
            for steps in (5,) for v in ("learned", variance)
        )  # fmt: skip
        torch.testing.assert_close(learned, fixed, rtol=1e-4, atol=1e-4)


def test_without_a_learned_variance_predict_says_so():
    prior = NetworkPrior(small(out_channels=3), schedules.linear(T=20))
    x = torch.randn(1, 3, 4, 4)
    assert prior.predict(x, 3)[1] is None
    with pytest.raises(ValueError, match="learned no variance"):
        ddpm(prior, shape=(1, 3, 4, 4), variance="learned")


# From a file


def test_a_checkpoint_becomes_a_prior(tmp_path):
    network = small()
    torch.save(network.state_dict(), tmp_path / "model.pt")
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    x = torch.randn(1, 3, 4, 4)
    expected = NetworkPrior(network, schedules.linear(T=1000), learned_variance=True).predict(x, 10)
    for name in ("model.pt", "model.safetensors"):
        prior = load_prior(tmp_path / name)
        assert prior.schedule.T == 1000 and prior.clip_x0
        for got, wanted in zip(prior.predict(x, 10), expected, strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)
        assert all(torch.equal(v, network.state_dict()[k]) for k, v in prior.network.state_dict().items())
        assert not any(p.requires_grad or p.is_meta for p in prior.network.parameters())


def test_half_precision_weights_become_float32(tmp_path):
    torch.save(small().half().state_dict(), tmp_path / "half.pt")
    assert {p.dtype for p in load_prior(tmp_path / "half.pt").network.parameters()} == {torch.float32}


def test_every_tensor_that_does_not_fit_is_listed(tmp_path):
    tensors = small().state_dict()
    del tensors["middle_block.1.qkv.bias"], tensors["output_blocks.3.0.in_layers.0.weight"]
    tensors["label_emb.weight"] = torch.zeros(10, 256)
    tensors["time_embed.0.bias"] = torch.zeros(7)
    tensors["out.0.bias"] = torch.full((64,), float("inf"))
    torch.save(tensors, tmp_path / "model.pt")
    with pytest.raises(ValueError, match="do not fit the network") as caught:
        load_prior(tmp_path / "model.pt")
    for piece in (
        "as its shapes tell",
        "missing: middle_block.1.qkv.bias (384,)",
        "missing: output_blocks.3.0.in_layers.0.weight (128,)",
        "unexpected: label_emb.weight (10, 256)",
        "time_embed.0.bias: expected (256,), got (7,)",
        "out.0.bias: holds NaN or infinite values",
    ):
        assert piece in str(caught.value)
    assert len(str(caught.value).splitlines()) == 6


def test_a_published_layout_that_lost_its_first_layer_is_known_as_what_it_is(tmp_path):
    shapes = reference_unet.spelled_out(*PUBLISHED["FFHQ-256"][0])
    tensors = {
        key: torch.empty(shape, device="meta") for key, shape in shapes.items() if key != "input_blocks.0.0.weight"
    }
    layout, network = guided.fitting(tensors)
    assert layout == "FFHQ-256"
    assert guided.mismatches(network.state_dict(), tensors) == ["missing: input_blocks.0.0.weight (128, 3, 3, 3)"]


def test_a_published_layout_that_lost_a_part_is_listed():
    shapes = reference_unet.spelled_out(*PUBLISHED["FFHQ-256"][0])
    lost = {key for key in shapes if key.startswith("output_blocks")}
    tensors = {key: torch.empty(shape, device="meta") for key, shape in shapes.items() if key not in lost}
    layout, network = guided.fitting(tensors)
    assert layout == "FFHQ-256"
    assert len(guided.mismatches(network.state_dict(), tensors)) == len(lost) > 100


def test_an_answer_of_the_wrong_number_of_channels_is_named(tmp_path):
    torch.save(small(out_channels=4).state_dict(), tmp_path / "model.pt")
    with pytest.raises(ValueError, match="3 channels, or 6 with a variance; it has 4"):
        load_prior(tmp_path / "model.pt")


def test_sizes_that_no_network_of_ours_has_are_named(tmp_path):
    torch.save(tensors_of(head_channels=32, model_channels=32, channel_mult=(1, 1)), tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"names of guided diffusion.*heads of 64 channels must divide"):
        load_prior(tmp_path / "model.pt")


def tensors_of(**options):
    return GuidedUNet(**{**SMALL, **options}).state_dict()


@pytest.mark.slow
def test_a_full_size_ffhq_checkpoint_loads_and_runs(tmp_path):
    tensors = weights(reference_unet.spelled_out(*PUBLISHED["FFHQ-256"][0]))
    torch.save(tensors, tmp_path / "ffhq_10m.pt")
    prior = load_prior(tmp_path / "ffhq_10m.pt")
    assert sum(p.numel() for p in prior.network.parameters()) == 93_563_910
    x = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    x0_hat, log_variance = prior.predict(x, 500)
    assert x0_hat.shape == log_variance.shape == x.shape
    assert x0_hat.isfinite().all() and log_variance.isfinite().all()
    part = x[..., :32, :64]
    expected = reference_unet.unet(tensors, part, torch.tensor([499]), (1, 1, 2, 2, 4, 4), 1, "legacy")
    torch.testing.assert_close(prior.network(part, torch.tensor([499])), expected, rtol=1e-4, atol=1e-4)
