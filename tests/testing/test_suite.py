"""The machinery of the property suite: what is run, what is reported, and what is declared."""

import json
import math

import pytest
import torch
from gaussian_case import restoring

from derivations import registry
from teachdiff import schedules
from teachdiff.methods import METHODS, ddim, ddpm, dirac, dps, tweedie
from teachdiff.operators import GaussianBlur, Mask
from teachdiff.priors.checkpoints import load_prior
from teachdiff.testing import (
    KINDS,
    CannotAsk,
    LawBroken,
    as_prior,
    check,
    check_method,
    check_operator,
    check_prior,
    check_schedule,
    laws,
    parametrize_with_checks,
)
from teachdiff.testing.core import Draw, Law, NotApplicable, require, require_close, run_law
from teachdiff.testing.methods import CLAIMS, OWN_CLAIMS
from teachdiff.testing.suite import load, shape_of
from teachdiff.testing.worlds import GaussianWorld, mixture_prior

SHAPE = (2, 5, 6)


class WrongAdjoint(GaussianBlur):
    def _adjoint(self, y):
        return y.clone()


def right():
    return GaussianBlur(SHAPE, 1.0)


def wrong():
    return WrongAdjoint(SHAPE, 1.0)


def failed(results):
    return {r.law for r in results if not r.ok}


# Our own objects are green


def test_every_law_has_a_statement_and_leans_on_a_proof_that_exists():
    proofs = set(registry.names())
    for kind in KINDS:
        names = dict(laws(kind))
        assert names
        for law in names.values():
            assert law.statement.endswith(".") and law.function.__name__ == law.name
            assert law.proof is None or law.proof in proofs, law


def test_our_operators_schedules_and_priors_are_green():
    check_operator(right())
    check_operator(Mask(torch.ones(1, 2, 2)))
    for schedule in (schedules.linear(), schedules.cosine(), schedules.linear(T=50).respace(7), schedules.linear(T=1)):
        check_schedule(schedule)
    world = GaussianWorld(0)
    check_prior(world.prior, reference=world.prior)
    check_prior(mixture_prior(world, 1))


@pytest.mark.parametrize("name", METHODS)
def test_our_methods_are_green(name):
    method = METHODS[name]
    if method is tweedie:  # its default level, the nearest to sigma, needs a schedule that reaches it

        def method(prior, problem, seed=0, noise=None):
            return tweedie(prior, problem, t=prior.schedule.T, seed=seed, noise=noise)

        check_method(method, claims=())
    elif method is dirac:  # in the place of a prior it takes a restorer
        check_method(lambda *a, seed=0, noise=None: restoring(*a, seed=seed, noise=noise), claims=())
    else:
        check_method(method)


def test_what_our_methods_claim_with_other_options():
    check_method(
        lambda prior, problem, seed=0, noise=None: ddim(prior, problem, eta=0.4, seed=seed, noise=noise),
        claims={"ddim": {"eta": 0.4}, "chain": {}, "prior": {}},
    )
    check_method(
        lambda prior, problem, seed=0, noise=None: ddpm(prior, problem, variance="large", seed=seed, noise=noise),
        claims={"ddpm": {"variance": "large"}, "chain": {}, "prior": {}},
    )
    check_method(
        lambda prior, problem, seed=0, noise=None: dps(prior, problem, step="likelihood", seed=seed, noise=noise),
        claims=["dps", "chain", "forgets"],
    )


def test_every_method_of_the_house_says_what_it_claims():
    assert set(METHODS) <= set(OWN_CLAIMS)
    assert {claim for claims in OWN_CLAIMS.values() for claim in claims} <= set(CLAIMS)


