"""What a program does that implements a printed line literally: the mistakes of the reports, in decibels.

    python examples/printed_mistakes.py --size 64 --t 100

A photograph is noised up to step t. Either one evaluation brings it back, or t steps of the reverse chain do. The
ledger (`teachdiff prove 'mashayak.*' 'rao.*'`) refutes each of these lines with an exact counterexample.
"""

# %%
import argparse

import torch

from teachdiff import load_prior
from teachdiff.data import astronaut_face
from teachdiff.metrics import psnr
from teachdiff.noise import NoiseStream
from teachdiff.predictions import epsilon_from_x0_hat, score_from_x0_hat
from teachdiff.schedules import posterior_variance

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--size", type=int, default=64)
parser.add_argument("--t", type=int, default=100)
parser.add_argument("--prior", default="photos")
parser.add_argument("--device", default="cpu")
args = parser.parse_args()

truth = astronaut_face(args.size).to(args.device)
prior = load_prior(args.prior, args.device)
chain = prior.schedule.respace(start=args.t)
alpha, alpha_bar = chain.alpha[-1].item(), chain.alpha_bar[-1].item()
noise = NoiseStream(0, 1, args.device)
x_t = alpha_bar**0.5 * truth + (1 - alpha_bar) ** 0.5 * noise(args.t, tuple(truth.shape))


# %% One evaluation: Tweedie's formula, and equation 13 of mashayak, which divides by the root of alpha for alpha_bar.
with torch.no_grad():
    x0_hat = prior.denoise(x_t, args.t)
score = score_from_x0_hat(x0_hat, x_t, alpha_bar)
single = {
    "the formula": (x_t + (1 - alpha_bar) * score) / alpha_bar**0.5,
    "mashayak.eq13a": (x_t + (1 - alpha_bar) * score) / alpha**0.5,
}


# %% The reverse chain: the mean of each step in its epsilon form, as it is and as it was printed.
def right(x, epsilon, step):
    return (x - (1 - step.alpha) / (1 - step.alpha_bar) ** 0.5 * epsilon) / step.alpha**0.5


def mashayak_eq17(x, epsilon, step):  # sqrt(1 - alpha) where (1 - alpha)/sqrt(1 - alpha_bar) belongs
    return (x - (1 - step.alpha) ** 0.5 * epsilon) / step.alpha**0.5


def rao_app3_line7b(x, epsilon, step):  # plus for minus, and alpha_bar for alpha before the parenthesis
    return (x + (1 - step.alpha) / (1 - step.alpha_bar) ** 0.5 * epsilon) / step.alpha_bar**0.5


def walk(mean, with_noise=True):
    noise, x = NoiseStream(1, 1, args.device), x_t
    for step in chain.backwards():
        with torch.no_grad():
            epsilon = epsilon_from_x0_hat(prior.denoise(x, step.t), x, step.alpha_bar)
        x = mean(x, epsilon, step)
        if not bool(torch.isfinite(x).all()):
            return None
        if step.t_prev > 0 and with_noise:
            z = noise(step.t_prev, tuple(x.shape))
            x = x + posterior_variance(step.alpha, step.alpha_bar, step.alpha_bar_prev) ** 0.5 * z
    return x


chains = {
    "the formula": walk(right),
    "mashayak.eq13b": walk(right, with_noise=False),  # offered as the sampling step, without its noise
    "mashayak.eq17": walk(mashayak_eq17),
    "rao.app3.line7b": walk(rao_app3_line7b),
}

# %% A missing noise term even gains decibels: what comes out is no sample any more, but smoother than any photograph.
for title, images in (("one evaluation", single), (f"{args.t} steps", chains)):
    print(f"{title}, from t = {args.t}")
    for name, x in images.items():
        result = "overflows" if x is None else f"{psnr(x.clamp(-1, 1), truth).item():6.2f} dB"
        print(f"  {name:16s} {result}")
