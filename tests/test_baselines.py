"""The classical answers are any good, and where there is none they say so."""

import pytest
import torch

from teachdiff.baselines import classical
from teachdiff.data import astronaut_face
from teachdiff.metrics import psnr
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
