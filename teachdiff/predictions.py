r"""Four names for one prediction: x0_hat, epsilon, score and v.

A network may predict any of the four; the library speaks :math:`\hat x_0 = E[x_0 \mid x_t]`.
With :math:`x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1-\bar\alpha_t}\, \epsilon`:

.. math::
    \hat x_0 = \frac{x_t - \sqrt{1-\bar\alpha_t}\,\epsilon}{\sqrt{\bar\alpha_t}}
             = \frac{x_t + (1-\bar\alpha_t)\, s}{\sqrt{\bar\alpha_t}}
             = \sqrt{\bar\alpha_t}\, x_t - \sqrt{1-\bar\alpha_t}\, v

The arguments may be tensors or numbers; `alpha_bar` must broadcast against x_t and lie in (0, 1).

Sources: Tweedie's formula (Efron 2011); Ho et al. 2020; v: Salimans and Ho 2022, appendix D.
"""


def x0_hat_from_epsilon(epsilon, x_t, alpha_bar):
    r""":math:`\hat x_0 = (x_t - \sqrt{1-\bar\alpha_t}\,\epsilon)/\sqrt{\bar\alpha_t}`."""
    return (x_t - (1 - alpha_bar) ** 0.5 * epsilon) / alpha_bar**0.5


def x0_hat_from_score(score, x_t, alpha_bar):
    r"""Tweedie: :math:`\hat x_0 = (x_t + (1-\bar\alpha_t)\,s)/\sqrt{\bar\alpha_t}`."""
    return (x_t + (1 - alpha_bar) * score) / alpha_bar**0.5


def x0_hat_from_v(v, x_t, alpha_bar):
    r""":math:`\hat x_0 = \sqrt{\bar\alpha_t}\,x_t - \sqrt{1-\bar\alpha_t}\,v`."""
    return alpha_bar**0.5 * x_t - (1 - alpha_bar) ** 0.5 * v


def epsilon_from_x0_hat(x0_hat, x_t, alpha_bar):
    r""":math:`\epsilon = (x_t - \sqrt{\bar\alpha_t}\,\hat x_0)/\sqrt{1-\bar\alpha_t}`."""
    return (x_t - alpha_bar**0.5 * x0_hat) / (1 - alpha_bar) ** 0.5


def score_from_x0_hat(x0_hat, x_t, alpha_bar):
    r""":math:`s = \nabla_{x_t} \log p_t(x_t) = (\sqrt{\bar\alpha_t}\,\hat x_0 - x_t)/(1-\bar\alpha_t)`."""
    return (alpha_bar**0.5 * x0_hat - x_t) / (1 - alpha_bar)


def v_from_x0_hat(x0_hat, x_t, alpha_bar):
    r""":math:`v = (\sqrt{\bar\alpha_t}\,x_t - \hat x_0)/\sqrt{1-\bar\alpha_t}`; for the true pair
    this is :math:`\sqrt{\bar\alpha_t}\,\epsilon - \sqrt{1-\bar\alpha_t}\,x_0`."""
    return (alpha_bar**0.5 * x_t - x0_hat) / (1 - alpha_bar) ** 0.5


def score_from_epsilon(epsilon, alpha_bar):
    r""":math:`s = -\epsilon/\sqrt{1-\bar\alpha_t}`."""
    return -epsilon / (1 - alpha_bar) ** 0.5


def epsilon_from_score(score, alpha_bar):
    r""":math:`\epsilon = -\sqrt{1-\bar\alpha_t}\,s`."""
    return -((1 - alpha_bar) ** 0.5) * score


X0_HAT_FROM = {
    "epsilon": x0_hat_from_epsilon,
    "score": x0_hat_from_score,
    "v": x0_hat_from_v,
    "x0_hat": lambda x0_hat, x_t, alpha_bar: x0_hat,
}
