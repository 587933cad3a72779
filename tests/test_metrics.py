"""Metrics: exact laws, scikit-image as the referee of SSIM, and LPIPS without a network connection."""

import hashlib
import math
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from teachdiff import metrics
from teachdiff.metrics import (
    BACKBONES,
    Backbone,
    Lpips,
    MetricUnavailable,
    consistency,
    fid,
    find_weights,
    kid,
    load_features,
    lpips_distance,
    lpips_or_reason,
    psnr,
    residual_rms,
    ssim,
)
from teachdiff.tables import Table

SEEDS = st.integers(0, 2**32 - 1)


def images(seed, *shape, dtype=torch.float64):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype) * 2 - 1


# PSNR


def noise_of_known_mse(seed, shape, mse):
    """Signs times one number for each image: every image's error is `mse` exactly."""
    return images(seed, *shape).sign() * torch.tensor(mse, dtype=torch.float64).sqrt()[:, None, None, None]


def law_psnr_is_that_of_the_known_error(metric, seed=0, shape=(3, 2, 5, 4), mse=(0.04, 1e-6, 0.5)):
    x = images(seed, *shape)
    expected = torch.tensor([10 * math.log10(4 / m) for m in mse], dtype=torch.float64)
    torch.testing.assert_close(metric(x + noise_of_known_mse(seed + 1, shape, mse), x), expected, rtol=1e-9, atol=1e-9)


@given(
    SEEDS, st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.lists(st.floats(1e-6, 1), min_size=1, max_size=4)
)
def test_psnr_of_a_known_error(seed, c, h, w, mse):
    law_psnr_is_that_of_the_known_error(psnr, seed, (len(mse), c, h, w), mse)


WRONG_PSNRS = {
    "the range of [0, 1] images": lambda x, r: 10 * torch.log10(1 / (x - r).square().mean((1, 2, 3))),
    "one error for the batch": lambda x, r: 10 * torch.log10(4 / (x - r).square().mean()).expand(len(x)),
    "20 log10 of a square": lambda x, r: 20 * torch.log10(4 / (x - r).square().mean((1, 2, 3))),
    "a sum over pixels": lambda x, r: 10 * torch.log10(4 / (x - r).square().sum((2, 3)).mean(1)),
    "the natural logarithm": lambda x, r: 10 * torch.log(4 / (x - r).square().mean((1, 2, 3))),
    "stretched from minimum to maximum": lambda x, r: psnr((x - x.min()) / (x.max() - x.min()) * 2 - 1, r),
}


@pytest.mark.parametrize("wrong", WRONG_PSNRS)
def test_the_law_rejects_wrong_psnrs(wrong):
    with pytest.raises(AssertionError):
        law_psnr_is_that_of_the_known_error(WRONG_PSNRS[wrong])


@given(SEEDS)
def test_psnr_is_the_one_of_unit_range_images(seed):
    x, r = images(seed, 2, 3, 6, 5), images(seed + 1, 2, 3, 6, 5)
    in_unit_range = 10 * torch.log10(1 / ((x + 1) / 2 - (r + 1) / 2).square().mean((1, 2, 3)))
    torch.testing.assert_close(psnr(x, r), in_unit_range, rtol=1e-12, atol=0)


def test_psnr_of_equal_images_is_infinite_for_them_alone():
    x = images(0, 2, 3, 8, 8)
    other = x.clone()
    other[1] += 0.1
    assert psnr(other, x)[0] == math.inf
    assert psnr(other, x)[1] == pytest.approx(10 * math.log10(400), abs=1e-9)


# SSIM


@given(SEEDS, st.integers(1, 3), st.integers(11, 24), st.integers(11, 24), st.floats(0, 1))
def test_ssim_is_scikit_images(seed, c, h, w, noise):
    r = images(seed, 2, c, h, w)
    r = (r + r.roll(1, 2) + r.roll(1, 3)) / 3
    x = ((1 - noise) * r + noise * images(seed + 1, 2, c, h, w)).clamp(-1, 1)
    expected = [
        structural_similarity(
            a.numpy(),
            b.numpy(),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=2,
            channel_axis=0,
        )
        for a, b in zip(x, r, strict=True)
    ]
    np.testing.assert_allclose(ssim(x, r).numpy(), expected, rtol=0, atol=1e-10)


