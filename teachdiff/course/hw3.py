r"""Assignment 3: operators, adjoints, pseudo-inverses."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from teachdiff.course.judging import close, numbers, part, statement
from teachdiff.course.model import Answer, Assignment, Check, Cut, Exercise, Query
from teachdiff.testing.core import LawBroken
from teachdiff.testing.operators import condition

MASKS, PRODUCT, BLURS, SVD = "masks.py", "product.py", "blurs.py", "svd.py"
LAWS = "property-suite.md#of-an-operator"
Shape = tuple[int, int, int]


# An operator as its matrices. What stands in the answers: [result, argument afterwards] for each question.


def units_of(shape: Sequence[int]) -> np.ndarray:
    """A batch of unit images: what comes back, flattened and transposed, is a matrix."""
    n = int(np.prod(shape))
    return np.eye(n).reshape(n, *shape)


def operator_query(
    file: str, cls: str, made: Mapping[str, Any], shapes: tuple[Shape, Shape], names: Sequence[str],
    rng: np.random.Generator, matrix: np.ndarray,
) -> Query:  # fmt: skip
    """Ask A, its adjoint, ... of unit images and of random ones: complex ones too, and of a batch and its samples."""
    takes, gives = shapes
    x, y = 3 * rng.standard_normal((3, *takes)), rng.standard_normal((3, *gives))
    asked: list[Any] = []
    for name in names:
        side = takes if name in ("", "Vt") else gives
        more = (0.3, 1.7) if name == "resolvent" else ()
        asked.append((name, units_of(side), *more))
    asked += [("", x), ("adjoint", y), ("", x[:1]), ("adjoint", y[:1]), ("", x + 1j * x[::-1])]
    about = {"names": list(names), "shapes": shapes, "x": x, "y": y, "matrix": matrix}
    return Query(file, cls, {"made": dict(made), "asked": asked}, driver="methods", about=about)


def said(query: Query, answer: Answer, name: str) -> np.ndarray:
    """The matrix of one of the functions that were asked of unit images."""
    k = query.about["names"].index(name)
    takes, gives = query.about["shapes"] if name == "" else query.about["shapes"][::-1]
    if name == "resolvent":
        gives = takes
    n = int(np.prod(takes))
    rows = numbers(part(answer, k)[0], f"what {name or 'A'} gives", (n, *gives))
    return rows.reshape(n, -1).T


def after(query: Query, answer: Answer, k: int, shape: tuple[int, ...]) -> np.ndarray:
    """The k-th answer after the matrices."""
    return numbers(part(answer, len(query.about["names"]) + k)[0], "the result", shape)


def judge_forward(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        what = f"an entry of the matrix of {query.function}"
        A, x, y = (query.about[name] for name in ("matrix", "x", "y"))
        close(said(query, answer, ""), A, what, "the definition, written down")
        Ax = after(query, answer, 0, y.shape).reshape(len(x), -1)
        close(Ax, x.reshape(len(x), -1) @ A.T, f"{query.function} of an image beyond [-1, 1]", "the matrix times it")


def judge_dot(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    """The dot test for each sample, relative to the norms."""
    for query, answer in zip(queries, answers, strict=True):
        x, y = query.about["x"], query.about["y"]
        Ax, Aty = after(query, answer, 0, y.shape), after(query, answer, 1, x.shape)
        for k in range(len(x)):
            left, right = float(np.vdot(Ax[k], y[k])), float(np.vdot(x[k], Aty[k]))
            allowed = 1e-10 * max(np.linalg.norm(Ax[k]) * np.linalg.norm(y[k]),
                                  np.linalg.norm(x[k]) * np.linalg.norm(Aty[k]))  # fmt: skip
            if not abs(left - right) <= allowed:
                raise LawBroken(f"<A x, y> and <x, Aᵀ y> of {query.function}", left, right, float(allowed))
        close(said(query, answer, "adjoint"), said(query, answer, "").T, "an entry of the adjoint's matrix",
              "of the transpose of A's")  # fmt: skip


def judge_manners(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    """A batch is its samples; a complex image is its parts; the argument is not written into."""
    for query, answer in zip(queries, answers, strict=True):
        x, y, first = query.about["x"], query.about["y"], len(query.about["names"])
        whole, alone = after(query, answer, 0, y.shape), after(query, answer, 2, y[:1].shape)
        close(alone, whole[:1], "A x of one image alone", "of the same image in a batch")
        back, single = after(query, answer, 1, x.shape), after(query, answer, 3, x[:1].shape)
        close(single, back[:1], "Aᵀ y of one measurement alone", "of the same in a batch")
        for k, given in ((0, x), (1, y)):
            close(part(answer, first + k)[1], given, "the argument after the call", "before it")
        mixed = part(answer, first + 4)[0]
        if not (isinstance(mixed, np.ndarray) and mixed.shape == y.shape and np.iscomplexobj(mixed)):
            raise LawBroken("A of a complex image must be complex, of the shape of a measurement")
        close(mixed.real, whole, "the real part of A (x + i z)", "A x")
        close(mixed.imag, whole[::-1], "the imaginary part of A (x + i z)", "A z")


def judge_pinv(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        A = query.about["matrix"]
        tolerance = 1e-10 * condition(A) ** 2
        close(said(query, answer, "pinv"), np.linalg.pinv(A, rcond=1e-12), "an entry of A⁺", "of numpy's", tolerance)


def judge_resolvent(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        A = query.about["matrix"]
        expected = np.linalg.inv(0.3 * np.eye(len(A)) + 1.7 * A @ A.T)
        close(said(query, answer, "resolvent"), expected, "an entry of (σ² I + c A Aᵀ)⁻¹", "of numpy's inverse")


Queries = Callable[[np.random.Generator], list[Query]]


def operator_checks(
    queries: Queries, points: Mapping[str, int], hidden: int, page: str = LAWS
) -> tuple[Check, ...]:
    """The laws that an exercise's operator owes: the definition, the dot test, and what else it offers."""
    of = {
        "definition": ("A x is what the docstring's formula says, pixel by pixel.", judge_forward, None),
        "dot_test": (statement("operator", "dot_test"), judge_dot, "operators"),
        "pseudo_inverse": (statement("operator", "pseudo_inverse"), judge_pinv, "operators"),
        "dense_resolvent": (statement("operator", "dense_resolvent"), judge_resolvent, "operators"),
    }
    shown = [Check(name, points[name], law, queries, judge, proof, page) for name, (law, judge, proof) in of.items()
             if name in points]  # fmt: skip
    manners = "A batch is its samples, a complex image its two parts, and the argument is not written into."
    return (*shown, Check("manners", hidden, manners, queries, judge_manners, None, page, visible=False))


