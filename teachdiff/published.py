"""What the five documents print about restored images: tables, captions and sentences, as data.

Each `Table` holds the printed figures (as strings, digit by digit, like the ledger's rows of the same ids), the
configuration that the source states, what it leaves unsaid, and the orderings that it claims. `teachdiff.reproduce`
runs them.

A level t of a source is one of its schedule of 1000 steps, taken to be the usual one (linear from 1e-4 to 2e-2), which
none of the documents states. A prior with another schedule takes its own step of the nearest noise level.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Line:
    """One figure, or several, of a table: what was restored how, and what the source prints for it.

    Attributes:
        method: one of `METHODS` or `BASELINES`; it may be missing from them, and is then not run.
        printed: metric -> figures as printed, one for each image that the source shows (most show one, or a mean).
        options: of the method, in place of the tuned ones; what the source states.
        level: the source's t: SDEdit's start, or the noise that a single pass removes.
        steps: of the chain, where the source fixes them or its formula depends on their number.
        prior, images: the bundled prior and which images (see `teachdiff.reproduce.images_of`), where it is not
            the table's.
        unrun: why this line cannot be run here.
    """

    name: str
    task: str
    method: str
    printed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    level: int | None = None
    steps: int | None = None
    prior: str = "portraits"
    images: str = "own"
    unrun: str = ""


@dataclass(frozen=True)
class Claim:
    """An ordering: of this metric the first is greater than the second, lines by name or a number."""

    metric: str
    greater: str | float
    less: str | float


@dataclass(frozen=True)
class Table:
    """Part of a document that says how good restored images are.

    Attributes:
        ledger: rows of the ledger that hold the same figures or sentences.
        claims: the source's words -> the orderings that they mean.
        remarks: what contradicts it, or has to be known to read it.
        images, steps: how many by default.
        sigma: of the measurement, in [0, 1] units; the source's, or 0.05 where it is unsaid.
        task_options: of the tasks' operators.
    """

    name: str
    location: str
    title: str
    lines: tuple[Line, ...]
    claims: Mapping[str, tuple[Claim, ...]]
    stated: str
    unsaid: str
    ledger: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    images: int = 16
    steps: int = 100
    sigma: float = 0.05
    task_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def printed(psnr: str = "", lpips: str = "", **more: str) -> dict[str, tuple[str, ...]]:
    """Figures in words: several of one metric are separated by spaces."""
    figures = {"psnr": psnr, "lpips": lpips} | more
    return {name: tuple(text.split()) for name, text in figures.items() if text}


def ahead(better: str, *worse: str, metrics: Sequence[str] = ("psnr", "lpips")) -> tuple[Claim, ...]:
    """`better` has the higher PSNR and SSIM, and the lower LPIPS, FID and time, than each of `worse`."""
    higher = ("psnr", "ssim")
    return tuple(Claim(m, *((better, x) if m in higher else (x, better))) for x in worse for m in metrics)


def falling(names: Sequence[str], metrics: Sequence[str] = ("psnr", "lpips")) -> tuple[Claim, ...]:
    """Each is ahead of the next."""
    return tuple(c for a, b in zip(names, names[1:], strict=False) for c in ahead(a, b, metrics=metrics))


SAME = (
    "mashayak's table 3 and liu's table print the same eight figures for inpainting (ledger: between.table-same): one "
    "measurement, printed twice."
)
OPPOSITE = (
    "rao says of random masks that DPS performs much worse than ScoreALD (rao.p.random-dps-worse); mashayak and liu "
    "print the contrary (ledger: between.random-order)."
)
DECONVOLUTION = (
    "For deconvolution liu's figures are more than 3 dB above mashayak's with the same methods (ledger: "
    "between.table-deconv)."
)
FACES = "a pre-trained model of faces (FFHQ)"
NOTHING = "image, seed, masks, blur kernel, sigma, gamma_t of ScoreALD, zeta of DPS, and the number of images"

_mashayak_tasks = {"box mask": "inpaint_box", "random mask": "inpaint_random", "blur": "deblur_gaussian"}
_mashayak_2 = {
    "box mask": ("20.57 0.23", "18.48 0.25", "16.33 0.34"),
    "random mask": ("17.43 0.28", "16.04 0.33", "14.17 0.48"),
    "blur": ("20.18 0.23", "18.78 0.29", "17.10 0.36"),
}
_mashayak_3 = {
    "box mask": ("22.70 0.18", "31.77 0.05"),
    "random mask": ("20.35 0.31", "22.00 0.16"),
    "blur": ("22.00 0.19", "24.62 0.11"),
}
_pair = {"ScoreALD": "score_ald", "DPS": "dps"}

MASHAYAK = [
    Table(
        "mashayak.table1",
        "table 1",
        "Single-step denoising",
        tuple(
            Line(f"t = {t}", "denoise", "tweedie", printed(psnr, lpips), level=t)
            for t, psnr, lpips in (
                (100, "31.20 32.59", "0.09 0.09"),
                (300, "26.12 27.26", "0.20 0.21"),
                (500, "21.96 23.47", "0.35 0.32"),
            )
        ),
        {
            "as we increase the number of forward noise steps, the single step denoising estimate deviate[s] more from "
            "the ground truth": falling(["t = 100", "t = 300", "t = 500"])
        },
        f"t = 100, 300, 500; {FACES}; two samples",
        "the images, the draws and the schedule",
        ("mashayak.table1", "mashayak.p.single-step"),
        images=64,
    ),
    Table(
        "mashayak.table2",
        "table 2",
        "SDEdit from three starts",
        tuple(
            Line(f"{what}, t = {t}", task, "sdedit", printed(*_mashayak_2[what][i].split()), level=t)
            for what, task in _mashayak_tasks.items()
            for i, t in enumerate((400, 500, 600))
        ),
        {
            "for small time steps the prediction is close to the input measurement and for larger time steps [...] "
            "further from the input": tuple(
                Claim("consistency", f"{what}, t = {b}", f"{what}, t = {a}")
                for what in _mashayak_tasks
                for a, b in ((400, 500), (500, 600))
            ),
            "(the table: PSNR falls and LPIPS rises from column to column)": tuple(
                c for what in _mashayak_tasks for c in falling([f"{what}, t = {t}" for t in (400, 500, 600)])
            ),
        },
        f"t = 400, 500, 600; {FACES}",
        NOTHING,
        ("mashayak.table2", "mashayak.p.sdedit-close"),
        ("The distance from the measurement is the row's consistency: the misfit in units of sigma.",),
    ),
    Table(
        "mashayak.table3",
        "table 3",
        "ScoreALD and DPS",
        tuple(
            Line(f"{what}, {name}", task, _pair[name], printed(*_mashayak_3[what][i].split()))
            for what, task in _mashayak_tasks.items()
            for i, name in enumerate(_pair)
        ),
        {
            "DPS appears to solve both in-painting and de[con]volution inverse problems better than ScoreALD": tuple(
                c for what in _mashayak_tasks for c in ahead(f"{what}, DPS", f"{what}, ScoreALD")
            )
        },
        f"the methods; {FACES}",
        NOTHING,
        ("mashayak.table3", "mashayak.p.dps-better"),
        (SAME, OPPOSITE, DECONVOLUTION),
    ),
]

_liu_tasks = {"deconv": "deblur_gaussian", "box": "inpaint_box", "random": "inpaint_random"}
_liu = {
    "deconv": ("25.35 0.115", "28.25 0.055"),
    "box": ("22.7 0.18", "31.8 0.05"),
    "random": ("20.4 0.31", "22.0 0.16"),
}
_liu_sdedit = {
    "inpaint": ("22.1 0.17", "19.42 0.218", "14.8 0.43"),
    "deconv": ("21.0 0.19", "18.8 0.29", "15.9 0.39"),
}
# The poster's coefficient 1 adds the term in full at each of 1000 steps; in fewer the measurement would count for less.
_liu_ald = {"gamma": 12.5, "coefficient": "one"}

LIU = [
    Table(
        "liu.table",
        "table",
        "SDEdit, ScoreALD and DPS",
        (
            *(
                Line(f"{what}, SDEdit t = {t}", task, "sdedit", printed(*_liu_sdedit[what][i].split()), level=t)
                for what, task in (("inpaint", "inpaint_box"), ("deconv", "deblur_gaussian"))
                for i, t in enumerate((200, 500, 800))
            ),
            *(
                line
                for what, task in _liu_tasks.items()
                for line in (
                    Line(
                        f"{what}, ScoreALD",
                        task,
                        "score_ald",
                        printed(*_liu[what][0].split()),
                        _liu_ald,
                        steps=1000,
                    ),
                    Line(f"{what}, DPS", task, "dps", printed(*_liu[what][1].split())),
                )
            ),
        ),
        {
            "(the table: the later SDEdit starts, the worse both figures)": tuple(
                c for what in _liu_sdedit for c in falling([f"{what}, SDEdit t = {t}" for t in (200, 500, 800)])
            ),
            "(the table: DPS is ahead of ScoreALD in each task and in both figures)": tuple(
                c for what in _liu_tasks for c in ahead(f"{what}, DPS", f"{what}, ScoreALD")
            ),
        },
        "t = 200, 500, 800; gamma_t in [10, 15] and the coefficient 1 for ScoreALD: 12.5 is taken, in 1000 steps",
        "image, seed, masks (SDEdit's 'Inpaint' is taken for a box), kernel, sigma, zeta, the law of gamma_t, and the "
        "number of images",
        (
            "liu.table.sdedit-inpaint",
            "liu.table.sdedit-deconv",
            "liu.table.deconv",
            "liu.table.box",
            "liu.table.random",
        ),
        (SAME, OPPOSITE, DECONVOLUTION),
        images=6,
    ),
]

_rajpal = {"DPS": "dps", "DMPS": "dmps", "DPS to DMPS": "hybrid"}
_rajpal_better = {
    "We achieve, on average, better metrics on in-distribution images than DPS in a shorter time.": ahead(
        "DPS to DMPS", "DPS", metrics=("psnr", "lpips", "seconds")
    )
}
_rajpal_unsaid = "the scale of sigma (here [0, 1]), zeta, whether t counts steps (so it is taken) or names a level"
_rajpal_inpaint = (
    "which mask (a box is taken); k (half of t is taken, as in table 1); the number of images; " + _rajpal_unsaid
)

_rajpal_parts = {
    "photographs with the prior portraits": ("portraits", "everyday"),
    "a retina and galaxies with the prior photos": ("photos", "unlike"),
}

RAJPAL = [
    Table(
        "rajpal.table1",
        "table 1",
        "Super-resolution by 16: DPS, DMPS, and one after the other",
        tuple(
            Line(name, "sr16", method, printed(psnr, lpips, seconds=seconds))
            for (name, method), (seconds, psnr, lpips) in zip(
                _rajpal.items(),
                (("17.72", "19.37", "0.25"), ("9.19", "15.63", "0.41"), ("13.42", "19.97", "0.24")),
                strict=True,
            )
        ),
        _rajpal_better
        | {
            "(the table: the hybrid is ahead of DMPS, and takes longer)": (
                *ahead("DPS to DMPS", "DMPS"),
                Claim("seconds", "DPS to DMPS", "DMPS"),
            )
        },
        "t = 100, k = 50, sigma = 0.01, 20 in-distribution images (CelebA)",
        f"the machine; {_rajpal_unsaid}",
        ("rajpal.table1", "rajpal.p.better"),
        ("Of 32 pixels a side a factor of 16 leaves 2 x 2; of the source's 256 it leaves 16 x 16.",),
        images=20,
        sigma=0.01,
    ),
    Table(
        "rajpal.figure1",
        "figure 1",
        "Super-resolution by 16 in 300 steps",
        tuple(Line(name, "sr16", method) for name, method in _rajpal.items()),
        _rajpal_better,
        "t = 300, sigma = 0.01",
        f"k (half of t is taken, as in table 1); the number of images; {_rajpal_unsaid}",
        ("rajpal.p.better",),
        ("The figure is a picture; its caption prints no figures.",),
        images=12,
        steps=300,
        sigma=0.01,
    ),
    Table(
        "rajpal.figure2",
        "figure 2",
        "Inpainting in 100 steps",
        tuple(Line(name, "inpaint_box", method) for name, method in _rajpal.items()),
        _rajpal_better
        | {
            "[3] were unable to perform difficult tasks such as inpainting and outpainting": ahead(
                "DPS to DMPS", "DMPS"
            )
        },
        "t = 100, sigma = 0.01",
        _rajpal_inpaint,
        ("rajpal.p.better", "rajpal.p.dmps-inpainting"),
        ("The figure is a picture; its caption prints no figures.", "[3] is the paper on DMPS."),
        sigma=0.01,
    ),
    Table(
        "rajpal.figure3",
        "figure 3",
        "Inpainting of images unlike those that the prior has learned from",
        tuple(
            Line(f"{what}, {name}", "inpaint_box", method, prior=prior, images=images)
            for what, (prior, images) in _rajpal_parts.items()
            for name, method in _rajpal.items()
        ),
        {
            "our method is more robust (lower LPIPS) than DPS": tuple(
                c
                for what in _rajpal_parts
                for c in ahead(f"{what}, DPS to DMPS", f"{what}, DPS", metrics=("lpips",))
            )
        },
        "t = 100, sigma = 0.01",
        f"which images, and how many; {_rajpal_inpaint}",
        ("rajpal.p.ood",),
        (
            "The figure is a picture; its caption prints no figures.",
            "Photographs of blood smears, which do not come along, suit the second part: --prior photos --images DIR. "
            "With --prior or --images there is one part.",
        ),
        sigma=0.01,
    ),
]

_fabian = {
    "Dirac-PO": "dirac",
    "Dirac-DO": "dirac",
    "DPS": "dps",
    "DDRM": "ddrm",
    "PnP-ADMM": "pnp_admm",
    "ADMM-TV": "admm_tv",
}
_fabian_figures = {
    "FFHQ, deblurring": (
        "26.67 0.7418 0.2716 53.36",
        "28.47 0.8054 0.2972 69.15",
        "25.56 0.6878 0.3008 65.68",
        "27.21 0.7671 0.2849 65.84",
        "27.02 0.7596 0.3973 74.17",
        "26.03 0.7323 0.4126 89.93",
    ),
    "FFHQ, inpainting": (
        "25.41 0.7595 0.2611 39.43",
        "26.98 0.8435 0.2234 51.87",
        "21.06 0.7238 0.2899 57.92",
        "25.62 0.8132 0.2313 54.37",
        "12.27 0.6205 0.4471 192.36",
        "11.73 0.5618 0.5042 264.62",
    ),
    "ImageNet, deblurring": (
        "24.68 0.6582 0.3302 53.91",
        "25.76 0.7085 0.3705 83.23",
        "21.51 0.5163 0.4235 52.60",
        "24.53 0.6676 0.3917 61.06",
        "25.02 0.6722 0.4565 98.72",
        "24.31 0.6441 0.4578 88.26",
    ),
    "ImageNet, inpainting": (
        "25.48 0.8077 0.2185 40.46",
        "28.42 0.8906 0.1760 40.73",
        "22.71 0.8026 0.1986 34.55",
        "25.92 0.8347 0.2138 33.71",
        "18.14 0.7901 0.2709 101.25",
        "17.60 0.7229 0.3157 120.22",
    ),
}
_ours = {"FFHQ": ("portraits", "own"), "ImageNet": ("photos", "own")}
_fabian_tasks = {"deblurring": "deblur_gaussian", "inpainting": "inpaint_smooth"}


def _fabian_line(block: str, name: str, figures: str) -> Line:
    data, _, task = block.partition(", ")
    prior, images = _ours[data]
    psnr, ssim, lpips, fid = figures.split()
    return Line(
        f"{block}, {name}",
        _fabian_tasks[task],
        _fabian[name],
        printed(psnr, lpips, ssim=ssim, fid=fid),
        options={"until": 1.0} if name == "Dirac-DO" else {},
        steps={"ddrm": 20, "dirac": 50}.get(_fabian[name]),
        prior=prior,
        images=images,
    )


FABIAN = [
    Table(
        "fabian.table1",
        "section 4, tables of FFHQ and ImageNet",
        "Dirac and its competitors",
        tuple(
            _fabian_line(block, name, text)
            for block, texts in _fabian_figures.items()
            for name, text in zip(_fabian, texts, strict=True)
        ),
        {
            "superior performance compared with other benchmark methods in terms of both distortion and perceptual "
            "metrics (deblurring)": tuple(
                c
                for block in ("FFHQ, deblurring", "ImageNet, deblurring")
                for best, metrics in (("Dirac-DO", ("psnr", "ssim")), ("Dirac-PO", ("lpips", "fid")))
                for c in ahead(
                    f"{block}, {best}",
                    *(f"{block}, {name}" for name in _fabian if _fabian[name] != "dirac"),
                    metrics=metrics,
                )
            ),
            "best performance in most metrics, followed by DDRM (inpainting)": tuple(
                c
                for block in ("FFHQ, inpainting", "ImageNet, inpainting")
                for c in (
                    *ahead(f"{block}, Dirac-DO", f"{block}, DDRM", metrics=("psnr", "ssim", "lpips", "fid")),
                    *ahead(
                        f"{block}, DDRM",
                        *(f"{block}, {name}" for name in ("DPS", "PnP-ADMM", "ADMM-TV")),
                        metrics=("psnr", "ssim", "lpips", "fid"),
                    ),
                )
            ),
        },
        "sigma = 0.05 in [0, 1] units; Gaussian blur of 61 pixels and standard deviation 3 at 256 pixels a side "
        "(scaled by the root of the size here); a smooth mask that leaves black; DPS with 1000 evaluations, DDRM with "
        "its default settings (20 of them)",
        "in the text as extracted many numbers are lost: image counts, zeta, the penalties of both ADMMs",
        remarks=(
            "No one setting leads in all four columns: of FFHQ deblurring Dirac-DO has the best PSNR and a worse LPIPS "
            "(0.2972) than DDRM (0.2849).",
            "PnP-ADMM's denoiser is here the prior itself, in the source a DnCNN of its own.",
            "The source tunes for LPIPS or FID, the settings here were chosen by PSNR.",
            "Dirac-DO is here the first prediction, Dirac-PO the last of 50, without guidance.",
            "No network for smooth holes in photographs comes along, so Dirac is not run there.",
        ),
        task_options={"inpaint_smooth": {"fill": -1.0}},
        images=12,
    ),
]

_rao_three = {"SDEdit": "sdedit", "ScoreALD": "score_ald", "DPS": "dps"}

RAO = [
    Table(
        "rao.p.unmasked-changes",
        "section 5",
        "What becomes of the pixels that were seen",
        tuple(
            Line(name, "inpaint_box", method, level=200 if method == "sdedit" else None)
            for name, method in _rao_three.items()
        ),
        {
            "For the inpainting task [...] all three methods [...] change the unmasked portion of the image": tuple(
                Claim("consistency", name, 2 / 255) for name in _rao_three
            )
        },
        f"the methods; {FACES}",
        NOTHING,
        ("rao.p.unmasked-changes",),
        (
            "Measured without noise, so that each change is the method's own: what stands under consistency is then "
            "the root mean square of the change of seen pixels, in [-1, 1] units, and 2/255 is one grey level.",
        ),
        sigma=0.0,
    ),
    Table(
        "rao.p.time",
        "section 5",
        "What a restoration costs",
        (
            *(Line(name, "inpaint_box", method) for name, method in _rao_three.items()),
            Line("classical", "inpaint_box", "classical"),
        ),
        {
            "running these models takes quite a long time": tuple(
                Claim("seconds", name, "classical") for name in _rao_three
            )
        },
        "nothing",
        "seconds, machine, size and number of steps",
        remarks=(
            "'It also requires GPUs to run': the device stands with the run. Where it is the CPU, none was required.",
        ),
        images=8,
    ),
    Table(
        "rao.p.box-psnr",
        "section 4.4.2",
        "A box mask by ScoreALD and DPS",
        (
            Line("ScoreALD", "inpaint_box", "score_ald", printed("22")),
            Line("DPS", "inpaint_box", "dps", printed("35")),
        ),
        {"PSNR is 22 for ScoreALD and 35 for DPS": ahead("DPS", "ScoreALD", metrics=("psnr",))},
        f"the methods; {FACES}",
        NOTHING,
        ("rao.p.box-psnr",),
        ("mashayak and liu print 31.77 and 31.8 dB for DPS, more than 3 dB less (ledger: between.box-dps).",),
    ),
    Table(
        "rao.p.random-dps-worse",
        "section 4.4.3",
        "Random masks by ScoreALD and DPS",
        (
            Line("ScoreALD", "inpaint_random", "score_ald", printed("20")),
            Line("DPS", "inpaint_random", "dps"),
        ),
        {"DPS performs much worse than ScoreALD for this task": ahead("ScoreALD", "DPS")},
        f"the methods; {FACES}",
        NOTHING,
        ("rao.p.random-dps-worse",),
        (OPPOSITE,),
    ),
    Table(
        "rao.p.past-500-psnr",
        "section 4.1",
        "A single pass beyond t = 500",
        tuple(Line(f"t = {t}", "denoise", "tweedie", level=t) for t in (510, 600, 700, 800)),
        {
            "If we went past 500 timestamps, the image would [...] provide results with PSNRs less than 20": tuple(
                Claim("psnr", 20.0, f"t = {t}") for t in (510, 600, 700, 800)
            )
        },
        f"t = 500 as the limit; {FACES}",
        "the images, the draws and the schedule",
        ("rao.p.past-500-psnr",),
        ("mashayak prints 21.96 and 23.47 dB at t = 500 (ledger: between.single-pass-500).",),
        images=64,
    ),
]

TABLES: dict[str, Table] = {table.name: table for table in (*MASHAYAK, *LIU, *RAJPAL, *FABIAN, *RAO)}
