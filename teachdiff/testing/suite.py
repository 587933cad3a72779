"""`check_operator(mine)` and its siblings: run the laws of a kind on one object, and say what is broken."""

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from teachdiff.checks import check_name
from teachdiff.operators.base import check_shape
from teachdiff.testing import degradations, methods, operators, priors, schedules, worlds
from teachdiff.testing.adapters import DegradationView, MethodView, OperatorView, PriorView, ScheduleView, name_of
from teachdiff.testing.core import REGISTRY, CannotAsk, CheckResult, Law, LawBroken, run_law

KINDS = ("operator", "prior", "schedule", "method", "degradation")
assert operators and schedules and degradations  # importing them registers their laws


def laws(kind: str) -> Iterator[tuple[str, Law]]:
    """(name, law) of every law of a kind, in the order in which they are written."""
    check_name(kind, KINDS, "kind")
    for law in REGISTRY.values():
        if law.kind == kind:
            yield law.name, law


def check_operator(
    operator: Any,
    *,
    shape: Sequence[int] | None = None,
    device: torch.device | str = "cpu",
    **how: Any,
) -> list[CheckResult]:
    """Run the laws of an operator.

    Arguments:
        operator: has A(x) or is called, and an adjoint under one of the usual names (see `OperatorView`).
        shape: (C, H, W) of its images, where it does not say. Small is quick, and lets the laws write the matrix down.
        how: as `check`.
    """
    return run(OperatorView(operator, shape, device), "operator", operator, **how)


def check_schedule(schedule: Any, **how: Any) -> list[CheckResult]:
    """Run the laws of a noise schedule: ours, one with `alphas_cumprod`, or t -> (signal, noise). `how`: as `check`."""
    return run(ScheduleView(schedule), "schedule", schedule, **how)


def check_prior(
    prior: Any,
    *,
    shape: Sequence[int] | None = None,
    reference: Any = None,
    images: Tensor | None = None,
    exact: bool | None = None,
    device: torch.device | str = "cpu",
    **how: Any,
) -> list[CheckResult]:
    """Run the laws of a prior, an object with `schedule` and `denoise(x_t, t)` (`as_prior` makes one of a denoiser).

    Arguments:
        shape: (C, H, W) of its images, where it has no `shape`.
        reference: a prior whose `denoise` is exact, to compare with.
        images: clean images (N, C, H, W) that the prior is about; those of an exact prior of ours are drawn.
        exact: whether its x0_hat claims to be the posterior mean; by default where it has no `clip_x0`.
        how: as `check`.
    """
    view = PriorView(prior, shape, exact, device)
    if images is None:
        images = worlds.draw_images(prior, 64, seed=0)
    return run(priors.PriorSubject(view, reference, images), "prior", prior, **how)


def check_method(
    method: Any,
    *,
    claims: Mapping[str, Mapping[str, Any]] | Iterable[str] | None = None,
    tolerance: float = 1e-9,
    **how: Any,
) -> list[CheckResult]:
    """Run the laws of a method or sampler: a function of (prior, problem), see `MethodView`.

    Arguments:
        claims: what it promises, of `teachdiff.testing.methods.CLAIMS`; a mapping gives a closed form its options, as
            in {"ddim": {"eta": 0.5}, "chain": {}}. Our own methods' are known; of another sampler "chain" is assumed.
        tolerance: of what is exact but for rounding.
        how: as `check`.
    """
    if claims is None:
        known = methods.known_claims(method)
        claims = {"chain": {}} if known is None else known
    asked = {n: dict(o) for n, o in claims.items()} if isinstance(claims, Mapping) else {n: {} for n in claims}
    for name in asked:
        check_name(name, methods.CLAIMS, "claim")
    return run(MethodView(method, asked, tolerance), "method", method, **how)


def check_degradation(degradation: Any, *, shape: Sequence[int] | None = None, **how: Any) -> list[CheckResult]:
    """Run the laws of a degradation, an operator with a severity: called as degradation(x, t), see `DegradationView`.

    Arguments:
        shape: (C, H, W) of its images, where it does not say. Small is quick, and lets the laws write A_t down.
        how: as `check`.
    """
    return run(DegradationView(degradation, shape), "degradation", degradation, **how)


CHECKS: dict[str, Callable[..., list[CheckResult]]] = {
    "operator": check_operator,
    "prior": check_prior,
    "schedule": check_schedule,
    "method": check_method,
    "degradation": check_degradation,
}


