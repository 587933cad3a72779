"""Mistakes handed in as answers: a function as the ledger's line has it, and the check that must reject it.

`rows` names the ledger's lines that it implements; none where it is a bug that students make without help.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    name: str
    assignment: str
    file: str
    check: str  # "exercise.check"
    text: str  # goes below the right answer, and takes its place
    rows: tuple[str, ...] = ()

    def __str__(self):
        return f"{self.assignment}-{self.name}"


HW1 = [
    Mutant(
        "no_bar_in_the_marginal", "hw1", "schedules.py", "2.noising",
        """
def noised(schedule, x_0, t, z):
    alpha = schedule.alpha[t].item()
    return alpha**0.5 * x_0 + (1 - alpha) ** 0.5 * z
""",
        ("rao.app1.line7", "mashayak.eq12", "liu.forward", "between.marginal"),
    ),
    Mutant(
        "one_draw_for_all_steps", "hw1", "schedules.py", "2.noising",
        """
def noised(schedule, x_0, t, z):
    for beta in schedule.beta[1 : t + 1].tolist():
        x_0 = (1 - beta) ** 0.5 * x_0 + beta**0.5 * z
    return x_0
""",
        ("rao.p.app1-recursively", "rao.app1.line5"),
    ),
    Mutant(
        "one_scalar_for_the_image", "hw1", "schedules.py", "2.noising",
        """
def noised(schedule, x_0, t, z):
    alpha_bar = schedule.at(t, x_0)
    return alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * z[..., :1, :1, :1]
""",
        ("liu.noise",),
    ),
    Mutant(
        "a_lost_root", "hw1", "schedules.py", "2.noising",
        """
def noised(schedule, x_0, t, z):
    alpha_bar = schedule.at(t, x_0)
    return alpha_bar**0.5 * x_0 + (1 - alpha_bar) * z
""",
    ),
    Mutant(
        "one_time_for_all", "hw1", "schedules.py", "2.a_time_for_each",
        """
def noised(schedule, x_0, t, z):
    alpha_bar = schedule.alpha_bar[torch.as_tensor(t).flatten()[0]]
    return alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * z
""",
    ),
    Mutant(
        "noise_level_of_one_step", "hw1", "schedules.py", "2.noise_level",
        """
def noise_level(alpha_bar):
    return (1 - alpha_bar) ** 0.5
""",
    ),
    Mutant(
        "no_bar_in_the_table", "hw1", "schedules.py", "1.linear",
        """
def linear(T=1000, beta_min=1e-4, beta_max=2e-2):
    beta = torch.linspace(beta_min, beta_max, T, dtype=torch.float64)
    return Schedule(torch.cat([torch.ones(1, dtype=torch.float64), 1 - beta]))
""",
        ("rao.app1.line7", "mashayak.eq12"),
    ),
    Mutant(
        "one_factor_too_many", "hw1", "schedules.py", "1.linear",
        """
def linear(T=1000, beta_min=1e-4, beta_max=2e-2):
    alpha = 1 - torch.linspace(beta_min, beta_max, T, dtype=torch.float64)
    return Schedule(torch.cat([torch.ones(1, dtype=torch.float64), alpha[0] * alpha.cumprod(0)]))
""",
        ("liu.alphabar",),
    ),
    Mutant(
        "product_of_betas", "hw1", "schedules.py", "1.linear",
        """
def linear(T=1000, beta_min=1e-4, beta_max=2e-2):
    alpha = torch.linspace(beta_min, beta_max, T, dtype=torch.float64).cumprod(0)
    return Schedule(torch.cat([torch.ones(1, dtype=torch.float64), alpha.cumprod(0)]))
""",
        ("liu.alpha",),
    ),
    Mutant(
        "cosine_not_cut", "hw1", "schedules.py", "1.cosine",
        """
def cosine(T=1000, s=0.008, beta_max=0.999):
    t = torch.arange(T + 1, dtype=torch.float64)
    f = torch.cos((t / T + s) / (1 + s) * math.pi / 2).square()
    return Schedule((f / f[0]).clamp(min=1e-12))
""",
    ),
    Mutant(
        "x0_without_its_bar", "hw1", "schedules.py", "3.mean",
        """
def posterior_mean(x0_hat, x_t, alpha, alpha_bar, alpha_bar_prev):
    return (
        alpha**0.5 * (1 - alpha) * x0_hat + alpha**0.5 * (1 - alpha_bar_prev) * x_t
    ) / (1 - alpha_bar)
""",
        ("rao.app2.line2", "between.posterior-mean"),
    ),
    Mutant(
        "a_lost_parenthesis", "hw1", "schedules.py", "3.mean",
        """
def posterior_mean(x0_hat, x_t, alpha, alpha_bar, alpha_bar_prev):
    return (
        alpha_bar_prev**0.5 * (1 - alpha) / (1 - alpha_bar * alpha**0.5) * x0_hat * alpha**0.5
        + alpha**0.5 * (1 - alpha_bar_prev) / (1 - alpha_bar) * x_t
    )
""",
        ("rao.app2.line4", "rao.app2.line5"),
    ),
    Mutant(
        "large_for_small", "hw1", "schedules.py", "3.variance",
        """
def posterior_variance(alpha, alpha_bar, alpha_bar_prev):
    return 1 - alpha
""",
    ),
    Mutant(
        "tweedie_against_the_score", "hw1", "predictions.py", "4.x0_hat_from_score",
        """
def x0_hat_from_score(score, x_t, alpha_bar):
    return (x_t - (1 - alpha_bar) * score) / alpha_bar**0.5
""",
    ),
    Mutant(
        "tweedie_not_scaled_back", "hw1", "predictions.py", "4.x0_hat_from_score",
        """
def x0_hat_from_score(score, x_t, alpha_bar):
    return x_t + (1 - alpha_bar) * score
""",
        ("rao.app2.line1", "mashayak.eq13a"),
    ),
    Mutant(
        "score_along_the_noise", "hw1", "predictions.py", "5.score_from_epsilon",
        """
def score_from_epsilon(epsilon, alpha_bar):
    return epsilon / (1 - alpha_bar) ** 0.5
""",
        ("rao.app3.line7b", "rao.app3.line7"),
    ),
    Mutant(
        "score_by_the_variance", "hw1", "predictions.py", "5.score_from_epsilon",
        """
def score_from_epsilon(epsilon, alpha_bar):
    return -epsilon / (1 - alpha_bar)
""",
        ("mashayak.eq16c", "between.score-of-noise"),
    ),
    Mutant(
        "epsilon_of_a_variance", "hw1", "predictions.py", "5.epsilon_from_x0_hat",
        """
def epsilon_from_x0_hat(x0_hat, x_t, alpha_bar):
    return (x_t - alpha_bar**0.5 * x0_hat) / (1 - alpha_bar)
""",
    ),
    Mutant(
        "v_is_epsilon", "hw1", "predictions.py", "5.x0_hat_from_v",
        """
def x0_hat_from_v(v, x_t, alpha_bar):
    return (x_t - (1 - alpha_bar) ** 0.5 * v) / alpha_bar**0.5
""",
    ),
]  # fmt: skip

MUTANTS = HW1
