r"""The laws of a prior: `denoise(x_t, t)` with a `schedule`.

Most hold for any denoiser. Those of an exact one, :math:`\hat x_0 = E[x_0 \mid x_t]`, are asked of a prior that
claims to be exact (no `clip_x0`, or `exact=True`): a network obeys them only as far as it has learned.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from teachdiff.predictions import score_from_x0_hat, x0_hat_from_score
from teachdiff.testing.adapters import PriorView
from teachdiff.testing.core import Draw, NotApplicable, law, normal, require, require_close


@dataclass
class PriorSubject:
    """A prior, and what is known of the truth beside it.

    Attributes:
        reference: a prior with the exact `denoise`, or None.
        images: clean images (N, C, H, W) that the prior is about, or None.
    """

    view: PriorView
    reference: Any = None
    images: Tensor | None = None

    def draw(self, draw: Draw, least: int = 1) -> tuple[Tensor, int]:
        """A batch of x_t and its t: noised images where there are some, else noise of about the right size."""
        v = self.view
        batch, t, seed = draw.integer("batch", least, 3), draw.integer("t", 1, v.schedule.T), draw.seed()
        return self.noised(batch, t, seed), t

    def noised(self, batch: int, t: int, seed: int) -> Tensor:
        v, alpha_bar = self.view, self.view.schedule.alpha_bar[t].item()
        z = normal((batch, *v.shape), seed, v.dtype, v.device)
        if self.images is None:
            return z
        x_0 = self.images[torch.arange(seed, seed + batch) % len(self.images)].to(z)
        return alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * z

    @property
    def eps(self) -> float:
        return torch.finfo(self.view.dtype).eps


def need_exact(prior: PriorSubject) -> PriorView:
    if not prior.view.exact:
        raise NotApplicable("the prior does not claim to be exact: a network obeys this only as far as it has learned")
    return prior.view


@law("prior", "x0_hat has the shape, dtype and device of x_t, and is finite.")
def shapes(prior: PriorSubject, draw: Draw) -> None:
    x_t, t = prior.draw(draw)
    out = prior.view.denoise(x_t, torch.tensor(t))
    require(isinstance(out, Tensor), "denoise must give a tensor", type(out).__name__, "Tensor")
    for name in ("shape", "dtype", "device"):
        got, expected = getattr(out, name), getattr(x_t, name)
        require(got == expected, f"{name} of x0_hat, and of x_t", str(got), str(expected))
    require(torch.isfinite(out).all(), f"x0_hat at t = {t} holds NaN or infinite values")


@law("prior", "t may be one number for the batch or one for each sample.", examples=5)
def times(prior: PriorSubject, draw: Draw) -> None:
    x_t, t = prior.draw(draw, least=2)
    one = prior.view.denoise(x_t, torch.tensor(t))
    each = prior.view.denoise(x_t, torch.full((len(x_t),), t, device=x_t.device))
    require_close(each, one, 1e3 * prior.eps, float(one.abs().max()) + 1, "x0_hat with t of shape (B,), and of ()")
    other = max(1, t // 2)
    mixed = prior.view.denoise(x_t, torch.tensor([other] + [t] * (len(x_t) - 1), device=x_t.device))
    alone = prior.view.denoise(x_t[:1], torch.tensor(other))
    scale = float(alone.abs().max()) + 1
    require_close(mixed[:1], alone, 1e4 * prior.eps, scale, "x0_hat of a sample whose t differs from its batch's")
    require_close(mixed[1:], one[1:], 1e4 * prior.eps, scale, "x0_hat beside a sample of another t")


@law("prior", "A batch is its samples, and a permuted batch is permuted.", proof="predictions", examples=5)
def batch(prior: PriorSubject, draw: Draw) -> None:
    x_t, t = prior.draw(draw, least=2)
    whole = prior.view.denoise(x_t, torch.tensor(t))
    alone = torch.cat([prior.view.denoise(x_t[i : i + 1], torch.tensor(t)) for i in range(len(x_t))])
    # A network's convolutions add in another order for another batch.
    allowed, scale = 1e4 * prior.eps, float(alone.abs().max()) + 1
    require_close(whole, alone, allowed, scale, "x0_hat of a sample in a batch, and of the same sample alone")
    order = torch.arange(len(x_t)).roll(1)
    permuted = prior.view.denoise(x_t[order], torch.tensor(t))
    require_close(permuted, whole[order], allowed, scale, "x0_hat of a permuted batch")


@law("prior", "The same question has the same answer, and the argument is not written into.", examples=5)
def repeats(prior: PriorSubject, draw: Draw) -> None:
    x_t, t = prior.draw(draw)
    before = x_t.clone()
    first = prior.view.denoise(x_t, torch.tensor(t))
    require(torch.equal(x_t, before), "denoise changed x_t in place")
    require_close(prior.view.denoise(x_t, torch.tensor(t)), first, 0.0, 0.0, "x0_hat of the same x_t, asked twice")


@law("prior", "x0_hat is differentiable in x_t, and its gradient is its slope.", examples=5)
def gradient(prior: PriorSubject, draw: Draw) -> None:
    x_t, t = prior.draw(draw)
    x = x_t.clone().requires_grad_()
    out = prior.view.denoise(x, torch.tensor(t))
    require(out.requires_grad, "no gradient flows through denoise: DPS needs one")
    v, w = (normal(x_t.shape, s, x_t.dtype, x_t.device) for s in (1, 2))
    (vjp,) = torch.autograd.grad(out, x, w)
    require(torch.isfinite(vjp).all(), f"the gradient at t = {t} holds NaN or infinite values")
    h = prior.eps ** (1 / 3)
    ahead, behind = (prior.view.denoise(x_t + s * h * v, torch.tensor(t)) for s in (1, -1))
    slope, analytic = float(((ahead - behind) / (2 * h) * w).sum()), float((vjp * v).sum())
    # A denoiser that comes by x0_hat as (x_t + ...)/√ᾱ_t divides its rounding by √ᾱ_t, and the difference by h.
    rounding = 1e-2 * float(x_t.norm()) / prior.view.schedule.alpha_bar[t].item() ** 0.5
    scale = float(w.norm()) * (float(((ahead - behind) / (2 * h)).norm()) + float(out.detach().norm()) + rounding)
    require_close(analytic, slope, 1e3 * prior.eps ** (2 / 3), scale, "<J v, w> by autograd and by differences")


@law("prior", "x0_hat is the posterior mean E[x_0 | x_t].", proof="tweedie")
def posterior_mean(prior: PriorSubject, draw: Draw) -> None:
    if prior.reference is None:
        raise NotApplicable("no exact prior to compare with was given: check_prior(..., reference=...)")
    x_t, t = prior.draw(draw)
    got, expected = (p.denoise(x_t, torch.tensor(t)) for p in (prior.view, prior.reference))
    require_close(got, expected, 1e4 * prior.eps, float(expected.abs().max()) + 1, f"x0_hat, E[x_0 | x_t] at t = {t}")


@law("prior", "Tweedie: x0_hat = (x_t + (1 - ᾱ_t) ∇ log p_t(x_t))/√ᾱ_t.", proof="tweedie")
def score_is_the_gradient(prior: PriorSubject, draw: Draw) -> None:
    v = prior.view
    if v.log_prob is None:
        raise NotApplicable("the prior has no log_prob(x_t, t)")
    x_t, t = prior.draw(draw)
    x = x_t.clone().requires_grad_()
    (score,) = torch.autograd.grad(v.log_prob(x, torch.tensor(t)).sum(), x)
    alpha_bar = v.schedule.alpha_bar[t].item()
    expected = x0_hat_from_score(score, x_t, alpha_bar)
    got = v.denoise(x_t, torch.tensor(t))
    scale = float(expected.abs().max()) + float(x_t.abs().max()) / alpha_bar**0.5
    require_close(got, expected, 1e4 * prior.eps, scale, f"x0_hat, and Tweedie's formula, at t = {t}")


# A Jacobian below this over √ᾱ_t is held to the rounding of one of this size: a denoiser that comes by x0_hat as
# (x_t + ...)/√ᾱ_t has its rounding divided by √ᾱ_t too.
LITTLE = 1e-2


def jacobian_products(prior: PriorSubject, draw: Draw) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
    """a, b, Jᵀ a, Jᵀ b and t, J = d x0_hat/d x_t at a drawn x_t.

    Where x0_hat hardly depends on x_t, J itself is rounding, with no digits to compare: see LITTLE.
    """
    v, (x_t, t) = prior.view, prior.draw(draw)
    a, b = (normal(x_t.shape, s, x_t.dtype, x_t.device) for s in (3, 4))
    x = x_t.clone().requires_grad_()
    out = v.denoise(x, torch.tensor(t))
    require(out.requires_grad, "no gradient flows through denoise: DPS needs one")
    transposed = [torch.autograd.grad(out, x, w, retain_graph=True)[0] for w in (a, b)]
    return a, b, transposed[0], transposed[1], t


@law("prior", "The Jacobian of x0_hat is symmetric: it is the covariance of x_0 given x_t, scaled.", proof="tweedie")
def jacobian_is_symmetric(prior: PriorSubject, draw: Draw) -> None:
    need_exact(prior)
    a, b, Ja, Jb, t = jacobian_products(prior, draw)
    left, right = float((b * Ja).sum()), float((a * Jb).sum())
    least = LITTLE / prior.view.schedule.alpha_bar[t].item() ** 0.5
    scale = float(b.norm() * Ja.norm() + a.norm() * Jb.norm() + least * a.norm() * b.norm())
    require_close(left, right, 1e4 * prior.eps, scale, f"<b, Jᵀ a> and <a, Jᵀ b> at t = {t}")


@law("prior", "(1 - ᾱ_t)/√ᾱ_t times that Jacobian is a covariance, so <a, J a> >= 0.", proof="tweedie")
def jacobian_is_positive(prior: PriorSubject, draw: Draw) -> None:
    need_exact(prior)
    a, _, Ja, _, t = jacobian_products(prior, draw)
    value, scale = float((a * Ja).sum()), float(a.norm() * Ja.norm() + LITTLE * a.norm().square())
    require(value >= -1e4 * prior.eps * scale, f"<a, J a> at t = {t} must not be negative", value, 0.0)


@law("prior", "x0_hat is nearer to the image than x_t/√ᾱ_t is, and than the mean image.", proof="tweedie", examples=5)
def beats_the_trivial(prior: PriorSubject, draw: Draw) -> None:
    """A posterior mean has the least squared error there is, so no more than these two estimates."""
    if prior.images is None:
        raise NotApplicable("no images to noise were given: check_prior(..., images=...)")
    v, T = prior.view, prior.view.schedule.T
    t, seed = draw.one_of("t", sorted({1, max(1, T // 10), max(1, T // 2), T})), draw.seed()
    n = min(len(prior.images), 64)
    x_0 = prior.images[:n].to(device=v.device, dtype=v.dtype)
    alpha_bar = v.schedule.alpha_bar[t].item()
    x_t = alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * normal(x_0.shape, seed, v.dtype, v.device)
    with torch.no_grad():
        error = (v.denoise(x_t, torch.tensor(t)) - x_0).square().flatten(1).mean(1)
    scaled = (x_t / alpha_bar**0.5 - x_0).square().flatten(1).mean(1)
    constant = (x_0 - x_0.mean(0)).square().flatten(1).mean(1) * n / max(1, n - 1)
    for name, bound in (("x_t/√ᾱ_t", scaled), ("the mean image", constant)):
        # Both are means over the same n images: 5 %, and five standard deviations of the difference of such means.
        scatter = 5 * float((error - bound).std(correction=0)) / n**0.5
        got, most = float(error.mean()), float(bound.mean())
        require(got <= 1.05 * most + scatter + 1e-12, f"squared error of x0_hat at t = {t}, and of {name}", got, most)


@law("prior", "At t = 1 an image that is hardly noised comes back: the score does not explode.", examples=3)
def little_noise(prior: PriorSubject, draw: Draw) -> None:
    """x0_hat - x_t/√ᾱ = (1 - ᾱ)/√ᾱ score, and a score of noise of variance 1 - ᾱ is of the order 1/√(1 - ᾱ)."""
    v, seed = prior.view, draw.seed()
    alpha_bar = v.schedule.alpha_bar[1].item()
    if prior.images is None:
        raise NotApplicable("no images to noise were given: check_prior(..., images=...)")
    x_t = prior.noised(1, 1, seed)
    with torch.no_grad():
        x0_hat = v.denoise(x_t, torch.tensor(1))
    root = float(score_from_x0_hat(x0_hat, x_t, alpha_bar).square().mean()) ** 0.5
    limit = 3 / (1 - alpha_bar) ** 0.5
    require(root <= limit, "root mean square of the score at t = 1, and three times that of the noise", root, limit)
