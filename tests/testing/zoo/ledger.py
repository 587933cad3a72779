"""Which wrong object implements which printed line of the ledger, and why some lines have none.

`ROWS` holds rows that are wrong or lack a term, and those that are right under a condition (or in one of two readings)
which the object breaks. `NO_PROGRAM` says of every other mistake why no program can be made of it.
"""

from tests.testing.zoo import methods, priors, schedules
from tests.testing.zoo.exhibit import Exhibit

#: Documents whose formulas are of no kind that the suite knows.
NO_KIND = {"fabian": "its steps are those of a restorer with a degradation of its own, not of a prior and a method"}


def of(kind, *names: str) -> tuple[Exhibit, ...]:
    known = {exhibit.name: exhibit for exhibit in kind.ZOO}
    return tuple(known[name] for name in names)


MARGINAL = of(schedules, "NoBarInTheTable", "NoBarInTheMarginal")
TWEEDIE = of(priors, "no_bar_in_tweedie") + of(methods, "mean_with_x0_without_bar")
SCORE = of(priors, "no_bar_in_the_score") + of(methods, "eq16")
NO_NOISE = of(methods, "mean_only")

ROWS: dict[str, tuple[Exhibit, ...]] = {
    # Wrong, or a term is missing.
    "rao.app1.line7": MARGINAL,
    "rao.app2.line1": TWEEDIE,
    "rao.app2.line2": of(methods, "line2"),
    "rao.app2.line3": of(methods, "line3"),
    "rao.app2.line4": of(methods, "line4"),
    "rao.app2.line5": of(methods, "line4"),
    "rao.app2.line11": NO_NOISE,
    "rao.app3.line7a": of(methods, "all_the_way_back"),
    "rao.app3.line7b": of(methods, "plus_epsilon"),
    "rao.app3.line7": of(priors, "score_from_an_equivalence"),
    "rao.p.sdedit-fidelity": of(methods, "sdedit_is_consistent"),
    "rao.p.scoreald-gradient": of(methods, "gradient_of_the_difference"),
    "mashayak.eq5": of(methods, "drift_without_dt"),
    "mashayak.eq7b": of(methods, "ald_wrong_sign"),
    "mashayak.eq12": MARGINAL + of(priors, "trained_without_bars"),
    "mashayak.eq13a": TWEEDIE,
    "mashayak.eq13b": NO_NOISE,
    "mashayak.eq16c": SCORE,
    "mashayak.eq17": of(methods, "eq17"),
    "liu.alpha": of(schedules, "ProductOfBetas"),
    "liu.reverse": NO_NOISE,
    "liu.dps": of(methods, "dps_by_the_gradients_norm", "dps_by_the_squared_residual"),
    "between.marginal": MARGINAL + of(methods, "sdedit_from_a_start_without_bars"),
    "between.score-of-noise": SCORE,
    "between.reverse-epsilon": of(methods, "eq17", "plus_epsilon"),
    "between.posterior-mean": of(methods, "line2", "mean_with_x0_without_bar"),
    "between.scoreald-sign": of(methods, "ald_wrong_sign"),
    "between.dps-step": of(methods, "dps_by_the_likelihoods_score", "dps_by_the_gradients_norm"),
    "between.pair-lost-bars": of(methods, "line3"),
    "between.pair-no-bar": of(methods, "trained_and_sampled_without_bars"),
    # Right under a condition, which is broken here.
    "rao.p.app1-recursively": of(schedules, "OneDrawForAllSteps"),
    "rao.app3.line2": of(methods, "one_evaluation"),
    "rao.p.dps-consistent": of(methods, "dps_is_consistent"),
    "mashayak.p.denoiser-prior": of(priors, "arbitrary_denoiser"),
    "mashayak.p.map-optimal": of(priors, "mode_for_mean"),
    "mashayak.p.annealing": of(methods, "ald_with_the_levels_gamma"),
    "mashayak.p.weighted-sum": of(methods, "the_same_draw_in_every_step"),
    "liu.alphabar": of(schedules, "OneFactorTooMany"),
    "liu.scoreald": of(methods, "ald_with_the_coefficient_one"),
    "rajpal.eq4a": of(methods, "dmps_for_the_posterior"),
    "rajpal.eq6": of(methods, "full_factors_with_sigma_squared"),
    "between.dps-zeta": of(methods, "dps_paper_with_the_programs_zeta"),
    "between.scoreald-weight": of(methods, "ald_scaled_to_the_score"),
    "between.scoreald-loop": of(methods, "langevin"),
    "between.dmps-lambda": of(methods, "dmps_with_lambda"),
    "between.dmps-point": of(methods, "dmps_at_the_moved_sample"),
    "between.ddim-eta": of(methods, "eta_scales_the_variance"),
    "between.pair-scoreald": of(methods, "ald_with_the_levels_gamma_and_one"),
    # One of two readings.
    "liu.forward": MARGINAL,
    "liu.noise": of(methods, "one_scalar_for_the_image"),
    "between.sigma-units": of(methods, "doubles_sigma"),
}

NO_PROGRAM: dict[str, str] = {
    "mashayak.p.sdedit-name": "a name",
    "rajpal.p.collapse": "an inference; the formula that it argues for is rajpal.eq4a's",
    "between.random-order": "printed figures of two runs that contradict each other",
    "rao.p.unconditional-faces": "holds in the limit of many steps; `converges` measures a right method's gap",
    "rao.p.past-500": "how much of an image is left at a time: no step of a program",
    "rao.p.dps-best": "printed figures",
    "mashayak.p.underdetermined": "when a linear system has many solutions: no step of a program",
    "mashayak.eq2": "an optimisation problem by definition; which weight makes it MAP is a choice outside of it",
    "rajpal.p.ill-posed": "a word for a problem",
    "rajpal.p.flat-at-tc": "when rajpal.eq4a may be assumed; its formula is that row's",
    "between.single-pass-500": "printed figures",
}
