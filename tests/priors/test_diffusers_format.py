"""Folders of diffusers: the answers are the real package's, and everything that does not fit is said."""

import importlib.util
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from teachdiff import schedules
from teachdiff.metrics import import_torchvision
from teachdiff.priors import diffusers_format
from teachdiff.priors.checkpoints import files_of, load_prior
from teachdiff.priors.diffusers_format import choose, read_schedule, renamed

WHY = "the package diffusers is not installed: pip install 'teachdiff[hub]'"
CONFIG = {  # CelebA-HQ-256's, but for its size
    "_class_name": "UNet2DModel", "act_fn": "silu", "attention_head_dim": None, "block_out_channels": [32, 64],
    "center_input_sample": False, "down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "downsample_padding": 0,
    "flip_sin_to_cos": False, "freq_shift": 1, "in_channels": 3, "layers_per_block": 1, "mid_block_scale_factor": 1,
    "norm_eps": 1e-06, "norm_num_groups": 32, "out_channels": 3, "sample_size": 16, "time_embedding_type": "positional",
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
}  # fmt: skip
SCHEDULER = {
    "_class_name": "DDPMScheduler", "beta_end": 0.02, "beta_schedule": "linear", "beta_start": 0.0001,
    "clip_sample": True, "num_train_timesteps": 1000, "trained_betas": None, "variance_type": "fixed_small",
}  # fmt: skip
OLDER = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
WEIGHTS = "diffusion_pytorch_model.safetensors"


def model(**options):
    if importlib.util.find_spec("torchvision") is not None:  # diffusers imports it where it is installed
        import_torchvision()
    diffusers = pytest.importorskip("diffusers", reason=WHY)
    torch.manual_seed(0)
    network = diffusers.UNet2DModel.from_config({**CONFIG, **options}).eval()
    for parameter in network.parameters():  # biases and norms that start at 0 and 1 would hide what they do
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network


def folder(path, network=None, scheduler=SCHEDULER, **config):
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps({**CONFIG, **config}))
    if scheduler:
        (path / "scheduler_config.json").write_text(json.dumps(scheduler))
    save_file({"w": torch.ones(1)} if network is None else network.state_dict(), path / WEIGHTS)
    return path


def old_names(tensors):
    for new, old in OLDER.items():
        tensors = {k.replace(f".{new}.", f".{old}.") if "attentions" in k else k: v for k, v in tensors.items()}
    return tensors


# With the real package


def test_a_folder_answers_as_the_package_does(tmp_path):
    network = model()
    prior = load_prior(str(folder(tmp_path / "m", network)))
    x, t = torch.randn(2, 3, 16, 8), torch.tensor([1, 1000])
    epsilon = network(x, t - 1).sample
    torch.testing.assert_close(prior.network(x, t - 1), epsilon, rtol=0, atol=0)
    alpha_bar = schedules.linear().alpha_bar[t].float().view(-1, 1, 1, 1)
    torch.testing.assert_close(prior.denoise(x, t), (x - (1 - alpha_bar).sqrt() * epsilon) / alpha_bar.sqrt())
    assert prior.clip_x0 and not any(p.requires_grad or p.is_meta for p in prior.network.parameters())


def test_both_spellings_of_attention_and_both_kinds_of_file_are_read(tmp_path):
    network = model()
    expected = load_prior(folder(tmp_path / "new", network))
    tensors = old_names(network.state_dict())
    assert any("proj_attn" in key for key in tensors) and not any("to_q" in key for key in tensors)
    for name in ("diffusion_pytorch_model.bin", WEIGHTS):
        old = folder(tmp_path / name)
        (old / WEIGHTS).unlink()
        (torch.save if name.endswith("bin") else save_file)(tensors, old / name)
        got = load_prior(old)
        x = torch.randn(1, 3, 8, 8)
        torch.testing.assert_close(got.denoise(x, 9), expected.denoise(x, 9), rtol=1e-5, atol=1e-5)


def test_a_pipeline_keeps_its_parts_in_folders(tmp_path):
    folder(tmp_path / "p" / "unet", model(), scheduler=None)
    (tmp_path / "p" / "scheduler").mkdir()
    settings = {**SCHEDULER, "beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"}
    (tmp_path / "p" / "scheduler" / "scheduler_config.json").write_text(json.dumps(settings))
    prior = load_prior(tmp_path / "p")
    assert prior.prediction == "v" and torch.equal(prior.schedule.alpha_bar, schedules.cosine().alpha_bar)
    assert [p.relative_to(tmp_path / "p").parts[0] for p in files_of(tmp_path / "p")] == ["unet", "unet", "scheduler"]