# 1  Masks


def mask_queries(rng: np.random.Generator) -> list[Query]:
    queries = []
    for shape in ((1, 1, 2), (2, 3, 4)):
        mask = rng.choice([0.0, 0.25, 1.0], shape)
        query = operator_query(
            MASKS, "Mask", {"mask": mask}, (shape, shape), ("", "adjoint"), rng, np.diag(mask.flatten())
        )
        queries.append(query)
    return queries


def random_queries(rng: np.random.Generator) -> list[Query]:
    seed = int(rng.integers(1000))
    return [
        Query(MASKS, "random_mask", {"shape": [c, h, w], "drop": drop, "seed": s})
        for (c, h, w), drop in (((1, 4, 5), 0.7), ((3, 6, 5), 0.5), ((2, 3, 3), 0.0), ((2, 3, 3), 1.0))
        for s in (seed, seed, seed + 1)
    ]


def judge_random(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    masks = []
    for query, answer in zip(queries, answers, strict=True):
        c, h, w = query.arguments["shape"]
        mask = numbers(answer.value, "the mask", (c, h, w))
        masks.append(mask)
        if not np.isin(mask, (0.0, 1.0)).all():
            raise LawBroken("a mask that hides pixels holds 0 and 1 only", float(mask.min()), float(mask.max()))
        count, asked = int((mask[0] == 0).sum()), round(query.arguments["drop"] * h * w)
        if count != asked:
            raise LawBroken(f"hidden pixels of {h} x {w} with drop = {query.arguments['drop']}", count, asked)
        if (mask != mask[:1]).any():
            raise LawBroken("a pixel that is hidden is hidden in all channels")
    for first, again, other in zip(masks[::3], masks[1::3], masks[2::3], strict=True):
        close(again, first, "the mask of one seed, asked again", "the first time")
        if 0 < first.mean() < 1 and first.size > 9 and (first == other).all():
            raise LawBroken("two seeds give the same mask")


masks = Exercise(
    id="1",
    title="Masks",
    text=r"""
The simplest camera: A x = m ⊙ x. Write `Mask._forward` and `Mask._adjoint` (the mask may be soft, and the image
complex), and `random_mask`, which hides an exact number of pixels. `self.mask.like(x)` is the mask in the dtype and
on the device of x.
""",
    cuts=(Cut("teachdiff.operators.masks", ("Mask._forward", "Mask._adjoint", "random_mask"), MASKS),),
    hints=(
        "A diagonal matrix is its own transpose.",
        "A permutation of all pixels, cut at round(drop H W), hides exactly so many; a coin per pixel does not.",
    ),
    checks=(
        *operator_checks(mask_queries, {"definition": 2, "dot_test": 2}, 1),
        Check(
            "random_mask", 4, "round(drop H W) pixels are hidden, the same in all channels; a seed repeats its mask.",
            random_queries, judge_random, None, LAWS,
        ),
    ),
)  # fmt: skip


# 2  One matrix per axis


def average_queries(rng: np.random.Generator) -> list[Query]:
    return [Query(PRODUCT, "average_matrix", {"n": n, "factor": f}) for n, f in ((2, 1), (4, 2), (12, 3), (8, 8))]


def judge_average(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        n, f = query.arguments["n"], query.arguments["factor"]
        x = np.arange(1.0, n + 1) ** 2
        matrix = numbers(answer.value, f"average_matrix({n}, {f})", (n // f, n))
        close(matrix @ x, x.reshape(-1, f).mean(1), f"average_matrix({n}, {f}) times a vector", "the mean of each run")


def product_queries(rng: np.random.Generator) -> list[Query]:
    queries = []
    for (c, h, w), (d, k, m) in (((1, 2, 3), (1, 3, 2)), ((3, 4, 2), (1, 2, 2))):
        of = [rng.standard_normal(sizes) for sizes in ((d, c), (k, h), (m, w))]
        matrix = np.kron(of[0], np.kron(of[1], of[2]))
        made = {"input_shape": [c, h, w], **dict(zip(("channels", "rows", "columns"), of, strict=True))}
        names = ("", "adjoint", "pinv", "resolvent")
        queries.append(operator_query(PRODUCT, "Product", made, ((c, h, w), (d, k, m)), names, rng, matrix))
    return queries


product = Exercise(
    id="2",
    title="One matrix per axis",
    text=r"""
Downsampling, separable blurs and grey are products of three small matrices, for channels, rows and columns. Write
`Product._forward` and `Product._adjoint` with `apply_axes(x, [matrix or None, …])`, and the matrix that averages
each run of `factor` pixels.
""",
    cuts=(Cut("teachdiff.operators.product", ("Product._forward", "Product._adjoint", "average_matrix"), PRODUCT),),
    hints=(
        "`self.matrices` holds three tables, or None for an axis that is left alone; `table.like(x)` is the matrix.",
        "The transpose of a Kronecker product is that of its factors, in the same order.",
        "The adjoint of averaging is no nearest-neighbour upsampling: mind the factor.",
    ),
    checks=(
        *operator_checks(product_queries, {"definition": 3, "dot_test": 3}, 1),
        Check(
            "average", 3, "Each row of the matrix is the mean of one run of pixels.", average_queries, judge_average,
            None, LAWS,
        ),
    ),
)  # fmt: skip


# 3 and 4  Blurs


def kernel_of(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Not symmetric, so that a flip shows."""
    kernel = rng.uniform(0.05, 1, size)
    kernel[0, 0] += 2
    return kernel / kernel.sum()


def blur_matrix(kernel: np.ndarray, shape: Shape, border: str) -> np.ndarray:
    """y_i = sum_j k_j x_{i - j}, entry by entry."""
    c, h, w = shape
    matrix = np.zeros((h * w, h * w))
    p, q = kernel.shape
    for i in range(h):
        for j in range(w):
            for a in range(p):
                for b in range(q):
                    row, column = i - (a - p // 2), j - (b - q // 2)
                    if border == "circular":
                        row, column = row % h, column % w
                    else:
                        row, column = mirror(row, h), mirror(column, w)
                    matrix[i * w + j, row * w + column] += kernel[a, b]
    return np.kron(np.eye(c), matrix)


def mirror(i: int, n: int) -> int:
    """The pixel that stands at i when an image of n pixels is reflected about its outermost ones."""
    return -i if i < 0 else 2 * (n - 1) - i if i >= n else i


def blur_queries(cls: str, border: str, names: Sequence[str], rng: np.random.Generator) -> list[Query]:
    queries = []
    for shape, size in (((1, 3, 4), (3, 3)), ((2, 5, 4), (2, 3))):
        kernel = kernel_of(rng, size)
        matrix = blur_matrix(kernel, shape, border)
        made = {"kernel": kernel, "shape": list(shape)}
        queries.append(operator_query(BLURS, cls, made, (shape, shape), names, rng, matrix))
    return queries


circular = Exercise(
    id="3",
    title="Blur on the torus",
    text=r"""
On the torus a blur is a product in the Fourier domain. Write `_forward`, `_adjoint`, `_pinv` and `_resolvent` of
`CircularConvolution`. `torch.view_as_complex(self._h.like(x))` is the transfer function h, in the half plane that
`fourier_multiply(x, h)` takes; `self._s` is its modulus.
""",
    cuts=(
        Cut(
            "teachdiff.operators.blurs",
            tuple(f"CircularConvolution.{name}" for name in ("_forward", "_adjoint", "_pinv", "_resolvent")),
            BLURS,
        ),
    ),
    hints=(
        "The adjoint of F* diag(h) F has conj(h).",
        "A⁺ divides by h where it is not 0: conj(h)/|h|². `reciprocal` gives 0 where there is nothing to divide by.",
        "σ² I + c A Aᵀ is diagonal in the same basis: σ² + c |h|².",
    ),
    checks=operator_checks(
        partial(blur_queries, "CircularConvolution", "circular", ("", "adjoint", "pinv", "resolvent")),
        {"definition": 2, "dot_test": 3, "pseudo_inverse": 3, "dense_resolvent": 3}, 1,
    ),
)  # fmt: skip

reflect = Exercise(
    id="4",
    title="The border",
    text=r"""
Photographs have borders, and most programs reflect the image there. Then the adjoint is *not* the blur with the
flipped kernel. A = K R with the padding R and the valid convolution K, so Aᵀ = Rᵀ Kᵀ: correlate to the padded size,
then fold what was copied outwards back in. Write `ReflectConvolution._adjoint`.
""",
    cuts=(Cut("teachdiff.operators.blurs", ("ReflectConvolution._adjoint",), BLURS),),
    hints=(
        "Kᵀ: put y where `_forward` cut it out, zeros around, and multiply by conj(h).",
        "Rᵀ: the transposes of the two padding matrices, one for each axis.",
    ),
    checks=operator_checks(
        partial(blur_queries, "ReflectConvolution", "reflect", ("", "adjoint")), {"dot_test": 6}, 1
    ),
)  # fmt: skip


# 5  The singular value decomposition


def svd_queries(rng: np.random.Generator) -> list[Query]:
    queries = []
    for m, n in ((2, 2), (3, 5), (5, 3)):
        A = rng.standard_normal((m, n))
        A[-1] = A[0]  # of less than full rank: a singular value is 0
        U, s, Vh = np.linalg.svd(A)
        s[s < 1e-12 * s[0]] = 0
        left, right = ({"make": "basis", "columns": columns} for columns in (U, Vh.T))
        made = {"s": s.reshape(1, 1, -1), "left": left, "right": right}
        y, c = units_of((1, 1, m)), units_of((1, 1, n))
        asked = [("pinv", y), ("resolvent", y, 0.3, 1.7), ("Ut", y), ("U", c)]
        about = {"A": A, "svd": (U, s)}
        queries.append(Query(SVD, "SVD", {"made": made, "asked": asked}, driver="methods", about=about))
    return queries


def judge_svd(name: str, queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        A = query.about["A"]
        m, n = A.shape
        k = ["pinv", "resolvent", "Ut", "U"].index(name)
        takes, gives = {"pinv": (m, n), "resolvent": (m, m), "Ut": (m, n), "U": (n, m)}[name]
        got = numbers(part(answer, k)[0], f"what {name} gives", (takes, 1, 1, gives)).reshape(takes, gives).T
        U, s = query.about["svd"]
        seen = np.zeros((m, n))  # the columns of U where s > 0, in V's layout
        seen[:, : len(s)] = U[:, : len(s)] * (s > 0)
        expected = {
            "pinv": np.linalg.pinv(A, rcond=1e-12),
            "resolvent": np.linalg.inv(0.3 * np.eye(m) + 1.7 * A @ A.T),
            "Ut": seen.T,
            "U": seen,
        }[name]
        close(got, expected, f"an entry of the matrix of {name}, A being {m} x {n}", "of numpy's")


def judge_factors(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    judge_svd("Ut", queries, answers)
    judge_svd("U", queries, answers)


svd = Exercise(
    id="5",
    title="What a singular value decomposition gives for free",
    text=r"""
With A = U diag(s) Vᵀ in two square bases, the pseudo-inverse and the resolvent are a few products. Write `Ut`, `U`,
`pinv` and `resolvent` of `SVD`. Coefficients of measurements and of images may be of different numbers (`fit` cuts
or fills up); where s = 0, nothing is seen.
""",
    cuts=(Cut("teachdiff.operators.base", ("SVD.Ut", "SVD.U", "SVD.pinv", "SVD.resolvent"), SVD),),
    hints=(
        "`self._seen` is 1 where s > 0, `self._inverse` is 1/s there and 0 elsewhere; `like(y)` gives the tensor.",
        "The resolvent lives in the basis W of all measurements; what A cannot reach is divided by σ² there.",
    ),
    checks=(
        Check(
            "factors", 2, "Uᵀ y and U c are those of numpy's decomposition, 0 where s = 0.", svd_queries,
            judge_factors, "operators", LAWS,
        ),
        Check(
            "pseudo_inverse", 3, statement("operator", "pseudo_inverse"), svd_queries, partial(judge_svd, "pinv"),
            "operators", LAWS,
        ),
        Check(
            "dense_resolvent", 3, statement("operator", "dense_resolvent"), svd_queries,
            partial(judge_svd, "resolvent"), "operators", LAWS,
        ),
    ),
)  # fmt: skip


ASSIGNMENT = Assignment(
    id="hw3",
    title="Operators, adjoints, pseudo-inverses",
    text=r"""
What a camera does to an image is a linear map, and every method needs three things of it: A x, Aᵀ y, and a cheap
way to solve with A Aᵀ. Your operators are asked about small images, so that their matrices can be written down and
compared with numpy's.
""",
    minutes=150,
    exercises=(masks, product, circular, reflect, svd),
)
