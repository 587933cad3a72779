"""The classical answers are any good, and where there is none they say so."""

import pytest
import torch

from teachdiff import baselines
from teachdiff.baselines import BASELINES, classical
from teachdiff.data import astronaut_face
from teachdiff.experiment import held_out
from teachdiff.methods import tweedie
from teachdiff.metrics import psnr
from teachdiff.priors.checkpoints import load_prior
from teachdiff.problems import make_operator, observe

SIZE = 16


@pytest.fixture
def face():
    return astronaut_face(SIZE)


@pytest.mark.parametrize(
    "task", ["denoise", "inpaint_box", "inpaint_random", "deblur_gaussian", "deblur_motion", "sr4"]
)
def test_the_classical_answer_beats_the_measurement(task):
    truth = astronaut_face(32)
    # (deblurring a little noise is the hard case; of a lot of noise any smoothing is good)
    problem = observe(make_operator(task, (3, 32, 32)), truth, 0.02 if task.startswith("deblur") else 0.1)
    x0, name = classical(problem, task)
    assert x0.shape == truth.shape
    assert x0.dtype == truth.dtype
    assert name
    gain = psnr(x0.clamp(-1, 1), truth) - psnr(problem.operator.picture(problem.y).clamp(-1, 1), truth)
    assert float(gain) > 1.0


def test_biharmonic_inpainting_keeps_what_was_seen_and_continues_a_ramp():
    ramp = torch.linspace(-0.8, 0.8, 16).expand(1, 3, 16, 16).contiguous()
    problem = observe(make_operator("inpaint_box", (3, 16, 16)), ramp, 0.0)
    x0, _ = classical(problem, "inpaint_box")
    assert torch.allclose(x0, ramp, atol=1e-4)  # a ramp is biharmonic


def test_wiener_keeps_a_constant_and_its_residual_is_the_noise():
    flat = torch.full((1, 3, 32, 32), 0.3)
    problem = observe(make_operator("deblur_gaussian", (3, 32, 32)), flat, 0.0)
    assert torch.allclose(classical(problem, "deblur_gaussian")[0], flat, atol=1e-4)
    truth = astronaut_face(32)
    problem = observe(make_operator("deblur_gaussian", (3, 32, 32)), truth, 0.1)
    x0, _ = classical(problem, "deblur_gaussian")
    assert problem.residual(x0).square().mean().sqrt().item() == pytest.approx(0.1, rel=0.02)


def test_bicubic_is_centred():
    """Half a pixel off would show: the ramp's block means, interpolated, are the ramp inside."""
    ramp = torch.linspace(-0.9, 0.9, 32).expand(1, 3, 32, 32).contiguous()
    x0, _ = classical(observe(make_operator("sr4", (3, 32, 32)), ramp, 0.0), "sr4")
    # 0.058 a pixel: half a pixel of ours would be 0.029, half a measured one 0.116; the spline's ends reach in a little
    assert torch.allclose(x0[..., 8:-8], ramp[..., 8:-8], atol=5e-3)


@pytest.mark.parametrize("task", ["colorize", "outpaint", "inpaint_smooth"])
def test_where_there_is_no_classical_answer_it_says_so(face, task):
    x0, reason = classical(observe(make_operator(task, (3, SIZE, SIZE)), face, 0.1), task)
    assert x0 is None
    assert task in reason


# Each by its name


@pytest.mark.parametrize("task", ["inpaint_box", "inpaint_random", "deblur_gaussian", "deblur_motion"])
@pytest.mark.parametrize("name", ["biharmonic", "telea", "navier_stokes", "wiener", "richardson_lucy"])
def test_each_beats_the_measurement_on_its_tasks_and_says_which_these_are(name, task):
    truth = astronaut_face(32)
    problem = observe(make_operator(task, (3, 32, 32)), truth, 0.02)
    x0, remark = BASELINES[name](problem, task, truth)
    if (name in ("wiener", "richardson_lucy")) != task.startswith("deblur"):
        assert x0 is None
        assert task in remark
        return
    assert x0.shape == truth.shape
    assert x0.dtype == truth.dtype
    gain = psnr(x0.clamp(-1, 1), truth) - psnr(problem.operator.picture(problem.y).clamp(-1, 1), truth)
    assert float(gain) > 1.0


@pytest.mark.parametrize("name", ["telea", "navier_stokes"])
def test_opencv_keeps_what_was_seen_and_continues_a_constant(name):
    flat = torch.full((2, 1, 16, 16), 0.2)  # 153/255 in [0, 1]: no rounding to 8 bits
    problem = observe(make_operator("inpaint_box", (1, 16, 16)), flat, 0.0)
    x0, _ = BASELINES[name](problem, "inpaint_box", flat)
    assert torch.allclose(x0, flat, atol=0.02)  # two of its 255 levels
    noisy = observe(make_operator("inpaint_random", (1, 16, 16)), flat, 0.3)
    x0, _ = BASELINES[name](noisy, "inpaint_random", flat)
    seen = noisy.operator.measured.values == 1
    assert torch.allclose(x0[:, seen], noisy.y[:, seen], atol=1e-6)