def test_a_network_prior_obeys_what_a_network_can(tmp_path):
    prior = load_prior("portraits")
    results = check_prior(prior, shape=(3, 8, 8), examples=2, on_fail="return")
    assert not failed(results)
    by_law = {r.law: r for r in results}
    assert by_law["jacobian_is_symmetric"].status == "skipped"
    assert "claim to be exact" in by_law["jacobian_is_symmetric"].message
    # and asked for it, a network is not symmetric: the law can tell
    asked = check_prior(
        prior, shape=(3, 8, 8), examples=2, exact=True, on_fail="return", only=["jacobian_is_symmetric"]
    )
    assert failed(asked) == {"jacobian_is_symmetric"}


# What is broken is said


def test_one_exception_group_with_every_broken_law():
    with pytest.raises(ExceptionGroup) as caught:
        check_operator(wrong())
    messages = [str(error) for error in caught.value.exceptions]
    assert all(isinstance(error, LawBroken) for error in caught.value.exceptions)
    assert {m.split(":")[0] for m in messages} >= {"dot_test", "gradient", "transpose"}
    assert f"of {len(list(laws('operator')))} laws of an operator broken" in str(caught.value)
    dot = next(m for m in messages if m.startswith("dot_test"))
    for part in ("<A x, y> and <x, A^T y>", "beside", "allowed is a difference of", "batch = 1", "seed of x = 0"):
        assert part in dot, dot
    assert "teachdiff prove operators" in dot


def test_results_instead_of_an_exception_and_as_json():
    results = check_operator(wrong(), on_fail="return")
    assert "dot_test" in failed(results) and "linear" not in failed(results)
    plain = json.loads(json.dumps([r.as_json() for r in results], allow_nan=False))
    dot = next(r for r in plain if r["law"] == "dot_test")
    assert dot["status"] == "failed" and dot["kind"] == "operator" and dot["ok"] is False
    assert abs(dot["left"] - dot["right"]) > dot["allowed"] > 0
    assert dot["drawn"]["batch"] == 1
    assert dot["subject"].startswith("WrongAdjoint")


def test_numbers_that_json_does_not_know_are_text():
    class NaN(GaussianBlur):
        def _forward(self, x):
            return super()._forward(x) * float("nan")

    results = check_operator(NaN(SHAPE, 1.0), on_fail="return")
    assert {"linear", "dot_test", "dtype_and_device"} <= failed(results)
    json.dumps([r.as_json() for r in results], allow_nan=False)


def test_a_draw_shrinks_to_the_simplest_that_breaks_the_law():
    class ThirdSample(Mask):
        def _forward(self, x):
            y = super()._forward(x)
            return torch.cat([y[:2], 2 * y[2:]])

    (result,) = check_operator(ThirdSample(torch.ones(SHAPE)), only=["batch"], on_fail="return")
    assert result.status == "failed" and result.drawn["batch"] == 3


def test_an_object_that_raises_breaks_the_law_and_hides_nothing():
    class Raises(Mask):
        def _adjoint(self, y):
            raise KeyError("weights")

    (result,) = check_operator(Raises(torch.ones(SHAPE)), only=["dot_test"], on_fail="return")
    assert result.status == "failed" and "it raised KeyError: 'weights'" in result.message


def test_an_object_that_is_broken_only_sometimes_is_broken():
    class Moody(Mask):
        calls = 0

        def _forward(self, x):
            Moody.calls += 1
            return super()._forward(x) * (1 + (Moody.calls == 5))

    (result,) = check_operator(Moody(torch.ones(SHAPE)), only=["linear"], on_fail="return")
    assert result.status == "failed" and "not when the same was asked again" in result.message


# Declared failures are strict


def test_a_declared_failure_is_no_failure():
    why = dict.fromkeys(failed(check_operator(wrong(), on_fail="return")), "the adjoint is a stand-in")
    results = check_operator(wrong(), expected_failures=why)
    assert {r.law for r in results if r.status == "expected"} == set(why)
    assert all("a stand-in" in r.message for r in results if r.status == "expected")


def test_a_declared_failure_that_holds_is_a_failure():
    with pytest.raises(ExceptionGroup) as caught:
        check_operator(right(), expected_failures={"dot_test": "it is slow"})
    assert "declared to fail (it is slow), but it holds: remove the declaration" in str(caught.value.exceptions[0])