def check(kind: str, subject: Any, **how: Any) -> list[CheckResult]:
    """Run the laws of a kind on an object: `check_operator` and its siblings by name.

    Arguments:
        expected_failures: law -> why it is known to fail. Strict: one that holds is a failure.
        on_fail: "raise" one ExceptionGroup with every broken law, or "return" the results.
        examples: how many draws for each law; each law's own number by default.
        only: names of the laws to run; all by default.
        how: what the check of that kind takes beside (shape, reference, claims, ...).

    Raises:
        CannotAsk: the object cannot be asked.
        ExceptionGroup: of `LawBroken`, if any law is broken and on_fail is "raise".
        ValueError: an unknown law or option.
    """
    return CHECKS[check_name(kind, KINDS, "kind")](subject, **how)


def run(
    view: Any,
    kind: str,
    subject: Any,
    *,
    expected_failures: Mapping[str, str] | None = None,
    on_fail: str = "raise",
    examples: int | None = None,
    only: Iterable[str] | None = None,
) -> list[CheckResult]:
    known = dict(laws(kind))
    expected = dict(expected_failures or {})
    for name in [*expected, *(only or ())]:
        check_name(name, known, f"law of {a(kind)}")
    check_name(on_fail, ["raise", "return"], "on_fail")
    chosen = [law for name, law in known.items() if only is None or name in set(only)]
    name = name_of(subject)
    results = [run_law(law, view, name, examples, expected.get(law.name)) for law in chosen]
    if on_fail == "raise":
        raise_broken(results)
    return results


def a(kind: str) -> str:
    return f"an {kind}" if kind == "operator" else f"a {kind}"


def raise_broken(results: Sequence[CheckResult]) -> None:
    """One ExceptionGroup with every result that is not in order; nothing where all are."""
    broken = [result for result in results if not result.ok]
    if broken:
        text = f"{broken[0].subject}: {len(broken)} of {len(results)} laws of {a(broken[0].kind)} broken"
        raise ExceptionGroup(text, [LawBroken(result.describe()) for result in broken])


def parametrize_with_checks(
    factories: Iterable[Callable[[], Any]],
    kind: str,
    *,
    expected_failures: Mapping[str, str] | None = None,
    **how: Any,
) -> Any:
    """A pytest decorator: one test for each factory and law, each with a function `check` to call.

        @parametrize_with_checks([my_blur, my_mask], kind="operator", shape=(3, 16, 16))
        def test_my_operators(check):
            check()

    The objects are made inside the tests, so that nothing is built at import. `how`: as `check`.
    """
    import pytest

    def one(factory: Callable[[], Any], law: str) -> Callable[[], None]:
        declared = {name: why for name, why in (expected_failures or {}).items() if name == law}
        return lambda: raise_broken(
            check(kind, factory(), only=[law], on_fail="return", expected_failures=declared, **how)
        )

    for name in expected_failures or {}:
        check_name(name, dict(laws(kind)), f"law of {a(kind)}")
    names = [name for name, _ in laws(kind)]
    cases = [pytest.param(one(f, law), id=f"{name_of(f)}-{law}") for f in factories for law in names]
    return pytest.mark.parametrize("check", cases)


def shape_of(text: str) -> tuple[int, int, int]:
    """(C, H, W) of "3,16,16".

    Raises:
        CannotAsk: anything else.
    """
    try:
        c, h, w = (int(part) for part in text.split(","))
        return check_shape((c, h, w))
    except ValueError as error:
        raise CannotAsk(f"a shape is written C,H,W, three whole numbers of 1 or more; got {text!r}.") from error


def load(spec: str, kind: str, shape: Sequence[int] | None = None) -> Any:
    """The object that `package.module:object` names; a class, or (but for a method) a function, is called for it.

    It is called with `shape` if it takes an argument of that name, and with nothing else.

    Raises:
        CannotAsk: no such module or object, or it cannot be made.
    """
    module, colon, path = spec.partition(":")
    if not (module and colon and path):
        raise CannotAsk(f"name the object as package.module:object; got {spec!r}.")
    try:
        subject: Any = importlib.import_module(module)
    except Exception as error:
        raise CannotAsk(f"{module} cannot be imported: {type(error).__name__}: {error}") from error
    for part in path.split("."):
        try:
            subject = getattr(subject, part)
        except AttributeError as error:
            names = [n for n in dir(subject) if not n.startswith("_")]
            try:
                check_name(part, names, f"object of {module}")
            except ValueError as known:
                raise CannotAsk(str(known)) from error
    if inspect.isclass(subject) or (inspect.isfunction(subject) and kind not in ("method", "schedule")):
        return made(subject, spec, shape)
    return subject


def made(factory: Callable[..., Any], spec: str, shape: Sequence[int] | None) -> Any:
    try:
        takes_shape = "shape" in inspect.signature(factory).parameters
        return factory(shape=tuple(shape)) if takes_shape and shape is not None else factory()
    except Exception as error:
        raise CannotAsk(
            f"{spec} cannot be made: {type(error).__name__}: {error}. Name an object, or a function that makes one and "
            "takes nothing (or `shape`)."
        ) from error