@given(SEEDS)
def test_ssim_is_symmetric_bounded_and_one_on_the_diagonal(seed):
    x, r = images(seed, 2, 3, 13, 16), images(seed + 1, 2, 3, 13, 16)
    assert torch.equal(ssim(x, r), ssim(r, x))
    assert (ssim(x, r).abs() <= 1).all() and (ssim(x, r) < 0.9).all()
    assert (ssim(0.5 + 0.4 * x, 0.5 - 0.4 * x) < -0.5).all()  # the same means, every contrast turned round
    torch.testing.assert_close(ssim(x, x), torch.ones(2, dtype=torch.float64), rtol=0, atol=1e-12)


def test_ssim_of_constant_images_by_hand():
    a, b = 0.5, -0.2
    c1 = 0.02**2
    x, r = torch.full((1, 1, 11, 11), a, dtype=torch.float64), torch.full((1, 1, 11, 11), b, dtype=torch.float64)
    assert ssim(x, r).item() == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=1e-10)


def test_ssim_refuses_images_smaller_than_its_window():
    with pytest.raises(ValueError, match="at least 11 x 11 pixels"):
        ssim(images(0, 1, 3, 10, 40), images(1, 1, 3, 10, 40))


# both


@pytest.mark.parametrize("metric", [psnr, ssim])
@given(seed=SEEDS, order=st.permutations(range(4)))
@settings(max_examples=10)
def test_no_image_knows_its_batch(metric, seed, order):
    x, r = images(seed, 4, 3, 17, 12), images(seed + 1, 4, 3, 17, 12)
    x = r + (x - r) * torch.tensor([1.0, 0.1, 0.01, 1e-4], dtype=torch.float64)[:, None, None, None]
    whole = metric(x, r)
    torch.testing.assert_close(metric(x[order], r[order]), whole[order], rtol=1e-13, atol=1e-13)
    alone = torch.cat([metric(x[i : i + 1], r[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(alone, whole, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("kind", ["psnr", "ssim", "lpips"])
def test_bad_images_are_refused(kind):
    metric = {"psnr": psnr, "ssim": ssim, "lpips": Lpips.with_random_backbone()}[kind]
    x = images(0, 2, 3, 32, 32)
    nan = x.clone()
    nan[1, 0, 3, 3] = math.nan
    for bad, error, says in [
        (x[0], ValueError, "shape"),
        (x[:, :2], ValueError, "shape"),
        (x[:1], ValueError, "1 images and the reference 2"),
        (x.to(torch.complex128), TypeError, "real"),
        ((x * 100).byte(), TypeError, "float"),
        (x.numpy(), TypeError, "Tensor"),
        (nan, ValueError, "finite"),
    ]:
        with pytest.raises(error, match=says):
            metric(bad, x)
    with pytest.raises(ValueError, match="finite"):
        metric(x, nan)


# consistency


class Halve:
    """A stand-in for an operator: every second column."""

    def __call__(self, x):
        return x[..., ::2]


class Mask:
    def __init__(self, mask):
        self.mask = mask

    def __call__(self, x):
        return x * (self.mask.like(x) if isinstance(self.mask, Table) else self.mask)


@given(SEEDS, st.floats(0.01, 1))
def test_consistency_is_the_residual_in_units_of_sigma(seed, sigma):
    x = images(seed, 3, 2, 5, 6)
    error = noise_of_known_mse(seed, (3, 2, 5, 3), [0.25, 0.01, 1.0])
    problem = SimpleNamespace(operator=Halve(), y=x[..., ::2] + error, sigma=sigma)
    expected = torch.tensor([0.5, 0.1, 1.0], dtype=torch.float64)
    torch.testing.assert_close(residual_rms(problem, x), expected)
    torch.testing.assert_close(consistency(problem, x), expected / sigma)


def test_without_noise_consistency_is_absolute():
    x = images(0, 2, 1, 4, 4)
    problem = SimpleNamespace(operator=Halve(), y=Halve()(x), sigma=0.0)
    assert consistency(problem, x).tolist() == [0, 0]
    torch.testing.assert_close(consistency(problem, x + 0.3), torch.full((2,), 0.3, dtype=torch.float64))


@pytest.mark.parametrize("wrap", [torch.clone, Table], ids=["tensor", "table"])
@pytest.mark.parametrize("channels", [1, 3])
def test_only_seen_pixels_count(wrap, channels):
    mask = torch.zeros(channels, 4, 4, dtype=torch.float64)
    mask[:, :, 0] = 1.0
    mask[:, :, 1] = 0.5
    x = images(0, 2, 3, 4, 4)
    y = mask * x
    y[..., :2] += 0.2
    y[..., 2:] += 7.0  # nobody looked there
    problem = SimpleNamespace(operator=Mask(wrap(mask)), y=y, sigma=0.1)
    torch.testing.assert_close(consistency(problem, x), torch.full((2,), 2.0, dtype=torch.float64))
    blind = SimpleNamespace(operator=Mask(wrap(0 * mask)), y=y, sigma=0.1)
    with pytest.raises(ValueError, match="no pixel"):
        consistency(blind, x)


def test_many_candidates_for_one_measurement():
    x = images(0, 3, 1, 4, 4)
    problem = SimpleNamespace(operator=Halve(), y=Halve()(x[:1]), sigma=0.1)
    each = [consistency(problem, x[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(consistency(problem, x), torch.cat(each))
    assert each[0] == 0 and each[1] > 1
    with pytest.raises(ValueError, match="2 measurements and x 3 images"):
        consistency(SimpleNamespace(operator=Halve(), y=Halve()(x[:2]), sigma=0.1), x)


def test_the_noise_itself_scores_about_one():
    x = images(0, 4, 3, 64, 64)
    z = torch.randn(x[..., ::2].shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    problem = SimpleNamespace(operator=Halve(), y=Halve()(x) + 0.1 * z, sigma=0.1)
    # 6144 values: the RMS has a relative standard deviation of 1/sqrt(2 * 6144) = 0.9 %
    assert (consistency(problem, x) - 1).abs().max() < 0.045


# LPIPS, with random backbones: the laws hold for any weights


@pytest.fixture(scope="module", params=["alex", "vgg"])
def distance(request):
    return Lpips.with_random_backbone(request.param)


def test_lpips_is_zero_on_the_diagonal_symmetric_and_positive(distance):
    x, r = images(0, 3, 3, 40, 36, dtype=torch.float32), images(1, 3, 3, 40, 36, dtype=torch.float32)
    assert distance(x, x).tolist() == [0, 0, 0]
    assert torch.equal(distance(x, r), distance(r, x))
    assert distance(x, r).shape == (3,) and (distance(x, r) > 1e-4).all()


def test_lpips_grows_from_a_small_error_to_a_large_one(distance):
    x = images(0, 1, 3, 40, 40, dtype=torch.float32) * 0.5
    noise = images(1, 1, 3, 40, 40, dtype=torch.float32)
    small, middle, large = (distance(x + s * noise, x).item() for s in (0.01, 0.1, 0.5))
    assert 0 < small < middle < large


def test_lpips_does_not_know_its_batch(distance):
    x, r = images(0, 3, 3, 32, 32, dtype=torch.float32), images(1, 3, 3, 32, 32, dtype=torch.float32)
    r[1] = x[1] + 0.01
    whole = distance(x, r)
    alone = torch.cat([distance(x[i : i + 1], r[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(alone, whole, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(distance(x[[2, 0, 1]], r[[2, 0, 1]]), whole[[2, 0, 1]], rtol=1e-4, atol=1e-7)


def test_lpips_has_finite_gradients_even_where_nothing_responds(distance):
    x = images(0, 1, 3, 32, 32, dtype=torch.float32).requires_grad_()
    (gradient,) = torch.autograd.grad(distance(x, images(1, 1, 3, 32, 32, dtype=torch.float32)).sum(), x)
    assert torch.isfinite(gradient).all() and gradient.abs().max() > 0
    (gradient,) = torch.autograd.grad(distance(x, x.detach()).sum(), x)
    assert gradient.abs().max() == 0
    silent = Lpips.with_random_backbone(distance.net)
    for name, weight in silent.model.net.named_parameters():
        if name.endswith("bias"):
            weight.fill_(-1e3)  # no feature of the backbone responds to anything
    (gradient,) = torch.autograd.grad(silent(x, -x.detach()).sum(), x)
    assert torch.isfinite(gradient).all()


def test_lpips_takes_grey_as_three_equal_channels(distance):
    x, r = images(0, 2, 1, 32, 32, dtype=torch.float32), images(1, 2, 1, 32, 32, dtype=torch.float32)
    torch.testing.assert_close(distance(x, r), distance(x.repeat(1, 3, 1, 1), r.repeat(1, 3, 1, 1)))


def test_lpips_refuses_other_units_and_small_images(distance):
    x = images(0, 1, 3, 32, 32, dtype=torch.float32)
    with pytest.raises(ValueError, match=r"\[-1, 1\]; reference has"):
        distance(x, (x + 1) * 127.5)
    assert distance(x * 1.2, x) > 0  # an overshoot
    least = BACKBONES[distance.net].least
    assert distance(x[..., :least, :least], -x[..., :least, :least]) > 0
    with pytest.raises(ValueError, match=f"at least {least} x {least} pixels"):
        distance(x[..., : least - 1], x[..., : least - 1])
    with pytest.raises(ValueError, match="3 channels"):
        distance(x[:, :2], x[:, :2])


def test_random_backbones_leave_the_global_stream_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    a = Lpips.with_random_backbone(seed=1)
    assert torch.equal(torch.rand(3), expected)
    x, r = images(0, 1, 3, 32, 32, dtype=torch.float32), images(1, 1, 3, 32, 32, dtype=torch.float32)
    assert torch.equal(a(x, r), Lpips.with_random_backbone(seed=1)(x, r))
    assert not torch.equal(a(x, r), Lpips.with_random_backbone(seed=2)(x, r))


# LPIPS, finding its weights


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty cache of torch's, and no environment variable."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TEACHDIFF_LPIPS_WEIGHTS", raising=False)
    metrics._kept_lpips.cache_clear()
    yield tmp_path / "home" / "hub" / "checkpoints"
    metrics._kept_lpips.cache_clear()


def torchvision_alexnet(seed):
    """A state dict with the names and shapes of torchvision's file, classifier included, of random numbers."""
    reference = Lpips.with_random_backbone("alex", seed)
    state = {"features." + k.split(".", 1)[1]: v.clone() for k, v in reference.model.net.state_dict().items()}
    return {**state, "classifier.1.weight": torch.zeros(2, 2)}, reference


@pytest.fixture
def genuine(tmp_path, monkeypatch):
    """A folder with weights that carry their own hash in their name, and what they make."""
    state, reference = torchvision_alexnet(seed=11)
    torch.save(state, tmp_path / "weights.pth")
    digest = hashlib.sha256((tmp_path / "weights.pth").read_bytes()).hexdigest()[:8]
    backbone = Backbone(f"alexnet-owt-{digest}.pth", BACKBONES["alex"].command, BACKBONES["alex"].least)
    monkeypatch.setitem(BACKBONES, "alex", backbone)
    folder = tmp_path / "weights"
    folder.mkdir()
    (tmp_path / "weights.pth").rename(folder / backbone.file)
    return folder / backbone.file, reference


def test_the_hash_stands_in_the_name():
    assert {net: b.digest for net, b in BACKBONES.items()} == {"alex": "7be5be79", "vgg": "397923af"}


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_missing_weights_give_one_line_with_file_folder_and_command(hub, net):
    x = images(0, 1, 3, 32, 32)
    value, reason = lpips_or_reason(x, x, net)
    assert value is None and "\n" not in reason
    backbone = BACKBONES[net]
    assert backbone.file in reason and str(hub) in reason and backbone.command in reason
    with pytest.raises(MetricUnavailable, match=backbone.file):
        lpips_distance(x, x, net)
    assert not hub.exists()


def test_weights_are_found_in_all_three_places(hub, genuine, monkeypatch):
    file, reference = genuine
    x, r = images(0, 2, 3, 32, 32, dtype=torch.float32), images(1, 2, 3, 32, 32, dtype=torch.float32)
    expected = reference(x, r)
    for where in (file, file.parent, str(file)):
        assert torch.equal(lpips_distance(x, r, weights=where), expected)
    for where in (file, file.parent):
        monkeypatch.setenv("TEACHDIFF_LPIPS_WEIGHTS", str(where))
        assert torch.equal(lpips_distance(x, r), expected)
    monkeypatch.delenv("TEACHDIFF_LPIPS_WEIGHTS")
    hub.mkdir(parents=True)
    (hub / file.name).write_bytes(file.read_bytes())
    value, reason = lpips_or_reason(x, r)
    assert reason is None and torch.equal(value, expected)


def test_a_named_place_without_weights_is_no_reason_to_look_elsewhere(hub, genuine, monkeypatch, tmp_path):
    file, _ = genuine
    hub.mkdir(parents=True)
    (hub / file.name).write_bytes(file.read_bytes())
    assert find_weights("alex") == hub / file.name
    with pytest.raises(MetricUnavailable, match="elsewhere"):
        find_weights("alex", tmp_path / "elsewhere")
    monkeypatch.setenv("TEACHDIFF_LPIPS_WEIGHTS", str(tmp_path / "nowhere"))
    with pytest.raises(MetricUnavailable, match="nowhere"):
        find_weights("alex")


def test_the_distance_is_the_packages_with_the_same_file(hub, genuine):
    """The usual way, through torch's cache, takes the file unchecked; the figures must be the same to the bit."""
    import lpips

    file, _ = genuine
    hub.mkdir(parents=True)
    state = torch.load(file, weights_only=True)
    usual = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    renamed = {k: state["features." + k.split(".", 1)[1]] for k in usual.net.state_dict()}
    usual.net.load_state_dict(renamed)
    x, r = images(0, 2, 3, 64, 64, dtype=torch.float32), images(1, 2, 3, 64, 64, dtype=torch.float32)
    with torch.no_grad():
        assert torch.equal(Lpips(weights=file)(x, r), usual(x, r).flatten())


def test_damaged_weights_are_refused(hub, genuine):
    file, _ = genuine
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(MetricUnavailable, match="sha256"):
        Lpips(weights=file)
    x = images(0, 1, 3, 32, 32)
    hub.mkdir(parents=True)
    (hub / file.name).write_bytes(content)
    value, reason = lpips_or_reason(x, x)
    assert value is None and "sha256" in reason and "\n" not in reason


def test_random_weights_under_the_real_name_are_refused(hub):
    """torch's own cache would take them."""
    state, _ = torchvision_alexnet(seed=3)
    hub.mkdir(parents=True)
    torch.save(state, hub / BACKBONES["alex"].file)
    with pytest.raises(MetricUnavailable, match="not 7be5be79"):
        Lpips()


def test_every_tensor_must_fit(tmp_path):
    state, reference = torchvision_alexnet(seed=0)
    del state["classifier.1.weight"]
    load_features(reference.model.net, state, tmp_path)
    moved = dict(state)
    moved["features.99.weight"] = moved.pop("features.3.weight")
    moved["features.0.bias"] = moved["features.0.bias"][:-1]
    with pytest.raises(
        ValueError, match=r"missing: features\.3\.weight; unexpected: features\.99\.weight; features\.0\.bias"
    ):
        load_features(reference.model.net, moved, tmp_path)


def test_an_unknown_backbone_is_named():
    with pytest.raises(ValueError, match="Did you mean 'alex'"):
        Lpips("alexnet")


def test_without_lpips_the_line_says_what_to_install(hub, genuine, monkeypatch):
    find_spec = metrics.importlib.util.find_spec
    monkeypatch.setattr(metrics.importlib.util, "find_spec", lambda n: None if n == "lpips" else find_spec(n))
    x = images(0, 1, 3, 32, 32)
    hub.mkdir(parents=True)
    (hub / genuine[0].name).write_bytes(genuine[0].read_bytes())
    value, reason = lpips_or_reason(x, x)
    assert value is None and "pip install 'teachdiff[metrics]'" in reason and "\n" not in reason


def test_importing_metrics_loads_nothing_heavy():
    heavy = ["lpips", "torchvision", "skimage", "scipy", "matplotlib"]
    code = f"import sys, teachdiff.metrics; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# FID


class Corners(torch.nn.Module):
    """A stand-in for Inception: the means of the picture's quarters, 12 numbers of uint8 (B, 3, H, W)."""

    num_features = 12

    def forward(self, x):
        assert x.dtype == torch.uint8
        return torch.nn.functional.adaptive_avg_pool2d(x.double(), 2).flatten(1)


def frechet(a, b):
    """The distance of two sets of features, from its formula, by numpy: the trace of (C C')^(1/2) is that of the
    symmetric (C^(1/2) C' C^(1/2))^(1/2)."""
    covariances = [np.cov(f, rowvar=False) for f in (a, b)]
    values, vectors = np.linalg.eigh(covariances[0])
    root = vectors @ np.diag(np.sqrt(values.clip(0))) @ vectors.T
    crossed = np.sqrt(np.linalg.eigvalsh(root @ covariances[1] @ root).clip(0)).sum()
    gap = a.mean(0) - b.mean(0)
    return gap @ gap + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * crossed


def features(x):
    picture = np.floor(127.5 * (x.numpy().clip(-1, 1) + 1) + 0.5)
    b, c, h, w = picture.shape
    return picture.reshape(b, c, 2, h // 2, 2, w // 2).mean((3, 5)).reshape(b, -1)


@given(SEEDS, st.integers(16, 24), st.floats(-0.5, 0.5))
def test_fid_is_the_distance_of_two_normal_laws(seed, count, shift):
    x, r = images(seed, count, 3, 4, 6), images(seed + 1, count + 3, 3, 4, 6)
    x = 1.5 * x + shift  # some of it outside the range: a picture shows it clamped
    expected = frechet(features(x), features(r))
    assert fid([x], [r], extractor=Corners()) == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert fid([r], [r], extractor=Corners()) == pytest.approx(0, abs=1e-4)


def test_fid_of_a_set_does_not_depend_on_its_batches_or_its_order():
    x, r = images(0, 8, 3, 4, 6), images(1, 8, 3, 4, 6)
    whole = fid([x], [r], extractor=Corners())
    assert fid(x.split(3), r.split(1), extractor=Corners()) == whole
    assert fid([x.flip(0)], [r], extractor=Corners()) == pytest.approx(whole, rel=1e-9)


def test_fid_needs_two_images_of_three_channels():
    two, one = images(0, 2, 3, 4, 4), images(0, 1, 3, 4, 4)
    with pytest.raises(MetricUnavailable, match="two images or more; got 1"):
        fid([one], [two], extractor=Corners())
    with pytest.raises(ValueError, match="3 channels; got 1"):
        fid([two[:, :1]], [two], extractor=Corners())
    with pytest.raises(ValueError, match="NaN"):
        fid([two * math.nan], [two], extractor=Corners())


def test_without_inception_the_line_says_how_to_get_it(hub, monkeypatch, tmp_path):
    monkeypatch.delenv("TEACHDIFF_FID_WEIGHTS", raising=False)
    two = images(0, 2, 3, 4, 4)
    with pytest.raises(MetricUnavailable, match=r"weights-inception-2015-12-05-6726825d\.pth") as reason:
        fid([two], [two])
    assert "\n" not in str(reason.value) and str(hub) in str(reason.value)
    fake = tmp_path / metrics.INCEPTION.file
    fake.write_bytes(b"something else")
    monkeypatch.setenv("TEACHDIFF_FID_WEIGHTS", str(tmp_path))
    with pytest.raises(MetricUnavailable, match="not 6726825d"):
        fid([two], [two])
    find_spec = metrics.importlib.util.find_spec
    monkeypatch.setattr(metrics.importlib.util, "find_spec", lambda n: None if n == "torchmetrics" else find_spec(n))
    with pytest.raises(MetricUnavailable, match=r"pip install 'teachdiff\[fid\]'"):
        fid([two], [two], extractor=Corners())


def test_fid_takes_inceptions_file(monkeypatch, tmp_path):
    """Inception itself, its random weights in a file of a digest of their own."""
    metrics.import_torchvision()
    from torch_fidelity import feature_extractor_inceptionv3 as published
    from torchmetrics.image.fid import NoTrainInceptionV3

    torch.manual_seed(0)
    with monkeypatch.context() as m:
        m.setattr(published, "load_state_dict_from_url", lambda *a, **k: {})
        m.setattr(published.FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        network = NoTrainInceptionV3("inception-v3-compat", ["2048"])
    torch.save(network.state_dict(), tmp_path / "w.pth")
    digest = hashlib.sha256((tmp_path / "w.pth").read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(metrics, "INCEPTION", Backbone(f"inception-{digest}.pth", "-", 1))
    (tmp_path / "w.pth").rename(tmp_path / metrics.INCEPTION.file)
    handed = {}
    monkeypatch.setattr(metrics, "_frechet", lambda *a, real=metrics._frechet: handed.setdefault("fid", real(*a)))
    monkeypatch.setattr("torchmetrics.image.fid._compute_fid", lambda *a: a[0].sum())  # roots of 2048 x 2048 take long
    x, r = images(0, 2, 3, 8, 8), images(1, 2, 3, 8, 8)
    fid([x], [r], weights=tmp_path)
    expected = sum(network(metrics.as_bytes(image)).double() for image in r.split(1))
    assert torch.equal(handed["fid"].real_features_sum, expected[0])


# KID


D = 8
#: Mean and spread of normal features, twice; the means along one diagonal, or not.
CASES = {"the same": (1.0, 0.5, 1.0, 0.5), "another mean": (0.8, 0.5, 1.0, 0.5), "another spread": (0.5, 0.5, 0.5, 0.8)}


def normal_features(generator, mean, std, n):
    return mean + std * torch.randn(n, D, generator=generator, dtype=torch.float64)


def moments(mean, std):
    """E x, E xx and E xxx of N(mean, std^2 I), as tensors."""
    m, eye = torch.full((D,), mean).double(), std**2 * torch.eye(D, dtype=torch.float64)
    mixed = sum(torch.einsum(f"i,jk->{order}", m, eye) for order in ("ijk", "jik", "jki"))
    return m, torch.outer(m, m) + eye, torch.einsum("i,j,k->ijk", m, m, m) + mixed


def true_kid(m, s, m2, s2):
    """(f.g/D + 1)^3 is the sum of (3 over j) (f.g/D)^j, so the moments' squared differences add up."""
    pairs = zip(moments(m, s), moments(m2, s2), strict=True)
    return sum(float((3, 3, 1)[j] * (a - b).square().sum() / D ** (j + 1)) for j, (a, b) in enumerate(pairs))


def law_kid_is_unbiased_and_its_interval_covers(estimate, case, repetitions=400):
    """The mean is within four of its standard errors of the truth, which 92 to 98 % of the intervals hold."""
    m, s, m2, s2 = CASES[case]
    truth, generator = true_kid(m, s, m2, s2), torch.Generator().manual_seed(0)
    found = [
        estimate(normal_features(generator, m, s, 200), normal_features(generator, m2, s2, 200))
        for _ in range(repetitions)
    ]
    values = torch.tensor([f.value for f in found])
    assert abs(values.mean() - truth) < 4 * values.std() / repetitions**0.5
    assert 0.92 <= sum(f.low <= truth <= f.high for f in found) / repetitions <= 0.98


@pytest.mark.parametrize("case", CASES)
def test_kid_is_unbiased_and_its_interval_covers(case):
    law_kid_is_unbiased_and_its_interval_covers(kid, case)


def with_the_diagonal(k):
    return k.mean((1, 2))


WRONG_KIDS = {
    "biased, with the diagonal": ("_off_diagonal_mean", with_the_diagonal),
    "another power": ("_kernel", lambda f, g: (f @ g.mT / f.shape[-1] + 1) ** 2),
    "no division by the number of features": ("_kernel", lambda f, g: (f @ g.mT + 1) ** 3),
    "the interval of a standard deviation": ("_T_QUANTILE", 1.0),
    "the interval of the spread, not of the mean": ("_T_QUANTILE", 2.2622 * 10**0.5),
}


@pytest.mark.parametrize("wrong", WRONG_KIDS)
def test_the_law_rejects_wrong_kids(wrong, monkeypatch):
    name, value = WRONG_KIDS[wrong]
    monkeypatch.setattr(metrics, name, value)
    with pytest.raises(AssertionError):
        law_kid_is_unbiased_and_its_interval_covers(kid, "another mean")


def test_what_kid_cannot_compare():
    f = images(0, 40, 3)
    for a, b in ((f, f[:30]), (f[:19], f[:19]), (f[:, 0], f[:, 0]), (f, images(0, 40, 4))):
        with pytest.raises(ValueError, match="at least 20"):
            kid(a, b)
    with pytest.raises(ValueError, match="finite"):
        kid(f, f / 0)