def test_a_declared_failure_that_does_not_apply_is_a_failure():
    results = check_schedule(schedules.linear(T=3), expected_failures={"noising": "because"}, on_fail="return")
    (result,) = [r for r in results if r.law == "noising"]
    assert result.status == "unexpected" and "it does not apply" in result.message


def test_unknown_names_are_named():
    with pytest.raises(ValueError, match="Did you mean 'dot_test'"):
        check_operator(right(), expected_failures={"dot_tset": "x"})
    with pytest.raises(ValueError, match="Did you mean 'linear'"):
        check_operator(right(), only=["liner"])
    with pytest.raises(ValueError, match="Did you mean 'ddpm'"):
        check_method(ddpm, claims=["ddpn"])
    with pytest.raises(ValueError, match="kind"):
        check("operators", right())
    with pytest.raises(ValueError, match="on_fail"):
        check_operator(right(), on_fail="ignore")


# parametrize_with_checks, the generator below it, and names


made = []


def factory():
    made.append("mask")
    return Mask(torch.ones(1, 2, 3))


decorate = parametrize_with_checks([factory], kind="operator")
made_at_import = list(made)


@decorate
def test_parametrized(check):
    check()


def test_factories_are_called_inside_the_tests():
    assert made_at_import == []


def test_parametrized_ids_and_failures():
    cases = parametrize_with_checks([wrong], "operator", expected_failures={"gradient": "known"}).args[1]
    by_id = {case.id: case.values[0] for case in cases}
    assert set(by_id) == {f"wrong-{name}" for name, _ in laws("operator")}
    by_id["wrong-linear"]()
    by_id["wrong-gradient"]()
    with pytest.raises(ExceptionGroup, match="WrongAdjoint"):
        by_id["wrong-dot_test"]()
    with pytest.raises(ValueError, match="law of an operator"):
        parametrize_with_checks([wrong], "operator", expected_failures={"nonsense": "x"})


# What cannot be asked


def test_what_cannot_be_asked():
    class NoShape:
        def A(self, x):
            return x

    with pytest.raises(CannotAsk, match="--shape 3,16,16"):
        check_operator(NoShape())
    with pytest.raises(CannotAsk, match=r"cannot be checked at \(1, 2, 2\)"):
        check_operator(right(), shape=(1, 2, 2))
    with pytest.raises(CannotAsk, match="can be called, or has a method A"):
        check_operator(3)
    with pytest.raises(CannotAsk, match=r"for a batch of zeros of shape \(1, 1, 2, 2\) it answers RuntimeError: no"):

        def broken(x):
            raise RuntimeError("no")

        check_operator(broken, shape=(1, 2, 2))
    with pytest.raises(CannotAsk, match="alphas_cumprod"):
        check_schedule(object())
    with pytest.raises(CannotAsk, match="it also needs operator"):
        check_method(lambda prior, problem, operator: None)
    with pytest.raises(CannotAsk, match="takes 1 argument"):
        check_method(lambda prior: None)
    with pytest.raises(CannotAsk, match="has none"):
        check_prior(object())