def test_a_learned_variance_comes_through(tmp_path):
    network = model(out_channels=6)
    settings = {**SCHEDULER, "variance_type": "learned_range"}
    x = torch.randn(1, 3, 8, 8)
    prior = load_prior(folder(tmp_path / "m", network, settings, out_channels=6))
    _, log_variance = prior.predict(x, 500)
    scheduler = pytest.importorskip("diffusers").DDPMScheduler.from_config(settings)
    theirs = scheduler._get_variance(499, network(x, torch.tensor([499])).sample[:, 3:])
    torch.testing.assert_close(log_variance, theirs, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="'fixed_small', not 'learned_range'"):
        load_prior(folder(tmp_path / "m", network, SCHEDULER, out_channels=6))


@pytest.mark.parametrize("kind", diffusers_format.SCHEDULES)
def test_the_schedules_are_the_packages(kind):
    diffusers = pytest.importorskip("diffusers", reason=WHY)
    settings = {**SCHEDULER, "beta_schedule": kind, "beta_start": 0.00085, "beta_end": 0.012}
    theirs = diffusers.DDPMScheduler.from_config(settings).alphas_cumprod
    ours, _ = read_schedule(settings, "s")
    torch.testing.assert_close(ours.alpha_bar[1:].float(), theirs, rtol=2e-4, atol=0)  # theirs adds up in float32
    betas = schedules.cosine(T=9).beta[1:].tolist()
    given, _ = read_schedule({**settings, "trained_betas": betas}, "s")
    torch.testing.assert_close(given.alpha_bar, schedules.cosine(T=9).alpha_bar)


def test_it_obeys_the_laws_of_a_prior(tmp_path):
    from teachdiff.testing import check_prior

    prior = load_prior(folder(tmp_path / "m", model(), {**SCHEDULER, "num_train_timesteps": 50})).to(
        dtype=torch.float64
    )
    assert all(r.ok for r in check_prior(prior, shape=(3, 4, 4)))


def test_every_tensor_that_does_not_fit_is_listed(tmp_path):
    path = folder(tmp_path / "m", model())
    tensors = load_file(path / WEIGHTS)
    del tensors["conv_in.bias"]
    tensors["conv_out.bias"] = torch.zeros(7)
    key = next(k for k in tensors if k.endswith("to_q.weight"))
    tensors[key.replace("to_q", "query")] = tensors[key].clone()
    save_file(tensors, path / WEIGHTS)
    with pytest.raises(ValueError, match="do not fit the network") as caught:
        load_prior(path)
    for piece in ("missing: conv_in.bias (32,)", "conv_out.bias: expected (3,), got (7,)", "query.weight"):
        assert piece in str(caught.value)
    assert len(str(caught.value).splitlines()) == 4


def test_damaged_files_of_a_folder_are_errors(tmp_path):
    path = folder(tmp_path / "m", model())
    (path / WEIGHTS).write_bytes((path / WEIGHTS).read_bytes()[:999])
    with pytest.raises(ValueError, match="no readable safetensors"):
        load_prior(path)
    folder(path, model(), block_out_channels=[32])
    with pytest.raises(ValueError, match=r"config\.json describes no network"):
        load_prior(path)


def test_a_size_that_cannot_be_halved_is_named(tmp_path):
    with pytest.raises(ValueError, match="multiples of 2"):
        load_prior(folder(tmp_path / "m", model())).denoise(torch.zeros(1, 3, 5, 4), 1)


@pytest.mark.slow
def test_the_names_and_shapes_of_celeba_hq():
    """The configuration of the published network makes its 450 tensors, in either spelling."""
    import hashlib

    with torch.device("meta"):
        network = model(
            block_out_channels=[128, 128, 256, 256, 512, 512], layers_per_block=2, sample_size=256,
            down_block_types=["DownBlock2D"] * 4 + ["AttnDownBlock2D", "DownBlock2D"],
            up_block_types=["UpBlock2D", "AttnUpBlock2D"] + ["UpBlock2D"] * 4,
        )  # fmt: skip
    tensors = network.state_dict()
    assert len(tensors) == 450 and sum(v.numel() for v in tensors.values()) == 113_673_219
    assert renamed(old_names(tensors)).keys() == tensors.keys()
    lines = sorted(f"{k} {tuple(v.shape)}" for k, v in tensors.items())
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == CELEBA_HQ