@pytest.mark.parametrize("name", ["telea", "navier_stokes"])
def test_without_opencv_there_is_no_image_and_the_reason(name, face, monkeypatch):
    find = baselines.importlib.util.find_spec
    monkeypatch.setattr(baselines.importlib.util, "find_spec", lambda n, *a: None if n == "cv2" else find(n, *a))
    problem = observe(make_operator("inpaint_box", (3, SIZE, SIZE)), face, 0.1)
    x0, reason = BASELINES[name](problem, "inpaint_box", face)
    assert x0 is None
    assert "teachdiff[classical]" in reason


def test_richardson_lucy_of_a_constant_is_it():
    flat = torch.full((1, 3, 24, 24), 0.3)
    for task in ("deblur_gaussian", "deblur_motion"):
        problem = observe(make_operator(task, (3, 24, 24)), flat, 0.0)
        x0, _ = BASELINES["richardson_lucy"](problem, task, flat)
        assert torch.allclose(x0, flat, atol=1e-4)


def test_richardson_lucy_is_scikit_images_where_no_border_is_near():
    from skimage.restoration import richardson_lucy

    truth = torch.full((1, 1, 48, 48), -1.0).double()  # black all around: what lies beyond the border is as black
    truth[..., 20:28, 20:28] = astronaut_face(8)[:, :1].double()
    operator = make_operator("deblur_gaussian", (1, 48, 48), std=1.0)
    delta = torch.zeros(1, 1, 48, 48).double()
    delta[..., 24, 24] = 1
    psf = operator(delta)[0, 0, 20:29, 20:29].numpy()
    problem = observe(operator, truth, 0.0)
    x0, _ = BASELINES["richardson_lucy"](problem, "deblur_gaussian", truth)
    other = richardson_lucy(((problem.y + 1) / 2)[0, 0].numpy(), psf, num_iter=64, clip=False)
    assert torch.allclose(x0[0, 0, 18:30, 18:30], torch.from_numpy(2 * other - 1)[18:30, 18:30], atol=1e-3)


def test_richardson_lucy_stops_at_the_noise():
    problem = observe(make_operator("deblur_motion", (3, 32, 32)), astronaut_face(32), 0.1)
    x0, _ = BASELINES["richardson_lucy"](problem, "deblur_motion", astronaut_face(32))
    residual = problem.residual(x0).square().mean().sqrt().item()
    assert 0.09 < residual <= 0.1 + 1e-3


# BM3D, where its package is


def test_bm3d_denoises_in_colour_and_in_grey():
    pytest.importorskip("bm3d")
    for channels in (3, 1):
        truth = astronaut_face(32)[:, :channels].contiguous()
        problem = observe(make_operator("denoise", (channels, 32, 32)), truth, 50 / 255)
        x0, remark = BASELINES["bm3d"](problem, "denoise", truth)
        assert remark == "BM3D"
        assert x0.shape == truth.shape
        assert x0.dtype == truth.dtype
        assert float(psnr(x0.clamp(-1, 1), truth) - psnr(problem.y.clamp(-1, 1), truth)) > 3.0


def test_without_bm3d_without_noise_and_for_other_tasks_it_says_why(face, monkeypatch):
    problem = observe(make_operator("denoise", (3, SIZE, SIZE)), face, 0.1)
    assert BASELINES["bm3d"](problem, "sr4", face) == (None, "BM3D denoises; sr4 is another task")
    silent = observe(make_operator("denoise", (3, SIZE, SIZE)), face, 0.0)
    assert BASELINES["bm3d"](silent, "denoise", face)[0] is None
    monkeypatch.setattr(baselines.importlib.util, "find_spec", lambda name, *a: None)
    x0, reason = BASELINES["bm3d"](problem, "denoise", face)
    assert x0 is None
    assert "pip install bm3d" in reason


@pytest.mark.slow
def test_photos_denoises_as_bm3d_does():
    """sigma = 25/255, four photographs that came along and that it never saw."""
    pytest.importorskip("bm3d")
    prior, gains = load_prior("photos"), []
    for truth in held_out("photos", 144).values():
        problem = observe(make_operator("denoise", (3, 144, 144)), truth, 50 / 255)
        ours, theirs = tweedie(prior, problem), BASELINES["bm3d"](problem, "denoise", truth)[0]
        gains.append(float(psnr(ours.clamp(-1, 1), truth) - psnr(theirs.clamp(-1, 1), truth)))
    assert sum(gains) / len(gains) > 0, gains