def test_loading_by_name(tmp_path, monkeypatch):
    (tmp_path / "mine_to_load.py").write_text(
        "from teachdiff.operators import GaussianBlur\n"
        "blur = GaussianBlur((1, 4, 4), 1.0)\n"
        "def make(shape): return GaussianBlur(shape, 1.0)\n"
        "def needs(a, b): return a\n"
        "def sampler(prior, problem): return problem.y\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert load("mine_to_load:blur", "operator").input_shape == (1, 4, 4)
    assert load("mine_to_load:make", "operator", (1, 3, 5)).input_shape == (1, 3, 5)
    assert load("mine_to_load:sampler", "method").__name__ == "sampler"
    for spec, says in [
        ("mine_to_load", "package.module:object"),
        ("mine_to_load:blurr", "Did you mean 'blur'"),
        ("not_there:blur", "cannot be imported: ModuleNotFoundError"),
        ("mine_to_load:needs", "cannot be made: TypeError"),
        ("mine_to_load:make", "cannot be made: TypeError"),
    ]:
        with pytest.raises(CannotAsk, match=says):
            load(spec, "operator")
    assert shape_of("3,16,8") == (3, 16, 8)
    for text in ("3,16", "3,16,a", "3,0,4", ""):
        with pytest.raises(CannotAsk, match="C,H,W"):
            shape_of(text)


def test_a_law_cannot_be_registered_twice():
    from teachdiff.testing.core import law

    with pytest.raises(ValueError, match="two laws linear"):

        @law("operator", "again.")
        def linear(A, draw):
            pass


# The tools that laws are written with


def test_require_close_shows_the_worst_entry_and_rejects_nan():
    with pytest.raises(LawBroken) as caught:
        require_close(torch.tensor([1.0, 2.0, 9.0]), torch.tensor([1.0, 2.5, 3.0]), 1e-3, 2.0, "x")
    assert (caught.value.left, caught.value.right, caught.value.allowed) == (9.0, 3.0, 2e-3)
    with pytest.raises(LawBroken) as caught:
        require_close(torch.tensor([5.0, math.nan]), torch.tensor([1.0, 2.0]), 1e-3, 1.0, "x")
    assert math.isnan(caught.value.left)
    with pytest.raises(LawBroken, match="shapes differ"):
        require_close(torch.zeros(2), torch.zeros(3), 1.0, 1.0, "x")
    with pytest.raises(LawBroken):
        require(math.nan > 0, "x")
    require_close(torch.zeros(0), torch.zeros(0), 0.0, 0.0, "nothing")


def test_a_law_that_does_not_apply_is_skipped_with_the_reason():
    def function(subject, draw: Draw):
        raise NotApplicable("no wings")

    result = run_law(Law("operator", "flies", "It flies.", None, function, 3), None, "pig")
    assert (result.status, result.message, result.ok) == ("skipped", "no wings", True)


def test_as_prior_speaks_each_prediction_and_time():
    world = GaussianWorld(0)
    T, bars = world.schedule.T, world.schedule.alpha_bar

    def level(t):
        return bars[t].view(-1, 1, 1, 1) if torch.as_tensor(t).ndim else bars[t]

    def epsilon(x, index):
        bar = level(index + 1)
        return (x - bar.sqrt() * world.prior.denoise(x, index + 1)) / (1 - bar).sqrt()

    class Distribution:
        def __init__(self, mean):
            self.mean = mean

    def from_sigma(x, sigma):
        ratio = ((1 - bars[1:]) / bars[1:]).sqrt()
        t = 1 + (ratio[None] - torch.as_tensor(sigma).flatten()[:, None]).abs().argmin(1)
        t = t[0] if torch.as_tensor(sigma).ndim == 0 else t
        return Distribution(world.prior.denoise(x * level(t).sqrt(), t))

    def from_unit(x, time):
        return world.prior.denoise(x, (time * T).round().long())

    for denoiser, options in [
        (world.prior.denoise, {}),
        (epsilon, {"predicts": "epsilon", "time": "t - 1"}),
        (from_sigma, {"time": "sigma"}),
        (from_unit, {"time": "t / T"}),
    ]:
        prior = as_prior(denoiser, world.schedule, clip_x0=False, **options)
        results = check_prior(prior, shape=world.prior.shape, reference=world.prior, on_fail="return", examples=4)
        assert not failed(results), [r.describe() for r in results if not r.ok]
        assert {r.law: r.status for r in results}["posterior_mean"] == "passed"
    with pytest.raises(ValueError, match="time"):
        as_prior(world.prior.denoise, world.schedule, time="step")
    with pytest.raises(ValueError, match="prediction"):
        as_prior(world.prior.denoise, world.schedule, predicts="noise")