CELEBA_HQ = "a57e3d3c9becfbdddce6c33a1004716c47a75f6fded7c9321098d65d6b45f64b"


# Without it


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    real = diffusers_format.importlib.util.find_spec
    monkeypatch.setattr(
        diffusers_format.importlib.util, "find_spec", lambda name: None if name == "diffusers" else real(name)
    )
    with pytest.raises(RuntimeError, match=r"diffusers, needs the package diffusers: pip install 'teachdiff\[hub\]'"):
        load_prior(folder(tmp_path / "m"))


def test_old_names_become_new_ones_and_clashes_stay():
    tensors = {
        f"down_blocks.1.attentions.0.{name}.{part}": i for i, name in enumerate(OLDER) for part in ("weight", "bias")
    }
    old = old_names(tensors)
    assert old.keys() != tensors.keys() and renamed(old) == tensors
    assert renamed({**tensors, **old}).keys() == tensors.keys() | old.keys()
    assert list(renamed({"query.weight": 1, "key_embedding.query.bias": 2})) == [
        "query.weight",
        "key_embedding.query.bias",
    ]


def test_what_a_folder_lacks_is_listed(tmp_path):
    with pytest.raises(ValueError, match="is no network in the format of diffusers") as caught:
        load_prior(tmp_path)
    assert all(f"\n  {piece}" in str(caught.value) for piece in ("config.json", "the weights", "scheduler_config.json"))
    with pytest.raises(
        ValueError, match=r"scheduler_config\.json, which says.*\"beta_schedule\": \"linear\""
    ) as caught:
        load_prior(folder(tmp_path / "m", scheduler=None))
    assert len(str(caught.value).splitlines()) == 2
    assert read_schedule(json.loads(diffusers_format.EXAMPLE), "s")[0].T == 1000  # what the message offers works


def test_safetensors_come_first():
    assert choose(["config.json", "diffusion_pytorch_model.bin", WEIGHTS])["weights"] == WEIGHTS
    assert choose(["unet/config.json", "unet/diffusion_pytorch_model.bin", WEIGHTS])["weights"].startswith("unet/")


BAD = {
    "prediction": ({"prediction_type": "flow"}, "prediction_type is 'flow'; known: epsilon, v_prediction, sample"),
    "betas": ({"beta_schedule": "sigmoid"}, "beta_schedule is 'sigmoid'; known: linear, scaled_linear"),
    "none": ({"beta_schedule": None}, "beta_schedule is None"),
    "number": ({"beta_end": "much"}, "beta_end must be a number; it is 'much'"),
    "range": ({"beta_end": 2.0}, "describes no schedule: a linear schedule needs"),
    "count": ({"num_train_timesteps": 9.5}, "describes no schedule"),
    "zero snr": ({"rescale_betas_zero_snr": True}, "alpha_bar would reach 0"),
    "trained": ({"trained_betas": [0.5, -0.5]}, "fall at every step"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_schedule_that_is_not_known_is_named(tmp_path, case):
    change, says = BAD[case]
    with pytest.raises(ValueError, match="scheduler_config") as caught:
        load_prior(folder(tmp_path / "m", scheduler={**SCHEDULER, **change}))
    assert says in str(caught.value)


def test_all_that_is_wrong_with_a_schedule_is_listed(tmp_path):
    with pytest.raises(ValueError) as caught:
        load_prior(folder(tmp_path / "m", scheduler={"prediction_type": "flow"}))
    assert len(str(caught.value).splitlines()) == 6


BAD_CONFIGS = {
    "text": ({"_class_name": "UNet2DConditionModel"}, "only UNet2DModel"),
    "labels": ({"num_class_embeds": 10}, "the class of the image"),
    "fourier": ({"time_embedding_type": "fourier"}, "counts no steps t"),
    "channels": ({"out_channels": 4}, "neither 3 nor, with a learned variance, 6"),
}


@pytest.mark.parametrize("case", BAD_CONFIGS)
def test_a_network_that_is_no_prior_is_named(tmp_path, case):
    change, says = BAD_CONFIGS[case]
    with pytest.raises(ValueError, match="is no prior here") as caught:
        load_prior(folder(tmp_path / "m", **change))
    assert says in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_config_that_is_no_json_object_is_named(tmp_path, text):
    path = folder(tmp_path / "m")
    (path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json"):
        load_prior(path)
