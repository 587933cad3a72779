"""The bugs that shipped in this field, passed their tests, and cost their users days: what rejects each one here."""

from dataclasses import dataclass

from tests.testing.zoo import methods, operators, priors, schedules
from tests.testing.zoo.exhibit import Exhibit
from tests.testing.zoo.ledger import of


@dataclass(frozen=True)
class Pain:
    """A bug, the wrong objects that have it, and the tests ("file::function") that hold what no law is about."""

    bug: str
    exhibits: tuple[Exhibit, ...] = ()
    tests: tuple[str, ...] = ()


FIELD = [
    Pain(
        "sigma = 0.05 on [-1, 1] in one program, on [0, 1] in another",
        of(methods, "doubles_sigma", "squares_sigma_twice"),
        (
            "tests/test_problems.py::test_units_there_and_back",
            "tests/test_problems.py::test_units_are_those_of_the_images",
        ),
    ),
    Pain(
        "squared or unsquared norm in DPS's step; divided by the residual or not",
        of(
            methods,
            "dps_squared",
            "dps_by_the_squared_residual",
            "dps_paper_with_the_programs_zeta",
            "dps_by_the_gradients_norm",
        ),
        ("tests/methods/test_contract.py::test_the_norm_step_is_the_gradient_of_an_unsquared_norm",),
    ),
    Pain(
        "results that depend on the batch: a norm over all of it, `t != 0` for one image only",
        of(methods, "dps_norm_of_the_batch", "one_stream_for_the_batch")
        + of(operators, "CoupledBatch", "BatchNorm", "FirstOfTheBatch")
        + of(priors, "batch_norm", "first_time_for_all", "breaks_on_a_batch_of_times"),
    ),
    Pain("a diffusion coefficient that is off by 1/2", of(schedules, "HalfTheDiffusion", "DriftWithoutTheHalf")),
    Pain(
        "the pixel range lost for seven months",
        of(priors, "range_lost"),
        (
            "tests/test_data.py::test_all_256_values_survive_both_ways",
            "tests/test_metrics.py::test_bad_images_are_refused",
        ),
    ),
    Pain(
        "bad adjoints, and tests of adjoints that are blind to them",
        of(
            operators,
            "TransposedKernel",
            "IdentityAdjoint",
            "ShiftedIndex",
            "ScaledAdjoint",
            "UnfoldedPadding",
            "OtherPadding",
            "CancellingErrors",
            "Conjugating",
        ),
        ("tests/testing/test_zoo.py::test_a_mean_of_differences_would_not_see_it",),
    ),
    Pain(
        "SVDs of rectangular operators; right only where U = V = I",
        of(operators, "SameBases", "SquaredSingularValues", "WideBasisOfATallMatrix", "ForgetsTheUnreached")
        + of(methods, "full_factors_with_sigma_squared"),
    ),
    Pain(
        "a random operator that is drawn again at every call",
        of(operators, "Redrawn", "AddsNoise"),
        ("tests/test_problems.py::test_a_task_is_fixed_by_its_seed",),
    ),
    Pain(
        "a checkpoint that fails to load and is replaced by random weights",
        tests=(
            "tests/priors/test_checkpoints.py::test_every_wrong_tensor_is_listed_at_once",
            "tests/priors/test_checkpoints.py::test_a_truncated_file_is_an_error",
            "tests/priors/test_checkpoints.py::test_foreign_files_are_errors",
        ),
    ),
    Pain(
        "noise in the last step; off by one in t; prev_t = t - T//N; a start at 981",
        of(
            methods,
            "noise_in_the_last_step",
            "asks_at_the_next_time",
            "starts_one_late",
            "prev_t_by_division",
            "starts_below_T",
        )
        + of(schedules, "StartsAt981", "ZeroToT", "ClippedFirstVariance", "StretchedLevels")
        + of(priors, "level_before_the_first", "time_of_another_count"),
    ),
    Pain("DDIM's eta on the variance", of(methods, "eta_scales_the_variance")),
    Pain(
        "`if seed:` takes 0 for none; results that change with the batch",
        of(methods, "if_seed", "ignores_its_seed", "one_stream_for_the_batch", "one_draw_for_the_batch"),
        (
            "tests/test_noise.py::test_seed_zero_is_a_seed",
            "tests/test_problems.py::test_the_noise_of_a_sample_does_not_depend_on_its_batch",
        ),
    ),
    Pain("sqrt(log beta): NaN for everyone who chose it", of(schedules, "RootOfALogarithm")),
    Pain(
        "LPIPS fed with [0, 1]; NaN gradients; PSNR of stretched pictures",
        tests=(
            "tests/test_metrics.py::test_lpips_refuses_other_units_and_small_images",
            "tests/test_metrics.py::test_lpips_has_finite_gradients_even_where_nothing_responds",
            "tests/test_metrics.py::test_psnr_is_the_one_of_unit_range_images",
            "tests/test_data.py::test_overshoot_is_clamped_and_nothing_is_stretched",
        ),
    ),
    Pain(
        "guidance with the wrong sign or scale, hidden by a strong prior",
        of(methods, "ald_wrong_sign", "double_coefficient", "ald_with_the_coefficient_one") + of(priors, "wrong_sign"),
    ),
    Pain(
        "paper and program differ, and nobody says so",
        of(
            methods,
            "dps_paper_with_the_programs_zeta",
            "ald_scaled_to_the_score",
            "langevin",
            "dmps_with_lambda",
            "dmps_at_the_moved_sample",
        ),
    ),
    Pain(
        "slow without need",
        of(methods, "asks_twice"),
        ("tests/operators/test_operators.py::test_at_full_size_nothing_is_dense",),
    ),
]
