"""The command line: a thin layer that reads options, checks them, and prints. No mathematics here.

Exit codes: 0 done; 1 it failed (a damaged file, a folder that cannot be written, a chain that diverged,
Ctrl-C, an undecided proof); 2 it was asked for wrongly. Messages and progress go to stderr, results to
stdout, so that `--json` prints JSON and nothing else.

What is heavy is imported inside the commands: `teachdiff --help` must not wait for torch.
"""

import errno
import functools
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from teachdiff.course import commands as course_commands
from teachdiff.course import grading_commands
from teachdiff.course.commands import Usage
from teachdiff.settings import SIGMA, STEPS

if TYPE_CHECKING:
    from torch import Tensor

    from teachdiff.compare import Row
    from teachdiff.experiment import Experiment

app = typer.Typer(
    name="teachdiff",
    help="A textbook that runs: diffusion models as priors for inverse problems.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DEFAULT_TASKS = "inpaint_box,inpaint_random,deblur_gaussian,sr4"
DEFAULT_METHODS = "tweedie,sdedit,score_ald,dps"

Task = Annotated[str, typer.Option(help="What was done to the image: see `teachdiff list`.", show_default=False)]
Prior = Annotated[
    str,
    typer.Option(
        help="A bundled prior, a file that `teachdiff train` wrote, a guided-diffusion .pt or .safetensors, a folder "
        "of diffusers, or an id on the hub (owner/name)."
    ),
]
Sigma = Annotated[float, typer.Option(help="Standard deviation of the noise, in [0, 1] units (doubled inside).")]
Steps = Annotated[int, typer.Option(help="Steps of each chain.")]
Size = Annotated[
    int | None, typer.Option(help="Pixels a side: 64, or 32 for portraits, 8 for digits.", show_default=False)
]
Seed = Annotated[int, typer.Option(help="Of masks, noise and chains.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps.")]
Out = Annotated[Path, typer.Option(help="Folder for the results.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="An option of the method, NAME=VALUE (zeta=3); repeat for several.", show_default=False),
]
Restorers = Annotated[
    str | None,
    typer.Option(
        "--restorer",
        help="For dirac: bundled restorers, or files that `teachdiff train` wrote, comma-separated, one for each task; "
        "by default dirac_PRIOR_TASK.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


# What goes wrong, and how it is said


class Failure(Exception):
    """Could not be done: exit code 1."""


def command(f: Callable[..., None], to: typer.Typer = app) -> Callable[..., None]:
    """Register a command whose errors are one paragraph on stderr, never a traceback."""

    @functools.wraps(f)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            f(*args, **kwargs)
        except Usage as error:
            stop(f"{error}", 2)
        except Failure as error:
            stop(f"{error}", 1)
        except typer.Exit:  # a RuntimeError, by its class
            raise
        except KeyboardInterrupt as error:
            stop(f"Interrupted: {str(error) or 'nothing was written.'}", 1)
        except (ValueError, TypeError, ArithmeticError, MemoryError, RuntimeError) as error:
            stop(str(error) or type(error).__name__, 1)
        except OSError as error:
            if error.errno == errno.EPIPE:  # `teachdiff list | head`: whoever read us has gone
                raise
            stop(str(error), 1)

    return to.command(f.__name__.rstrip("_"))(run)


def stop(message: str, code: int) -> None:
    print(f"teachdiff: {message}", file=sys.stderr)
    raise typer.Exit(code)


@contextmanager
def usage() -> Iterator[None]:
    """What is wrong inside is wrong with the question."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise Usage(str(error)) from error


def names_of(text: str, option: str) -> list[str]:
    """A comma-separated list, each name once."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise Usage(f"{option} needs at least one name; several are separated by commas.")
    return names


def tasks_of(text: str) -> list[str]:
    from teachdiff.checks import check_name
    from teachdiff.problems import TASKS

    with usage():
        return [check_name(name, TASKS, "task") for name in names_of(text, "--tasks")]


def methods_of(text: str, *more: str) -> list[str]:
    """Names of methods, or of `more`."""
    from teachdiff.checks import check_name
    from teachdiff.methods import METHODS

    with usage():
        return [check_name(name, [*METHODS, *more], "method") for name in names_of(text, "--methods")]


def device_of(text: str):
    """The torch device, if this machine has it."""
    import torch

    try:
        device = torch.device(text)
    except RuntimeError as error:
        raise Usage(f"{text!r} is no device; write cpu, cuda, cuda:1 or mps.") from error
    if device.type == "cuda":
        if device.index is None and "LOCAL_RANK" in os.environ:  # several processes share the GPUs of a machine
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise Usage(f"--device {text}: torch sees {count} CUDA device(s) here. Use --device cpu.")
    elif device.type == "mps":
        if not torch.backends.mps.is_available():
            raise Usage("--device mps: torch sees no Metal device here. Use --device cpu.")
    elif device.type != "cpu":
        raise Usage(f"--device {text}: write cpu, cuda, cuda:1 or mps.")
    return device


def sigma_of(sigma: float) -> float:
    """sigma of the command line, in [0, 1] units, in the library's units."""
    from teachdiff.checks import check_sigma
    from teachdiff.problems import sigma_from_unit_range

    with usage():
        return sigma_from_unit_range(check_sigma(sigma, "--sigma"))


def both_units(sigma: float) -> str:
    return f"sigma = {sigma:g} in [0, 1] units = {sigma_of(sigma):g} in the library's [-1, 1] units"


def rounds_of(method: str, options: dict[str, Any]) -> int:
    """How many steps (or at most how many rounds of ADMM) a method takes with these options."""
    import inspect

    from teachdiff.methods import METHODS

    function: Any = METHODS[method]
    parameters = inspect.signature(function).parameters
    counted = next((name for name in ("iterations", "steps") if name in parameters), None)
    return options.get(counted, parameters[counted].default) if counted else 1


def options_of(given: list[str] | None, methods: list[str]) -> dict[str, Any]:
    """--set NAME=VALUE ... as keyword arguments; each must be an option of at least one of the methods."""
    import ast
    import inspect

    from teachdiff.checks import check_name
    from teachdiff.methods import METHODS

    functions: list[Any] = [METHODS[m] for m in methods if m in METHODS]
    taken = {name for function in functions for name in inspect.signature(function).parameters}
    taken -= {"prior", "restorer", "problem", "steps", "seed", "noise", "on_step", "shape", "device", "dtype"}
    options: dict[str, Any] = {}
    for text in given or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise Usage(f"--set takes NAME=VALUE, such as zeta=3; got {text!r}.")
        with usage():
            check_name(name, taken, f"option of {', '.join(methods)}")
        try:
            options[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            options[name] = value  # a word, as in step=likelihood
    return options


def prior_file(name: str) -> Path:
    """The file or folder of a prior; one on the hub is fetched."""
    from teachdiff.priors.checkpoints import find_prior

    with usage():
        return find_prior(name)


def restorers_of(
    text: str | None,
    prior: str,
    tasks: list[str],
    methods: list[str],
    shape: tuple[int, ...],
    sigma: float,
    device: Any,
) -> dict[str, tuple[Any, str]]:
    """Task -> its restorer and the digest of its file, if a method needs one; each suits its task's measurement.

    Arguments:
        shape: (C, H, W) of the images.
        sigma: in [-1, 1] units.
    """
    from teachdiff.compare import RESTORING, check_suits, file_digest

    needy = [method for method in methods if method in RESTORING]
    if not needy:
        return {}
    from teachdiff.priors.restorer import bundled_restorers, load_restorer

    bundled = bundled_restorers()
    found = {}
    for name in [f"dirac_{prior}_{task}" for task in tasks] if text is None else names_of(text, "--restorer"):
        path = bundled.get(name, Path(name))
        if not path.is_file():
            known = ", ".join(bundled) or "none"
            raise Usage(
                f"{needy[0]} needs a restorer, and there is no {name}: neither a file nor one that comes along "
                f"({known}). `teachdiff train` makes one; give its file with --restorer."
            )
        restorer = load_restorer(path, device)
        with usage():
            found[restorer.task] = restorer.at(shape), file_digest(path)
    for task in tasks:
        if task not in found:
            raise Usage(f"{needy[0]} needs a restorer for {task}, too; --restorer gives one for {', '.join(found)}.")
        with usage():
            check_suits(found[task][0], task, sigma, device)
    return found


def check_steps(steps: int, T: int) -> None:
    if not 1 <= steps <= T:
        raise Usage(f"--steps must lie in 1..{T} for this prior; got {steps}.")


def check_chains(experiments: "list[Experiment]") -> None:
    """No method walks more steps than its prior's schedule has."""
    for e in experiments:
        if any(e.cost(method) > 1 for method in e.methods):
            check_steps(e.steps, e.prior.schedule.T)


def check_sizes(images: "dict[str, Tensor]", tasks: list[str]) -> None:
    """Each task can be done to images of this size, which they share."""
    from teachdiff.problems import make_operator

    with usage():
        for task in tasks:
            make_operator(task, tuple(next(iter(images.values())).shape[1:]))


def check_seed(seed: int) -> None:
    if seed < 0:
        raise Usage(f"--seed must be 0 or more; got {seed}.")


def writable(out: Path) -> Path:
    """The folder `out`, made and tried before anything is computed for it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        why = error.strerror or error
        raise Failure(f"cannot write into {out}: {why}. Choose another folder with --out.") from error
    return out


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, allow_nan=False))


def consoles(rank: int = 0):
    """(for results, on stdout; for progress and messages, on stderr); of several processes only the first speaks."""
    from rich.console import Console

    return Console(highlight=False, quiet=rank > 0), Console(stderr=True, highlight=False, quiet=rank > 0)


def progress_bar(console, *extra):
    """A bar on a terminal, nothing elsewhere."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), *extra, TimeRemainingColumn()]
    return Progress(*columns, console=console, disable=console.quiet or not console.is_terminal, transient=True)


def figure(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


# Commands


@command
def tour(
    out: Out = Path("out/tour"),
    device: Device = "cpu",
    seed: Seed = 0,
) -> None:
    """The guided tour: prove, refute, restore a photograph, make faces, and write a report with pictures."""
    check_seed(seed)
    where = device_of(device)
    writable(out)
    from teachdiff.report import write_report
    from teachdiff.tour import METHODS_OF_TOUR, run_tour

    results, messages = consoles()
    line = f"teachdiff tour --out {out} --device {device} --seed {seed}"
    with progress_bar(messages) as bar:
        task = bar.add_task("starting", total=1.0)

        def progress(act: str, share: float) -> None:
            if bar.disable and act != bar.tasks[0].description:
                messages.print(act)
            bar.update(task, description=act, completed=share)

        found = run_tour(device=where, seed=seed, on_progress=progress, command=line)
        report = write_report(out, found)
    from rich.table import Table

    table = Table(title="PSNR in dB on the astronaut's face (higher is nearer to the truth)")
    table.add_column("method", no_wrap=True)
    by_task = found.by_task()
    for task in by_task:
        table.add_column(task, justify="right")
    best = {task: max(row.psnr for row in rows if row.psnr is not None) for task, rows in by_task.items()}
    for method, of_tasks in zip(METHODS_OF_TOUR, zip(*by_task.values(), strict=True), strict=True):
        cells = [f"[bold]{r.psnr:.2f}[/]" if r.psnr == best[r.task] else figure(r.psnr) for r in of_tasks]
        table.add_row(method, *cells)
    results.print(table)
    summary = found.proofs["summary"]
    results.print(
        f"{summary['proved']} identities proved, {found.refutations} false ones refuted, "
        f"{summary['failed']} undecided; {found.seconds:.0f} s in all."
    )
    results.print(f"Report: {report}", soft_wrap=True)
    if summary["failed"]:
        failed = ", ".join(d["name"] for d in found.proofs["derivations"] if d["status"] == "failed")
        raise Failure(f"these proofs failed: {failed}. `teachdiff prove` says why.")


@command
def prove(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names or globs; everything without any.", show_default=False)
    ] = None,
    json_: Json = False,
) -> None:
    """Check the proofs and the ledger of printed formulas; exit code 1 if anything is undecided."""
    import derivations

    results, messages = consoles()
    begun = False
    with progress_bar(messages) as bar:
        task = bar.add_task("reading the proofs", total=None)

        def progress(done: int, total: int, name: str, result: Any) -> None:
            nonlocal begun
            begun = True
            bar.update(task, description=name, completed=done, total=total)

        try:
            report = derivations.run(names or None, on_progress=progress)
        except ValueError as error:
            if names and not begun:
                raise Usage(str(error)) from error
            raise
        except KeyboardInterrupt as error:
            raise Failure("Interrupted: the proofs were not finished.") from error
    if json_:
        print_json(report.as_json())
    else:
        results.print(proof_tree(report, details=bool(names)))
        for proof in report.derivations:
            if proof.problem:
                results.print(f"[red]{proof.name}[/]: {_escape(proof.problem)}", soft_wrap=True)
        counts = ", ".join(f"{count} {status}" for status, count in report.summary.items())
        results.print(f"{counts}; {report.seconds:.1f} s")
    if not report.ok:
        raise typer.Exit(1)


# A refuted line is a proof done; red is left for what went wrong.
STATUS_COLOURS = {"proved": "green", "refuted": "yellow", "assumed": "cyan"}


def proof_tree(report: Any, details: bool) -> Any:
    """The proofs, and the ledger by document; with details also each step's reason and each row's findings."""
    from rich.tree import Tree

    tree = Tree("derivations", guide_style="dim")
    for proof in report.derivations:
        title = f"[bold]{proof.name}[/]  {_escape(proof.title)}  {_status(proof.status)}"
        branch = tree.add(f"{title}  [dim]{len(proof.steps)} steps, {proof.seconds:.2f} s[/]")
        for number, step in enumerate(proof.steps if details else [], start=1):
            branch.add(f"{number}. {_escape(step.reason)}  {_status(step.status)} [dim]({_escape(step.kind)})[/]")
    documents: dict[str, Any] = {}
    for row in report.ledger:
        name = row["document"]
        if name not in documents:
            documents[name] = tree.add(f"ledger: [bold]{_escape(name)}[/]")
        leaf = documents[name].add(f"{_escape(row['id'])}  {row['verdict']}  {_status(row['status'])}")
        if details:
            found = ("location", "printed", "reason", "corrected", "counterexample", "consequence", "proof")
            for key in (key for key in found if row[key]):
                leaf.add(f"[dim]{key}:[/] {_escape(str(row[key]))}")
    return tree


def _status(status: str) -> str:
    return f"[{STATUS_COLOURS.get(status, 'red')}]{status}[/]"


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


@command
def restore(
    image: Annotated[
        str, typer.Argument(help="A file; or astronaut, cat, coffee, hubble, retina, rocket; digit-0 to digit-499.")
    ],
    task: Task,
    method: Annotated[str, typer.Option(help="See `teachdiff list`.")] = "dps",
    prior: Prior = "photos",
    sigma: Sigma = SIGMA,
    steps: Steps = STEPS,
    seed: Seed = 0,
    device: Device = "cpu",
    size: Size = None,
    set_: Set = None,
    restorer: Restorers = None,
    out: Out = Path("out/restore"),
) -> None:
    """Degrade one image and restore it: truth.png, measurement.png, restored.png, result.json."""
    where = device_of(device)
    from teachdiff.checks import check_name
    from teachdiff.compare import degrade, method_options, run_case
    from teachdiff.data import save_image
    from teachdiff.experiment import default_size
    from teachdiff.files import write_json
    from teachdiff.methods import METHODS
    from teachdiff.metrics import psnr
    from teachdiff.priors.checkpoints import load_prior
    from teachdiff.problems import TASKS

    with usage():
        check_name(task, TASKS, "task")
        check_name(method, METHODS, "method")
    check_seed(seed)
    given = options_of(set_, [method])
    sigma_ours = sigma_of(sigma)
    weights = prior_file(prior)
    name, truth = open_image(image, default_size(prior) if size is None else size)
    model = load_prior(weights, where)
    truth = suited(truth, model, name).to(where)
    with usage():
        case = next(degrade({name: truth}, [task], sigma=sigma_ours, seed=seed))
    restorers = restorers_of(restorer, prior, [task], [method], tuple(truth.shape[1:]), sigma_ours, where)
    options = method_options(method, task, model.schedule.T, steps, truth.shape, given)
    if "steps" in options:
        check_steps(steps, model.schedule.T)
    writable(out)

    results, messages = consoles()
    messages.print(f"{name}, {task}, {method}, prior {prior}; {both_units(sigma)}", soft_wrap=True)
    with progress_bar(messages) as bar:
        chain = bar.add_task(method, total=rounds_of(method, options))
        row, x0 = run_case(
            model,
            case,
            method,
            prior_name=prior,
            steps=steps,
            seed=seed,
            restorers={task: found for task, (found, _) in restorers.items()},
            on_step=lambda *_: bar.advance(chain),
            **given,
        )
    if x0 is None:
        raise Failure(row.notes[0])
    save_image(out / "truth.png", truth)
    save_image(out / "measurement.png", case.measurement.clamp(-1, 1))
    save_image(out / "restored.png", x0.clamp(-1, 1))
    of_measurement = float(psnr(case.measurement.float().clamp(-1, 1), truth)[0])
    result = asdict(row) | {
        "sigma": {"unit_range": sigma, "library": sigma_ours},
        "size": truth.shape[-1],
        "options": options,
        "measurement_psnr": of_measurement,
        "files": ["truth.png", "measurement.png", "restored.png"],
    }
    write_json(out / "result.json", result)

    from rich.table import Table

    table = Table()
    for column in ("", "PSNR dB", "SSIM", "LPIPS", "consistency", "evaluations", "seconds"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row("measurement", figure(of_measurement), "", "", "", "", "")
    table.add_row(method, *_cells(row))
    results.print(table)
    for note in row.notes:
        results.print(f"  {_escape(note)}", soft_wrap=True)
    results.print(f"Written to {out}", soft_wrap=True)


def open_image(image: str, size: int) -> "tuple[str, Tensor]":
    """The name and the pixels, (1, C, size, size), of a file, or of a photograph or digit that comes along."""
    from teachdiff.data import PHOTOGRAPHS, astronaut_face, digits, load_image, photographs

    if size < 1:
        raise Usage(f"--size must be 1 or more; got {size}.")
    path = Path(image)
    if path.is_file():
        _image_is_large_enough(path, size)
        return path.name, load_image(path, size)
    with usage():
        if image == "astronaut":
            return "astronaut", astronaut_face(size)
        if image in PHOTOGRAPHS:
            return image, photographs([image], size)[image]
    if found := re.fullmatch(r"digit-(\d+)", image):
        pictures, _ = digits("held_out")
        if int(found[1]) >= len(pictures):
            raise Usage(f"the held-out digits are digit-0 to digit-{len(pictures) - 1}; got {image}.")
        return image, pictures[int(found[1]) :][:1]
    if path.exists():
        raise Usage(f"{image} is a folder; give one image, or use `teachdiff compare --images {image}`.")
    raise Usage(f"there is no image file at {image}, and no photograph of that name ({', '.join(PHOTOGRAPHS)}).")


def suited(x: "Tensor", model: Any, name: str) -> "Tensor":
    """The image as this prior sees images: the mean of the channels where it has one, an error at another size."""
    shape = getattr(model, "shape", None)  # a network's is open but for its channels
    channels = shape[0] if shape else model.network.config["image_channels"]
    if channels == 1 != x.shape[1]:
        x = x.mean(1, keepdim=True)
    if x.shape[1] != channels:
        raise Usage(f"{name} has {x.shape[1]} channel(s), and this prior knows images of {channels}.")
    if shape and tuple(x.shape[1:]) != tuple(shape):
        raise Usage(
            f"this prior knows images of {shape[1]} x {shape[2]} pixels only; {name} has {x.shape[2]} x {x.shape[3]}. "
            f"Use --size {shape[1]}."
        )
    grid = 1 if shape else getattr(model.network, "coarsest", 1)
    if x.shape[2] % grid or x.shape[3] % grid:
        raise Usage(f"this prior's network needs a --size that is a multiple of {grid}; got {x.shape[3]}.")
    return x


def _image_is_large_enough(path: Path, size: int) -> None:
    """A sound image below `size` is a wrong question; a file that is no image is not (and `load_image` says so)."""
    from teachdiff.data import load_image, square_array, to_array

    whole = to_array(load_image(path))
    with usage():
        square_array(whole, size, str(path))


def _cells(row: "Row") -> list[str]:
    cost = "–" if row.evaluations is None else f"{row.evaluations:.0f}"
    return [
        figure(row.psnr),
        figure(row.ssim, 3),
        figure(row.lpips, 3),
        figure(row.consistency),
        cost,
        figure(row.seconds, 1),
    ]


Images = Annotated[
    Path | None, typer.Option(help="A folder or zip; else held-out images that suit the prior.", show_default=False)
]
Include = Annotated[str, typer.Option(help="Only images whose path inside --images starts so.")]
Every = Annotated[int, typer.Option(help="Only every n-th image, from the first on.")]


@command
def compare(
    tasks: Annotated[str, typer.Option(help="Comma-separated.")] = DEFAULT_TASKS,
    methods: Annotated[
        str,
        typer.Option(
            help="Comma-separated; beside the methods: classical, biharmonic, telea, navier_stokes, wiener, "
            "richardson_lucy, tv, nlm, bm3d."
        ),
    ] = DEFAULT_METHODS,
    prior: Prior = "photos",
    images: Images = None,
    sigma: Sigma = SIGMA,
    steps: Steps = STEPS,
    seed: Seed = 0,
    device: Device = "cpu",
    size: Size = None,
    include: Include = "",
    every: Every = 1,
    samples: Annotated[int, typer.Option(help="Restore so often and average the images.")] = 1,
    set_: Set = None,
    restorer: Restorers = None,
    out: Out = Path("out/compare"),
    json_: Json = False,
) -> None:
    """Methods x tasks x images: tables, a contact sheet, rows. Started again, it goes on where it stopped."""
    from teachdiff.baselines import BASELINES
    from teachdiff.compare import file_digest
    from teachdiff.experiment import Experiment
    from teachdiff.priors.checkpoints import files_of, load_prior
    from teachdiff.shards import this_shard

    chosen_tasks, chosen_methods = tasks_of(tasks), methods_of(methods, *BASELINES)
    where = device_of(device)
    check_seed(seed)
    if samples < 1 or every < 1:
        raise Usage(f"--samples and --every must be 1 or more; got {samples} and {every}.")
    given = options_of(set_, chosen_methods)
    sigma_ours = sigma_of(sigma)
    weights = prior_file(prior)
    model = load_prior(weights, where)
    given_images = open_images(images, prior, size, include, every)
    truths = {name: suited(x, model, name).to(where) for name, x in given_images.items()}
    check_sizes(truths, chosen_tasks)
    shape = tuple(next(iter(truths.values())).shape[1:])
    restorers = restorers_of(restorer, prior, chosen_tasks, chosen_methods, shape, sigma_ours, where)
    with this_shard() as shard:
        experiment = Experiment(
            model, prior, file_digest(*files_of(weights)), truths, chosen_tasks, chosen_methods, sigma_ours, out,
            steps=steps, seed=seed, samples=samples, options=given, restorers=restorers, shard=shard,
        )  # fmt: skip
        check_chains([experiment])
        writable(out)
        results, messages = consoles(shard.rank)
        line = f"{len(truths)} images, {next(iter(truths.values())).shape[-1]} pixels a side; prior {prior}"
        messages.print(f"{line}; {both_units(sigma)}", soft_wrap=True)
        with walking(messages, [experiment]) as walk:
            rows = walk(experiment)
        if shard.rank:
            return
        found = experiment.write(rows)
    if json_:
        print_json([asdict(row) for row in rows])
        return
    from rich.table import Table

    table = Table(title=f"Means over {len(truths)} images; of PSNR also the standard error")
    for column in ("task", "method", "PSNR dB", "SSIM", "LPIPS", "FID", "consistency", "evaluations", "seconds"):
        left = column in ("task", "method")
        table.add_column(column, justify="left" if left else "right", no_wrap=left)
    for s in found:
        cells = [with_error(s.mean["psnr"], s.standard_error["psnr"])]
        cells += [figure(s.mean["ssim"], 3), figure(s.mean["lpips"], 3), figure(s.fid, 1)]
        cells += [figure(s.mean["consistency"]), figure(s.mean["evaluations"], 0), figure(s.mean["seconds"], 1)]
        table.add_row(s.task, s.method, *cells, end_section=s.method == chosen_methods[-1])
    results.print(table)
    for note in sorted({note for summary in found for note in summary.notes}):
        results.print(f"  {_escape(note)}", soft_wrap=True)
    results.print(
        f"Written to {out}: sheet.png, results.json and .csv, summary.json and .csv, rows.jsonl, pictures/",
        soft_wrap=True,
    )


@command
def tune(
    methods: Annotated[str, typer.Option(help="Comma-separated.", show_default=False)],
    tasks: Annotated[str, typer.Option(help="Comma-separated.", show_default=False)],
    grid: Annotated[
        list[str],
        typer.Option(help="An option and its candidates, zeta=1.5,3,6; repeat for several.", show_default=False),
    ],
    prior: Prior = "photos",
    images: Annotated[
        Path | None,
        typer.Option(help="A folder or zip that no figure is stated for; portraits need none.", show_default=False),
    ] = None,
    metric: Annotated[str, typer.Option(help="psnr, ssim or lpips.")] = "psnr",
    sigma: Sigma = SIGMA,
    steps: Steps = STEPS,
    seed: Seed = 0,
    device: Device = "cpu",
    size: Size = None,
    include: Include = "",
    every: Every = 1,
    count: Annotated[int, typer.Option(help="At most so many images.")] = 8,
    restorer: Restorers = None,
    out: Out = Path("out/tune"),
    json_: Json = False,
) -> None:
    """Choose options by a small grid, on images that no figure is stated for. Started again, it goes on."""
    from teachdiff import tune as choosing
    from teachdiff.checks import check_name
    from teachdiff.compare import file_digest
    from teachdiff.experiment import Experiment, default_size, held_out
    from teachdiff.files import write_json
    from teachdiff.priors.checkpoints import files_of, load_prior
    from teachdiff.settings import VALIDATION
    from teachdiff.shards import this_shard

    chosen_tasks, chosen_methods = tasks_of(tasks), methods_of(methods)
    where = device_of(device)
    with usage():
        check_name(metric, choosing.METRICS, "metric")
    check_seed(seed)
    if count < 1 or every < 1:
        raise Usage(f"--count and --every must be 1 or more; got {count} and {every}.")
    values = dict(grid_of(text, chosen_methods) for text in grid)
    sigma_ours = sigma_of(sigma)
    weights = prior_file(prior)
    if images is None and prior != "portraits":
        raise Usage(
            "tune needs --images that no figure is stated for, such as a validation part; the photographs that come "
            "along are those that figures are stated for. Only --prior portraits makes images of its own."
        )
    if images is None:
        with usage():
            found = held_out(prior, default_size(prior) if size is None else size, count, VALIDATION)
    else:
        found = open_images(images, prior, size, include, every, count)
    with usage():
        choosing.check_unreported(found, prior)
    model = load_prior(weights, where)
    truths = {name: suited(x, model, name).to(where) for name, x in found.items()}
    check_sizes(truths, chosen_tasks)
    shape = tuple(next(iter(truths.values())).shape[1:])
    restorers = restorers_of(restorer, prior, chosen_tasks, chosen_methods, shape, sigma_ours, where)
    with this_shard() as shard:
        base = Experiment(
            model, prior, file_digest(*files_of(weights)), truths, chosen_tasks, chosen_methods, sigma_ours, out,
            steps=steps, seed=seed, restorers=restorers, shard=shard,
        )  # fmt: skip
        with usage():
            experiments = choosing.candidates(base, values)
        check_chains(experiments)
        writable(out)
        results, messages = consoles(shard.rank)
        messages.print(
            f"{len(experiments)} candidates on {len(truths)} images; prior {prior}; {both_units(sigma)}", soft_wrap=True
        )
        with walking(messages, experiments) as walk:
            rows = [walk(experiment) for experiment in experiments]
        if shard.rank:
            return
    judged = choosing.judge(experiments, rows, values, metric)
    write_json(out / "tune.json", [asdict(candidate) for candidate in judged])
    if json_:
        print_json([asdict(candidate) for candidate in judged])
        return
    from rich.table import Table

    table = Table(title=f"{metric} on {len(truths)} images, with its standard error")
    for column in ("task", "method", "options", metric):
        table.add_column(column, justify="right" if column == metric else "left")
    for task in chosen_tasks:
        for c in (c for c in judged if c.task == task):
            options = " ".join(f"{name}={value}" for name, value in c.options.items())
            style = "bold" if c.best else None
            table.add_row(task, c.method, options, with_error(c.mean, c.standard_error, 3), style=style)
        table.add_section()
    results.print(table)
    shape = next(iter(truths.values())).shape
    for c in (c for c in judged if c.best):
        results.print(f"{c.method}:  {choosing.line(c, model.schedule.T, shape)}", markup=False, soft_wrap=True)
        if c.edges:
            results.print(f"  the best {', '.join(c.edges)} lies at the edge of the grid: widen it", soft_wrap=True)
    if not any(c.best for c in judged):
        notes = sorted({note for own in rows for row in own for note in row.notes})
        raise Failure(f"no candidate has a {metric}: {'; '.join(notes)}")
    results.print(f"Written to {out}: tune.json, and a folder for each candidate", soft_wrap=True)


def grid_of(text: str, methods: list[str]) -> tuple[str, list[Any]]:
    """--grid NAME=A,B,C as the name and its values, each as --set takes it."""
    name, equals, values = text.partition("=")
    if not equals or not values:
        raise Usage(f"--grid takes NAME=VALUE,VALUE..., such as zeta=1.5,3,6; got {text!r}.")
    return name, [options_of([f"{name}={value}"], methods)[name] for value in names_of(values, "--grid")]


@command
def reproduce(
    names: Annotated[
        list[str] | None, typer.Argument(help="Tables; all; without any, a list of them.", show_default=False)
    ] = None,
    prior: Annotated[
        str | None, typer.Option(help="In place of the table's: a bundled prior, or a file.", show_default=False)
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="A folder or zip, in place of the images that come along.", show_default=False)
    ] = None,
    include: Include = "",
    every: Every = 1,
    count: Annotated[
        int | None, typer.Option(help="At most so many images; by default the table's number.", show_default=False)
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Steps of each chain; by default the table's.", show_default=False)
    ] = None,
    seed: Seed = 0,
    device: Device = "cpu",
    size: Size = None,
    page: Annotated[
        Path | None, typer.Option(help="Write a page of all tables from the results in --out.", show_default=False)
    ] = None,
    out: Out = Path("out/reproduce"),
    json_: Json = False,
) -> None:
    """A source's table: the printed figure beside ours, and whether the claimed orderings hold. It goes on, too."""
    from teachdiff import reproduce as anew
    from teachdiff.checks import check_name
    from teachdiff.compare import file_digest
    from teachdiff.files import atomic, write_json
    from teachdiff.priors.checkpoints import files_of, load_prior
    from teachdiff.published import TABLES
    from teachdiff.shards import this_shard

    with usage():
        chosen = [n for name in names or [] for n in (TABLES if name == "all" else [check_name(name, TABLES, "table")])]
    for option, number in (("--count", count), ("--steps", steps), ("--every", every)):
        if number is not None and number < 1:
            raise Usage(f"{option} must be 1 or more; got {number}.")
    check_seed(seed)
    where = device_of(device)
    if prior is not None:
        prior_file(prior)
    given = None
    if images is not None:
        given = open_images(images, prior or "portraits", size, include, every)
    elif include or every != 1:
        raise Usage("--include and --every choose from the files of --images; without it, --count limits the images.")

    @functools.cache
    def load(name: str):
        weights = prior_file(name)
        return load_prior(weights, where), file_digest(*files_of(weights))

    with this_shard() as shard:
        results, messages = consoles(shard.rank)
        found = []
        for name in {line.prior for n in chosen for line in TABLES[n].lines} if prior is None else {prior}:
            load(name)  # before the question is judged: a damaged file is no wrong question
        with usage():
            plans = {
                name: anew.plan(
                    TABLES[name], load, out, prior=prior, images=given, count=count, steps=steps, size=size, seed=seed,
                    device=where, shard=shard,
                )
                for name in chosen
            }  # fmt: skip
        experiments = [p.experiment for planned in plans.values() for p in planned if p.experiment is not None]
        for e in experiments:
            check_sizes(dict(e.images), list(e.tasks))
        if chosen:
            writable(out)
        with walking(messages, experiments) as walk:
            for name, planned in plans.items():
                messages.print(name)
                rows = {p.line.name: walk(p.experiment) for p in planned if p.experiment is not None}
                if shard.rank:
                    continue
                result = anew.judge(TABLES[name], planned, rows)
                command_ = f"teachdiff reproduce {name}" + "".join(
                    f" --{option} {value}"
                    for option, value, usual in (
                        ("prior", prior, None), ("images", images, None), ("include", include, ""), ("every", every, 1),
                        ("count", count, None), ("steps", steps, None), ("seed", seed, 0), ("device", device, "cpu"),
                        ("size", size, None),
                    )
                    if value != usual
                )  # fmt: skip
                result["run"] = {"command": command_, "seed": seed, "device": where.type}
                anew.sheet(out / name / "sheet.png", planned)
                write_json(out / name / "result.json", result)
                found.append(result)
        if shard.rank:
            return
    if page is not None:
        text = anew.page(out)
        with atomic(page) as part:
            part.write_text(text, encoding="utf-8")
    if json_:
        print_json(found)
        return
    from rich.table import Table

    if not chosen:
        table = Table(show_header=False, box=None, padding=(0, 2))
        table.add_column(no_wrap=True, style="cyan")
        for t in TABLES.values():
            table.add_row(t.name, t.title)
        results.print(table)
    for result in found:
        metrics = anew.shown(result)
        table = Table(title=f"{result['table']}: {result['title']}; as printed / ours")
        for column in ("", *metrics):
            table.add_column(column, justify="right" if column else "left")
        for line in result["lines"]:
            table.add_row(line["name"], *(anew.both(line, metric) for metric in metrics))
        results.print(table)
        for text in anew.in_words(result):
            results.print(text, soft_wrap=True, markup=False)
        results.print()
    if found:
        results.print(f"Written to {out}: a folder for each table, with result.json and sheet.png", soft_wrap=True)
    if page is not None:
        results.print(f"Page: {page}", soft_wrap=True)


def with_error(mean: float | None, error: float | None, digits: int = 2) -> str:
    return figure(mean, digits) + ("" if error is None else f" ± {error:.{digits}f}")


@contextmanager
def walking(console, experiments: "list[Experiment]") -> "Iterator[Callable[[Experiment], list[Row]]]":
    """A function that runs one of the experiments, under one bar for all of them; lines where there is no terminal."""
    with progress_bar(console) as bar:
        whole = bar.add_task("", total=sum(e.total_cost() for e in experiments))
        spent = 0

        def walk(experiment: "Experiment") -> "list[Row]":
            def on_row(row: "Row") -> None:
                nonlocal spent
                spent += experiment.cost(row.method)
                bar.update(whole, description=f"{row.task} {row.image} {row.method}", completed=spent)
                if bar.disable:
                    console.print(f"{row.task} {row.image} {row.method}: {figure(row.psnr)} dB", soft_wrap=True)

            return experiment.run(on_row, lambda *_: bar.advance(whole))

        yield walk


def open_images(
    images: Path | None, prior: str, size: int | None, include: str = "", every: int = 1, count: int | None = None
) -> "dict[str, Tensor]":
    """Name -> (1, C, size, size)."""
    from teachdiff.data import load_folder
    from teachdiff.experiment import default_size, held_out

    size = default_size(prior) if size is None else size
    if size < 1:
        raise Usage(f"--size must be 1 or more; got {size}.")
    if images is not None:
        if not images.exists():
            raise Usage(f"there is no folder or zip at {images}.")
        names, batch = load_folder(images, size, include)
        found = {name: batch[i : i + 1] for i, name in enumerate(names)}
    else:
        with usage():
            found = held_out(prior, size, count)
    return dict(list(found.items())[::every][:count])


@command
def train(
    config: Annotated[Path, typer.Argument(help="A TOML file; its keys are those of TrainConfig.")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and the finished prior.", show_default=False)],
    device: Device = "cpu",
) -> None:
    """Train a prior, or a network of Dirac. The same command goes on from the last checkpoint."""
    if not config.is_file():
        raise Usage(f"there is no training config at {config}.")
    where = device_of(device)
    from teachdiff.priors.train import emulates_bf16, read_config
    from teachdiff.priors.train import train as run
    from teachdiff.shards import this_shard

    with usage():
        settings = read_config(config)
    writable(out)
    from rich.progress import TextColumn

    begun, first, last, mean = 0.0, 0, 0, 0.0
    columns = TextColumn("loss {task.fields[loss]:.4f}, {task.fields[speed]:.0f} images/s")
    with this_shard(where) as shard, progress_bar(consoles(shard.rank)[1], columns) as bar:
        results, messages = consoles(shard.rank)
        with usage():
            shard.part(settings.batch)
        if settings.precision == "bf16" and emulates_bf16(where):
            line = "this processor has no bfloat16 and imitates it, ten times slower: set precision = 'float32'"
            messages.print(line, soft_wrap=True)
        task = bar.add_task(settings.name, total=settings.steps, loss=0.0, speed=0.0)

        def on_step(step: int, loss: float) -> None:
            nonlocal begun, first, last, mean
            if not last:
                begun, first, mean = time.monotonic(), step, loss
                if step > 1:
                    messages.print(f"resuming at step {step - 1} of {settings.steps}")
            last = step
            mean += 0.05 * (loss - mean)
            speed = (step - first) * settings.batch / max(1e-9, time.monotonic() - begun)
            bar.update(task, completed=step, loss=mean, speed=speed)
            if bar.disable and (step % 100 == 0 or step == settings.steps):
                line = f"step {step} of {settings.steps}, loss {mean:.4f}, {speed:.0f} images/s"
                messages.print(line, soft_wrap=True)

        line = f"teachdiff train {config} --out {out} --device {device}"
        if shard.world > 1:
            line = f"torchrun --nproc-per-node {shard.world} -m {line}"
        try:
            done = run(settings, out, device=where, shard=shard, on_step=on_step, command=line)
        except KeyboardInterrupt as error:
            kept = max(first - 1, last // settings.checkpoint_every * settings.checkpoint_every)
            goes_on = f"{out / 'checkpoint.pt'} holds step {kept}; the same command goes on from there"
            none = f"the first checkpoint would have been at step {settings.checkpoint_every}, so nothing is kept"
            raise Failure(f"Interrupted at step {last}: {goes_on if kept > 0 else none}.") from error
    if not last:
        messages.print(f"{out} was trained to the end already")
    results.print(f"{'Restorer' if settings.task else 'Prior'}: {done}", soft_wrap=True)


@command
def judge(
    prior: Annotated[str, typer.Argument(help="A prior of portraits, as --prior elsewhere.")] = "portraits",
    count: Annotated[int, typer.Option(help="Samples, and portraits of each of two seeds.")] = 200,
    method: Annotated[str, typer.Option(help="ddim or ddpm.")] = "ddim",
    steps: Steps = STEPS,
    seed: Seed = 0,
    device: Device = "cpu",
    out: Out = Path("out/judge"),
    json_: Json = False,
) -> None:
    """Samples of a prior of portraits against the generator: KID, and who wears glasses. It goes on, too."""
    where = device_of(device)
    from teachdiff import judge as judging
    from teachdiff.checks import check_name
    from teachdiff.compare import UNCONDITIONAL, file_digest
    from teachdiff.files import atomic, write_json
    from teachdiff.priors.checkpoints import files_of, load_prior
    from teachdiff.shards import this_shard

    if count < 20:
        raise Usage(f"--count must be 20 or more; got {count}.")
    check_seed(seed)
    with usage():
        check_name(method, UNCONDITIONAL, "sampler")
    weights = prior_file(prior)
    model: Any = load_prior(weights, where)
    channels = (getattr(model, "shape", None) or [model.network.config["image_channels"]])[0]
    if channels != 3:
        raise Usage(f"judge looks at portraits, which have 3 channels; images of this prior have {channels}.")
    check_steps(steps, model.schedule.T)
    writable(out)
    folder, begun = out / "samples", time.monotonic()
    with this_shard() as shard:
        results, messages = consoles(shard.rank)
        own = sum(map(shard.has, range(-(-count // judging.CHUNK))))
        with progress_bar(messages) as bar:
            chain = bar.add_task(f"{count} samples, {method}", total=own * steps)
            try:
                samples = judging.draw(
                    model, count, folder, key={"weights": file_digest(*files_of(weights)), "device": where.type},
                    method=method, steps=steps, seed=seed, device=where, shard=shard,
                    on_step=lambda: bar.advance(chain),
                )  # fmt: skip
            except KeyboardInterrupt as error:
                raise Failure(f"Interrupted: {folder} keeps what is finished; the same command goes on.") from error
        if shard.rank:
            return
    found = asdict(judging.judge(samples))
    found |= {"prior": prior, "method": method, "steps": steps, "seed": seed, "seconds": time.monotonic() - begun}
    write_json(out / "judgement.json", found)
    from PIL import Image

    from teachdiff.report import enlarge, grid

    with atomic(out / "samples.png") as part:
        Image.fromarray(enlarge(grid(samples[:64].split(1), 16), 2)).save(part, format="PNG")
    if json_:
        print_json(found)
        return
    from rich.table import Table

    table = Table(title=f"{prior}, {count} samples, {method} with {steps} steps")
    for column in ("seen in", "samples", "portraits", "drawn in", "power", "difference", "within 0.05"):
        table.add_column(column, justify="left" if column == "seen in" else "right")
    for a in found["attributes"]:
        shares = [figure(a[key], 3) for key in ("samples", "portraits", "generator", "power")]
        difference = with_error(a["difference"], a["standard_error"], 3)
        table.add_row(a["name"], *shares, difference, "yes" if a["within"] else "no")
    results.print(table)
    for name, what in (("kid", "samples and portraits"), ("real", "portraits and portraits")):
        e = found[name]
        value, low, high = (f"{e[key]:.4g}" for key in ("value", "low", "high"))
        results.print(f"KID of {what}: {value}, 95 % in {low} to {high}", soft_wrap=True)
    results.print("The two intervals overlap." if found["overlap"] else "The two intervals do not overlap.")
    results.print(f"Written to {out}: judgement.json, samples.png, samples/", soft_wrap=True)


@command
def check(
    subject: Annotated[str, typer.Argument(help="package.module:object, or a function there that makes it.")],
    kind: Annotated[str, typer.Option(help="operator, prior, schedule, method or degradation.", show_default=False)],
    shape: Annotated[
        str | None, typer.Option(help="C,H,W of an image, where the object does not say.", show_default=False)
    ] = None,
    claims: Annotated[
        str | None, typer.Option(help="What a method promises, comma-separated.", show_default=False)
    ] = None,
    device: Device = "cpu",
    json_: Json = False,
) -> None:
    """The property suite on an object of yours: 0 every law holds, 1 one is broken, 2 it cannot be asked."""
    where = device_of(device)
    # As for `python -m pytest`: a module in the folder that one stands in can be named.
    sys.path.insert(0, "")
    from teachdiff.checks import check_name
    from teachdiff.testing import suite

    with usage():
        check_name(kind, suite.KINDS, "kind")
        how: dict[str, Any] = {"on_fail": "return"}
        if kind in ("operator", "prior", "degradation"):
            how |= {"shape": None if shape is None else suite.shape_of(shape)}
            how |= {} if kind == "degradation" else {"device": where}
        elif shape is not None:
            raise ValueError(f"--shape says nothing about a {kind}.")
        if kind == "method":
            how["claims"] = None if claims is None else names_of(claims, "--claims")
        elif claims is not None:
            raise ValueError(f"--claims says nothing about a {kind}: only methods make claims.")
        results = suite.check(kind, suite.load(subject, kind, how.get("shape")), **how)
    broken = [result for result in results if not result.ok]
    if json_:
        print_json([result.as_json() for result in results])
    else:
        report_of_checks(results)
    if broken:
        raise typer.Exit(1)


LAW_COLOURS = {"passed": "green", "failed": "red", "skipped": "dim", "expected": "yellow", "unexpected": "red"}


def report_of_checks(results: Any) -> None:
    """A line for each law; what is broken in full below."""
    from rich.table import Table

    from teachdiff.testing.suite import a

    console, _ = consoles()
    table = Table(title=f"{results[0].subject}: laws of {a(results[0].kind)}", title_justify="left", box=None)
    for result in results:
        note = _escape(result.message) if result.status == "skipped" else _escape(result.statement)
        table.add_row(result.law, f"[{LAW_COLOURS[result.status]}]{result.status}[/]", note)
    console.print(table)
    for result in results:
        if not result.ok:
            console.print(f"\n[red]{_escape(result.describe())}[/]", soft_wrap=True)
    counts = {status: sum(r.status == status for r in results) for status in LAW_COLOURS}
    console.print("\n" + ", ".join(f"{n} {status}" for status, n in counts.items() if n))


@command
def exactness(
    out: Annotated[
        Path | None, typer.Option(help="Folder for the page exactness.md and its plots.", show_default=False)
    ] = None,
    methods: Annotated[str | None, typer.Option(help="Comma-separated; all by default.", show_default=False)] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Two problems and short chains, in seconds.")] = False,
    json_: Json = False,
) -> None:
    """Which methods sample the posterior: the bias of each against the exact one, as T grows and sigma shrinks."""
    from teachdiff import exactness as ledger
    from teachdiff.checks import check_name
    from teachdiff.methods import METHODS

    chosen = ledger.cases()
    if methods is not None:
        names = names_of(methods, "--methods")
        with usage():
            for name in names:
                check_name(name, METHODS, "method")
        chosen = [case for case in chosen if case.method in names]
    if out is not None:
        writable(out)
    plan = ledger.QUICK if quick else ledger.FULL
    results, messages = consoles()
    rows = []
    with progress_bar(messages) as bar:
        points = sum(len(plan.points(ledger.WORLDS[name])) for name in plan.worlds)
        task = bar.add_task("", total=points * len(chosen))
        for row in ledger.measure_all(plan, chosen):
            rows.append(row)
            bar.update(task, advance=1, description=f"{row.world} {row.case}")
    if out is not None:
        for path in ledger.write_page(out, rows, chosen):
            messages.print(f"Written: {path}", soft_wrap=True)
    if json_:
        print_json([asdict(row) for row in rows])
        return
    from rich.table import Table

    table = Table(title="Verdicts", show_lines=True)
    for column in ("method", "what it is", "proof"):
        table.add_column(column)
    for case in chosen:
        table.add_row(case.title, _escape(f"{case.verdict}: {case.because}".removesuffix(": ")), case.derivation)
    results.print(table)
    results.print("--out DIR writes the figures as a page with plots, --json prints the rows.")


@command
def bench(
    methods: Annotated[str, typer.Option(help="Comma-separated; all that ask a network by default.")] = "",
    networks: Annotated[
        str,
        typer.Option(
            help="Comma-separated priors; ffhq: the layout of ffhq_10m.pt with random weights; none: a network that "
            "does nothing, for what a step itself takes."
        ),
    ] = "photos",
    sizes: Annotated[str, typer.Option(help="Pixels a side, comma-separated.")] = "64",
    batches: Annotated[str, typer.Option(help="Images of a batch, comma-separated.")] = "1",
    dtypes: Annotated[str, typer.Option(help="Of the network, comma-separated: float32, bfloat16, ...")] = "float32",
    compile_: Annotated[bool, typer.Option("--compile", help="Also the fast path, compiled: minutes.")] = False,
    task: Annotated[str, typer.Option(help="What was done to the images.")] = "inpaint_box",
    steps: Steps = STEPS,
    pairs: Annotated[int, typer.Option(help="Steps to measure, each with the bare network just before it.")] = 30,
    growth: Annotated[
        Path | None,
        typer.Option(help="Instead: how cost grows, as plots in this folder, for one network.", show_default=False),
    ] = None,
    device: Device = "cpu",
    json_: Json = False,
) -> None:
    """What a step of each method costs beyond the bare network: their ratio, images per second, memory."""
    from teachdiff import bench as benches
    from teachdiff.checks import check_name
    from teachdiff.problems import TASKS

    with usage():
        chosen = names_of(methods, "--methods") if methods else benches.ASKING
        chosen = [check_name(name, benches.ASKING, "method that asks the network") for name in chosen]
        precisions = [check_name(name, benches.DTYPES, "dtype") for name in names_of(dtypes, "--dtypes")]
        check_name(task, TASKS, "task")
    pixels, images = counts_of(sizes, "--sizes"), counts_of(batches, "--batches")
    if pairs < 1 or steps < 1:
        raise Usage(f"--pairs and --steps must be 1 or more; got {pairs} and {steps}.")
    where = device_of(device)
    priors = {name: benches.network_of(name, prior_file, where) for name in names_of(networks, "--networks")}
    if growth is not None:
        grow(priors, growth, where)
        return
    with usage():
        for prior in priors.values():
            for size in pixels:
                benches.problem_for(prior, task, size, 1)
    results, messages = consoles()
    paths = [False, True] if compile_ else [False]
    rows = []
    with progress_bar(messages) as bar:
        total = len(priors) * len(precisions) * len(paths) * len(pixels) * len(images) * len(chosen)
        whole = bar.add_task("", total=total)
        for found in benches.measure_all(
            priors, chosen, pixels, images, precisions, paths, task=task, steps=steps, pairs=pairs
        ):
            rows += found
            bar.update(whole, advance=1, description=f"{found[0].network} {found[0].size} {found[0].method}")
    if json_:
        print_json([asdict(row) for row in rows])
        return
    from rich.table import Table

    table = Table(title=f"{rows[0].machine}; {task}, chains of {steps} steps", title_justify="left")
    for column in ("method", "network", "bare ms", "step ms", "step / bare", "images/s", "MB"):
        left = column in ("method", "network")
        table.add_column(column, justify="left" if left else "right", no_wrap=column != "network", overflow="fold")
    for r in rows:
        where_ = f"{_escape(r.network)} {r.size}² × {r.batch} {r.dtype}{', compiled' if r.compiled else ''}"
        ratio = f"{r.overhead_ratio:.3f} ±{(r.ratio_spread[1] - r.ratio_spread[0]) / 2:.3f}"
        memory = figure(None if r.peak_memory is None else r.peak_memory / 1e6, 1)
        bare, step = (f"{ms:.4g}{' ∇' if r.gradient else ''}" for ms in (r.bare_ms, r.step_ms))
        table.add_row(r.method, where_, bare, step, ratio, f"{r.images_per_second:.3g}", memory)
    results.print(table)
    results.print("  ∇: with the gradient with respect to x; ±: half of the way between the quartiles", soft_wrap=True)
    for note in sorted({note for row in rows for note in row.notes}):
        results.print(f"  {_escape(note)}", soft_wrap=True)


def grow(priors: dict[str, Any], out: Path, device: Any) -> None:
    """The curves of one network: plots, numbers, and the slope of each."""
    from rich.table import Table

    from teachdiff import growth

    if len(priors) > 1:
        raise Usage(f"--growth draws the curves of one network; got {', '.join(priors)}.")
    writable(out)
    results, messages = consoles()
    with progress_bar(messages) as bar:
        whole = bar.add_task("growth", total=len(growth.AXES))
        (prior,) = priors.values()
        points = growth.grow(prior, growth.Plan(), lambda axis: bar.advance(whole))
    table = Table(title="Slope of log(cost) over log(value): 1 is linear growth, 0 is none", title_justify="left")
    for column in ("axis", "curve", "seconds", "memory"):
        table.add_column(column, justify="right" if column in ("seconds", "memory") else "left")
    for (axis, series), own in growth.curves(points).items():
        slopes = (growth.slope(own, lambda p: p.seconds), growth.slope(own, lambda p: p.peak_memory))
        table.add_row(growth.AXES[axis], series, *map(figure, slopes))
    results.print(table)
    for path in growth.write(out, points, device):
        results.print(f"Written: {path}", soft_wrap=True)


def counts_of(text: str, option: str) -> list[int]:
    """A comma-separated list of whole numbers of 1 or more."""
    names = names_of(text, option)
    if not all(name.isdecimal() and int(name) for name in names):
        raise Usage(f"{option} takes whole numbers of 1 or more, separated by commas; got {text!r}.")
    return [int(name) for name in names]


@command
def list_(json_: Json = False) -> None:
    """What there is: tasks, methods, priors, restorers, derivations, assignments."""
    found = catalogue()
    if json_:
        print_json(found)
        return
    from rich.table import Table

    results, _ = consoles()
    for kind, entries in found.items():
        table = Table(title=kind, title_justify="left", title_style="bold", show_header=False, box=None, padding=(0, 2))
        table.add_column(no_wrap=True, style="cyan")
        table.add_column()
        for name, line in entries.items():
            table.add_row(name, _escape(line))
        results.print(table)
        results.print()
    from teachdiff.priors.checkpoints import ACCEPTED

    results.print(f"--prior: {ACCEPTED}", soft_wrap=True)


def catalogue() -> dict[str, dict[str, str]]:
    """kind -> name -> a line."""
    import importlib

    from derivations import registry
    from teachdiff.course.registry import assignments
    from teachdiff.methods import METHODS
    from teachdiff.priors.checkpoints import bundled_priors
    from teachdiff.priors.restorer import bundled_restorers
    from teachdiff.problems import TASKS

    modules = {name: importlib.import_module(f"teachdiff.methods.{name}") for name in METHODS}
    return {
        "tasks": {name: task.description for name, task in TASKS.items()},
        "methods": {name: first_line(module.__doc__) for name, module in modules.items()},
        "priors": {name: card_line(path) for name, path in bundled_priors().items()},
        "restorers": {name: card_line(path) for name, path in bundled_restorers().items()},
        "derivations": {name: first_line(derivation.title) for name, derivation in registry.everything().items()},
        "assignments": {a.id: f"{a.title}; {a.points} points, about {a.minutes} minutes" for a in assignments()},
    }


def card_line(path: Path) -> str:
    """The sentence below the title of the model card that lies beside the weights."""
    card = path.with_suffix(".md")
    if not card.is_file():
        return "no model card"
    paragraphs = [p for p in card.read_text(encoding="utf-8").split("\n\n") if p and not p.startswith("#")]
    return first_line(paragraphs[0]) if paragraphs else ""


def first_line(text: str | None) -> str:
    """The first sentence of a docstring, its mathematics in plain characters."""
    paragraph = " ".join((text or "").strip().split("\n\n")[0].split())
    sentence = re.split(r"(?<=\.) (?=[A-Z])", paragraph)[0]
    sentence = re.sub(r":math:`([^`]*)`", r"\1", sentence)
    signs = [(r"\\hat x", "x̂"), (r"\^\*", "*"), (r"\\top", "T"), (r"\\([A-Za-z]+) ?", r"\1 "), (r"[{}`]", "")]
    for pattern, plain in signs:
        sentence = re.sub(pattern, plain, sentence)
    return sentence


course = typer.Typer(help="Assignments: the library with holes, judged by laws.", no_args_is_help=True)
app.add_typer(course, name="course")
for _function in (*course_commands.COMMANDS, *grading_commands.COMMANDS):
    command(_function, course)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
