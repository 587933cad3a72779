"""Thin views of other people's objects: what a law needs of them, under the names that they go by.

A view guesses nothing: it looks for a method under a few common names, and where it finds none the
laws that need it do not apply. What cannot be asked at all is a `CannotAsk`, which says what to do.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from teachdiff.checks import check_images
from teachdiff.exact.posterior import materialise
from teachdiff.noise import Noise
from teachdiff.problems import InverseProblem
from teachdiff.schedules import Schedule, noise_level
from teachdiff.testing.core import CannotAsk, LawBroken
from teachdiff.testing.replay import with_noise


def name_of(subject: Any) -> str:
    """A short name for messages: a repr of one line, or the class."""
    if inspect.isroutine(subject) or inspect.isclass(subject):
        return subject.__name__
    text = repr(subject)
    return text if len(text) <= 80 and "\n" not in text and " at 0x" not in text else type(subject).__name__


def first_callable(subject: Any, names: Sequence[str]) -> Callable | None:
    """The first of these attributes that can be called; None where there is none."""
    return next((f for f in (getattr(subject, name, None) for name in names) if callable(f)), None)


def matrix_of(
    function: Callable[[Tensor], Tensor],
    shape: tuple[int, ...],
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> np.ndarray:
    """The matrix (m, n) of a linear function of images of `shape`, for numpy."""
    return materialise(function, shape, dtype, device).detach().cpu().numpy()


class OperatorView:
    """An operator: A, and what it offers beside.

    Arguments:
        subject: called as `subject.A(x)` or `subject(x)`; the adjoint under adjoint, A_adjoint, adj, transpose, T or H;
            the pseudo-inverse under pinv, A_dagger or pseudo_inverse.
        shape: (C, H, W) of its images, where it has no `input_shape` (or `img_size`).

    Raises:
        CannotAsk: no way to call it, no shape, or an error at the first question.

    Attributes:
        forward, adjoint, pinv, resolvent: functions of a batch, or None; svd: an object with s, U, V, Ut, Vt, or None.
        input_shape, output_shape: (C, H, W), or whatever comes after the batch.
        linear: False where the object says so; True otherwise.
        dtype: the widest real dtype that it takes; dtypes: all that it takes; takes_complex: complex ones too.
    """

    NAMES: ClassVar = {
        "adjoint": ("adjoint", "A_adjoint", "adj", "transpose", "T", "H"),
        "pinv": ("pinv", "A_dagger", "pseudo_inverse"),
        "resolvent": ("resolvent",),
        "svd": ("svd",),
    }

    def __init__(self, subject: Any, shape: Sequence[int] | None, device: torch.device | str) -> None:
        self.subject, self.device = subject, torch.device(device)
        # Any: a law asks `need` first, and that is what it is there for.
        self.adjoint: Any = first_callable(subject, self.NAMES["adjoint"])
        # Where a library calls the map A, calling the object itself may add noise.
        forward = first_callable(subject, ("A",)) or (subject if callable(subject) else None)
        if forward is None or isinstance(subject, type):
            raise CannotAsk(f"an operator is an object that can be called, or has a method A(x); got {subject!r}.")
        self.forward: Callable[[Tensor], Tensor] = forward
        self.linear = bool(getattr(subject, "linear", True))
        self.input_shape = self._input_shape(shape)
        self.svd: Any = getattr(subject, "svd", None)
        self.pinv: Any = first_callable(subject, self.NAMES["pinv"]) if self.linear else None
        self.resolvent: Any = first_callable(subject, self.NAMES["resolvent"]) if self.linear else None
        if self.svd is None and type(subject).__module__.startswith("teachdiff."):
            self._only_what_is_defined()
        self.dtypes = [dtype for dtype in (torch.float64, torch.float32) if self._try(dtype) is not None]
        if not self.dtypes:
            raise CannotAsk(self._why_not())
        self.dtype = self.dtypes[0]
        zeros = self._try(self.dtype)
        assert zeros is not None
        self.output_shape = tuple(zeros.shape[1:])
        declared = getattr(subject, "output_shape", None)
        if declared is not None and not callable(declared):
            self.output_shape = tuple(int(n) for n in declared)  # and the law of shapes holds it to that
        answer = self._try(self.dtype.to_complex())
        self.takes_complex = answer is not None and answer.is_complex()
        self._dense: np.ndarray | None = None

    def _only_what_is_defined(self) -> None:
        """Our base class has a pinv and a resolvent for everybody; without an SVD they are there if overridden."""
        from teachdiff.operators.base import Operator

        if isinstance(self.subject, Operator):
            defined = type(self.subject)
            if defined._pinv is Operator._pinv:
                self.pinv = None
            if defined._resolvent is Operator._resolvent:
                self.resolvent = None

    def _input_shape(self, shape: Sequence[int] | None) -> tuple[int, ...]:
        own = next((s for s in (getattr(self.subject, n, None) for n in ("input_shape", "img_size")) if s), None)
        own = None if own is None or callable(own) else tuple(int(n) for n in own)
        asked = None if shape is None else tuple(shape)
        if own and asked and own != asked:
            raise CannotAsk(f"the operator is for images of {own}; it cannot be checked at {asked}.")
        if not (own or asked):
            raise CannotAsk("the operator does not say for which images it is; give their shape: --shape 3,16,16.")
        return own or asked  # type: ignore[return-value]

    def _try(self, dtype: torch.dtype) -> Tensor | None:
        try:
            with torch.no_grad():
                out = self.forward(torch.zeros(1, *self.input_shape, dtype=dtype, device=self.device))
        except Exception as error:
            self._error = error
            return None
        return out if isinstance(out, Tensor) else None

    def _why_not(self) -> str:
        shape = (1, *self.input_shape)
        error = getattr(self, "_error", None)
        found = f"{type(error).__name__}: {error}" if error else "no tensor came back"
        return f"the operator cannot be asked: for a batch of zeros of shape {shape} it answers {found}."

    def dense(self) -> np.ndarray:
        """The matrix of A, written down once."""
        if self._dense is None:
            self._dense = matrix_of(self.forward, self.input_shape, self.dtype, self.device)
        return self._dense


class ScheduleView:
    r"""A noise schedule as tables over t = 0..T: index 0 is the clean image.

    Attributes:
        signal, noise: :math:`\sqrt{\bar\alpha_t}` and :math:`\sqrt{1-\bar\alpha_t}`, float64, of length T + 1;
            `noise` is the object's own where it has one.
        alpha, beta, posterior_variance: its own tables, of length T + 1, or None.
        add_noise: (x_0, noise, t) -> x_t for t in 1..T, or None.
        respace: (steps) -> the times kept, rising, of 1..T; or None.
        respaced_signal: (steps) -> the signal at each time kept, as the chain of fewer steps has it; or None.
        drift, diffusion: f(t) and g(t) of :math:`dx = f(t) x\,dt + g(t)\,dw` with `marginal(t)` -> (signal, noise std)
            for real t in (0, 1); or None.
    """

    def __init__(self, subject: Any) -> None:
        self.subject = subject
        # Any: a law asks `need` first.
        self.alpha: Any = None
        self.beta: Any = None
        self.posterior_variance: Any = None
        self.add_noise: Any = None
        self.respace: Any = None
        self.respaced_signal: Any = None
        self.drift: Any = None
        self.diffusion: Any = None
        self.marginal: Any = None
        if isinstance(subject, Schedule):
            self._ours(subject)
        elif hasattr(subject, "alphas_cumprod"):
            self._tables(subject)
        elif callable(subject) or callable(getattr(subject, "marginal", None)):
            self._continuous(subject)
        else:
            raise CannotAsk(
                "a schedule is ours, or has alphas_cumprod (1..T), or is a function of t in [0, 1] that gives "
                f"(signal, noise); got {type(subject).__name__}."
            )
        self.T = len(self.signal) - 1
        if self.T < 1:
            raise CannotAsk("the schedule has no step.")

    def _ours(self, schedule: Schedule) -> None:
        from teachdiff.schedules import posterior_variance

        self.signal = schedule.alpha_bar.sqrt()
        self.noise = (1 - schedule.alpha_bar).sqrt()
        self.alpha, self.beta = schedule.alpha, schedule.beta
        steps = list(schedule.backwards())[::-1]
        variances = [posterior_variance(s.alpha, s.alpha_bar, s.alpha_bar_prev) for s in steps]
        self.posterior_variance = torch.tensor([0.0, *variances], dtype=torch.float64)
        # A respaced schedule names its steps by their original times; here they count 1..T.
        index = {t: k for k, t in enumerate(schedule.timesteps.tolist())}
        self.respace = lambda steps: [index[t] for t in schedule.respace(steps).timesteps[1:].tolist()]
        self.respaced_signal = lambda steps: schedule.respace(steps).alpha_bar[1:].sqrt()

    def _tables(self, subject: Any) -> None:
        """alphas_cumprod, alphas, betas, ... of length T, as diffusers and guided-diffusion have them."""
        bars = table(subject.alphas_cumprod)
        self.signal = torch.cat([torch.ones(1, dtype=torch.float64), bars]).sqrt()
        self.noise = torch.cat([torch.zeros(1, dtype=torch.float64), 1 - bars]).sqrt()
        for mine, theirs, clean in (("alpha", "alphas", 1.0), ("beta", "betas", 0.0)):
            if hasattr(subject, theirs):
                values = torch.cat([torch.tensor([clean], dtype=torch.float64), table(getattr(subject, theirs))])
                setattr(self, mine, values)
        if hasattr(subject, "posterior_variance"):
            values = table(subject.posterior_variance)
            self.posterior_variance = torch.cat([torch.zeros(1, dtype=torch.float64), values])
        if callable(getattr(subject, "add_noise", None)):
            self.add_noise = lambda x, z, t: subject.add_noise(x, z, torch.tensor([t - 1]))
        elif callable(getattr(subject, "q_sample", None)):
            self.add_noise = lambda x, z, t: subject.q_sample(x, torch.tensor([t - 1]), noise=z)
        if callable(getattr(subject, "set_timesteps", None)):

            def respace(steps: int) -> list[int]:
                subject.set_timesteps(steps)
                return sorted(int(t) + 1 for t in subject.timesteps)

            self.respace = respace

    def _continuous(self, subject: Any, points: int = 64) -> None:
        """(signal, noise) as functions of t in [0, 1], as azula and SDE libraries have them."""
        marginal = first_callable(subject, ("marginal",)) or subject

        def at(t: float) -> tuple[float, float]:
            found = marginal(torch.tensor(t, dtype=torch.float64))
            if not (isinstance(found, tuple) and len(found) == 2):
                raise CannotAsk(f"the schedule must give (signal, noise) at t = {t}; got {type(found).__name__}.")
            return float(found[0]), float(found[1])

        pairs = [at(k / points) for k in range(points + 1)]
        self.signal, self.noise = (torch.tensor(v, dtype=torch.float64) for v in zip(*pairs, strict=True))
        self.marginal = at
        self.drift = scalar_function(subject, ("drift", "f"))
        self.diffusion = scalar_function(subject, ("diffusion", "g"))


def table(values: Any) -> Tensor:
    """A list, array or tensor as float64 on the CPU, in one dimension."""
    found = torch.as_tensor(np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values))
    return found.to(torch.float64).flatten()


def scalar_function(subject: Any, names: Sequence[str]) -> Callable[[float], float] | None:
    f = first_callable(subject, names)
    return None if f is None else lambda t: float(f(torch.tensor(t, dtype=torch.float64)))


class PriorView:
    """A denoiser with its schedule.

    Attributes:
        denoise: (x_t, t) -> x0_hat; schedule: a `teachdiff.schedules.Schedule`; shape: (C, H, W).
        log_prob: (x_t, t) -> (B,), or None; exact: its x0_hat claims to be the posterior mean.
        dtype: what it computes in.
    """

    def __init__(self, subject: Any, shape: Sequence[int] | None, exact: bool | None, device: Any) -> None:
        self.subject, self.device = subject, torch.device(device)
        if not callable(getattr(subject, "denoise", None)):
            raise CannotAsk(f"a prior has denoise(x_t, t) -> x0_hat; {type(subject).__name__} has none (see as_prior).")
        self.denoise: Callable[[Tensor, Any], Tensor] = subject.denoise
        schedule = getattr(subject, "schedule", None)
        if not isinstance(schedule, Schedule):
            raise CannotAsk(
                f"a prior has `schedule`, a teachdiff Schedule; {type(subject).__name__} has {type(schedule).__name__}."
            )
        self.schedule = schedule
        found = getattr(subject, "shape", None) if shape is None else shape
        if found is None:
            raise CannotAsk("the prior does not say for which images it is; give their shape: --shape 3,16,16.")
        self.shape = tuple(found)
        self.log_prob = first_callable(subject, ("log_prob",))
        self.exact = (not getattr(subject, "clip_x0", False)) if exact is None else exact
        taken = [dtype for dtype in (torch.float64, torch.float32) if self._takes(dtype)]
        if not taken:
            raise CannotAsk(f"the prior cannot be asked: denoise of zeros {(1, *self.shape)} at t = 1: {self._error}.")
        self.dtype = taken[0]

    def _takes(self, dtype: torch.dtype) -> bool:
        try:
            x = torch.zeros(1, *self.shape, dtype=dtype, device=self.device)
            with torch.no_grad():
                check_images(self.denoise(x, torch.tensor(1)), "x0_hat")
        except Exception as error:
            self._error = f"{type(error).__name__}: {error}"
            return False
        return True


class Prior:
    """A bare denoiser made a prior: what `as_prior(function, schedule)` returns."""

    def __init__(self, denoise: Callable[[Tensor, Tensor], Tensor], schedule: Schedule, clip_x0: bool) -> None:
        self.denoise, self.schedule, self.clip_x0 = denoise, schedule, clip_x0

    def __repr__(self) -> str:
        return f"{name_of(self.denoise)} with {self.schedule!r}"


def as_prior(
    denoiser: Callable[[Tensor, Any], Any],
    schedule: Schedule,
    *,
    predicts: str = "x0_hat",
    time: str = "t",
    clip_x0: bool = True,
) -> Prior:
    r"""A prior from a denoiser of another library, for our methods and for `check_prior`.

    Arguments:
        denoiser: (x, time) -> a tensor, or an object with `.mean` or `.sample`.
        schedule: its levels (`Schedule(torch.cat([torch.ones(1), alphas_cumprod]))` of a foreign table).
        predicts: "x0_hat", "epsilon", "score" or "v".
        time: what it is called with: "t" in 1..T; "t - 1", as networks trained on 0..T-1 want it; "t / T"; "sigma",
            the ratio :math:`\sqrt{(1-\bar\alpha_t)/\bar\alpha_t}`, with x then :math:`x_t/\sqrt{\bar\alpha_t}`.
        clip_x0: what our methods take for the default of their option of that name.

    Raises:
        ValueError: an unknown prediction or time.
    """
    from teachdiff.checks import check_name
    from teachdiff.predictions import X0_HAT_FROM

    convert = X0_HAT_FROM[check_name(predicts, X0_HAT_FROM, "prediction")]
    check_name(time, ["t", "t - 1", "t / T", "sigma"], "time")

    def denoise(x_t: Tensor, t: Any) -> Tensor:
        alpha_bar = schedule.at(t, x_t)
        t = torch.as_tensor(t)
        if time == "sigma":
            out = denoiser(x_t / alpha_bar.sqrt(), noise_level(alpha_bar))
        else:
            out = denoiser(x_t, {"t": t, "t - 1": t - 1, "t / T": t.to(x_t) / schedule.T}[time])
        for name in ("mean", "sample"):  # a distribution, or a named tuple
            out = out if isinstance(out, Tensor) else getattr(out, name, out)
        return convert(out, x_t, alpha_bar)

    denoise.__name__ = name_of(denoiser)
    return Prior(denoise, schedule, clip_x0)


class DegradationView:
    """A degradation A_t: called as subject(x, t), t a number or a tensor of one number for each sample, in [0, 1].

    Arguments:
        subject: may offer `between(x, s, t)`, `operator(t)`, `sigma(t)` and a number `lipschitz`.
        shape: (C, H, W) of its images, where it has no `input_shape`.

    Raises:
        CannotAsk: it cannot be called, or says no shape, or does not answer to zeros.
    """

    dtype = torch.float64

    def __init__(self, subject: Any, shape: Sequence[int] | None) -> None:
        own = getattr(subject, "input_shape", None)
        if not callable(subject) or isinstance(subject, type):
            raise CannotAsk(f"a degradation is called as degradation(x, t); got {subject!r}.")
        if not (own or shape):
            raise CannotAsk("the degradation does not say for which images it is; give their shape: --shape 3,16,16.")
        self.subject, self.input_shape = subject, tuple(own or shape or ())
        self.linear = bool(getattr(subject, "linear", True))
        self.between = first_callable(subject, ("between",))
        self.operator = first_callable(subject, ("operator",))
        self.sigma = first_callable(subject, ("sigma",))
        self.lipschitz: float | None = getattr(subject, "lipschitz", None)
        try:
            with torch.no_grad():
                self(torch.zeros(1, *self.input_shape, dtype=self.dtype), 0.5)
        except Exception as error:
            raise CannotAsk(
                f"the degradation cannot be asked: for zeros of {self.input_shape} at t = 0.5 it raises "
                f"{type(error).__name__}: {error}."
            ) from error

    def __call__(self, x: Tensor, t: float | Tensor) -> Tensor:
        return self.subject(x, t)


class MethodView:
    """A method, or a sampler of another library, with its randomness in our hands.

    Arguments:
        subject: called as subject(prior, problem, *, noise=..., seed=...) if it takes those two; a sampler that takes
            no `noise` has its draws replaced as it makes them, one sample at a time.
        claims: what it promises: name -> the closed form's options (see `teachdiff.testing.methods.CLAIMS`).
        tolerance: of comparisons that are exact but for rounding: 1e-9 in float64. A sampler that computes its
            coefficients in float32 needs about 1e-5.

    Raises:
        CannotAsk: it cannot be called with a prior and a problem.
    """

    def __init__(self, subject: Any, claims: Mapping[str, dict[str, Any]], tolerance: float) -> None:
        if not callable(subject) or isinstance(subject, type):
            raise CannotAsk(f"a method is a function of (prior, problem); got {subject!r}.")
        try:
            parameters = inspect.signature(subject).parameters
        except ValueError as error:
            raise CannotAsk(f"the signature of {name_of(subject)} cannot be read: {error}.") from error
        more = [p for p in list(parameters.values())[2:] if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
        required = [p.name for p in more if p.default is p.empty]
        if len(parameters) < 2 or required:
            needs = f"it also needs {', '.join(required)}" if required else f"it takes {len(parameters)} argument(s)"
            raise CannotAsk(f"a method is a function of (prior, problem); {name_of(subject)}: {needs}.")
        self.subject, self.claims, self.tolerance = subject, claims, tolerance
        self.batch_tolerance = max(1e-10, tolerance / 10)
        self.takes_noise, self.takes_seed = "noise" in parameters, "seed" in parameters

    def __call__(self, prior: Any, problem: InverseProblem, noise: Noise) -> Tensor:
        """With this noise. A foreign sampler is run one sample at a time, so that nothing depends on its batching."""
        if self.takes_noise:
            return self.subject(prior, problem, noise=noise)
        kept: dict[int, Tensor] = {}
        results = []
        for i in range(len(problem.y)):

            def row(k: int, shape: tuple[int, ...], i: int = i) -> Tensor:
                if k not in kept:
                    kept[k] = noise(k, (len(problem.y), *shape[1:]))
                return kept[k][i : i + 1]

            one = InverseProblem(problem.operator, problem.y[i : i + 1], problem.sigma)
            results.append(with_noise(self.subject)(prior, one, noise=row))
        return torch.cat(results)

    def together(self, prior: Any, problem: InverseProblem, noise: Noise) -> Tensor:
        """With this noise, the whole batch in one call.

        Raises:
            LawBroken: a draw that is not one per sample.
        """
        if self.takes_noise:
            return self.subject(prior, problem, noise=noise)

        def per_sample(k: int, shape: tuple[int, ...]) -> Tensor:
            if shape[:1] != (len(problem.y),):
                expected = (len(problem.y), ...)
                raise LawBroken("a draw must have one row per sample of the batch; its shape", shape, expected)
            return noise(k, shape)

        return with_noise(self.subject)(prior, problem, noise=per_sample)

    def seeded(self, prior: Any, problem: InverseProblem, seed: int) -> Tensor:
        """With its own randomness, from a seed."""
        if self.takes_seed:
            return self.subject(prior, problem, seed=seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.subject(prior, problem)

    def draws(self, prior: Any, problem: InverseProblem) -> int:
        """How many times it draws."""
        count = 0

        def noise(t: int, shape: tuple[int, ...]) -> Tensor:
            nonlocal count
            count += 1
            return problem.y.new_zeros(shape)

        self(prior, problem, noise)
        return count
