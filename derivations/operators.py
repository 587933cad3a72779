r"""Cameras as matrices: adjoints, pseudo-inverses, resolvents.

The adjoint A^T is defined by <A x, y> = <x, A^T y>. For each camera of the library we write down the
matrix of a small one and read off A^T, A A^T and the pseudo-inverse A^+, entry by entry; the general
identities, for any number of rows and columns, follow in the coordinates of the SVD.

A masked pixel, a mean over a block and a mean over colours are all simple because A A^T is a multiple
of the identity (or diagonal with zeros); a circular blur is not, but its adjoint is a blur with
the kernel turned round, and it commutes with its adjoint, so that one basis diagonalises both.
"""

from sympy import Identity, Matrix, eye, ones

from derivations import spectral
from derivations.checker import Derivation, Entries, Equal, InSVD, Unequal, product
from derivations.likelihood_score import A as general
from derivations.likelihood_score import data
from derivations.likelihood_score import x as pixels3
from derivations.spectral import A, A_pinv, M, N
from derivations.symbols import declare, get

sigma = get("sigma")
c = declare("c", "c", "a number >= 0 in a resolvent", "positive", ("sigma",))
x, y = spectral.vector("x", N), spectral.vector("y", M)

kernel = [declare(f"k{i}", f"k_{{{i}}}", f"entry {i} of a blur kernel", "real") for i in range(3)]
blur = Matrix(3, 3, lambda i, j: kernel[(i - j) % 3])
turned = Matrix(3, 3, lambda i, j: kernel[(j - i) % 3])

point = Matrix([1, 0, 0])
tested = Matrix([*data, declare("y3", "y_{(3)}", "entry 3 of a small measurement", "real")])

mask = Matrix.diag(1, 0, 1, 1)
down = Matrix(2, 4, [1, 1, 0, 0, 0, 0, 1, 1]) / 2  # the mean of each block of two
grey = ones(1, 3) / 3  # the mean of three colours


derivation = Derivation(
    name="operators",
    title="Adjoints, pseudo-inverses and resolvents",
    statement=r"For any $A$ (in SVD coordinates): the four Penrose identities for $A^+$; $A^\top(\sigma^2I+cAA^\top)^{-1} = "
    r"(\sigma^2I+cA^\top A)^{-1}A^\top$; $x \mapsto x - A^+(Ax-y)$ is data consistent where $y$ is in the range. For small explicit "
    r"matrices (3 or 4 pixels, 3 colours): adjoint and pseudo-inverse of a mask, a block mean, a mean of colours, a circular blur.",
    assumptions=["A^+ in SVD coordinates: 1/s for s > 0, else 0."],
    steps=[
        Entries(
            (general * pixels3).T * data,
            pixels3.T * (general.T * data),
            "The definition, for a general 2 x 3 matrix: <A x, y> = <x, A^T y>.",
        ),
        InSVD(A * A_pinv * A, A, "Penrose 1: A^+ undoes A on what A sees."),
        InSVD(A_pinv * A * A_pinv, A_pinv, "Penrose 2: and adds nothing of its own."),
        InSVD((A * A_pinv).T, A * A_pinv, "Penrose 3: A A^+ is symmetric: the projection on the range."),
        InSVD((A_pinv * A).T, A_pinv * A, "Penrose 4: and so is A^+ A, the projection on what A sees."),
        InSVD(
            A * (x - A_pinv * (A * x - y)),
            A * A_pinv * y,
            "x - A^+(A x - y) has the measurement A A^+ y: y itself, if y is in the range. (DDNM's projection.)",
        ),
        InSVD(
            (Identity(N) - A_pinv * A) * (x - A_pinv * (A * x - y)),
            (Identity(N) - A_pinv * A) * x,
            "And what A does not see of x is left alone.",
        ),
        InSVD(
            A.T * (sigma**2 * Identity(M) + c * A * A.T).inv(),
            (sigma**2 * Identity(N) + c * A.T * A).inv() * A.T,
            "The push-through identity: a resolvent on either side of A.",
        ),
        InSVD(
            (sigma**2 * Identity(N) + c * A.T * A).inv(),
            (Identity(N) - c * A.T * (sigma**2 * Identity(M) + c * A * A.T).inv() * A) / sigma**2,
            "Woodbury: invert the smaller of the two.",
        ),
        Entries(product(mask, mask.T), mask, "A mask: A^T = A and A A^T = A, so A^+ = A."),
        Entries(
            product(sigma**2 * eye(4) + c * mask, Matrix.diag(*[1 / (sigma**2 + c * m) for m in (1, 0, 1, 1)])),
            eye(4),
            "Its resolvent divides each pixel by sigma^2 + c m.",
        ),
        Entries(product(down, down.T), eye(2) / 2, "A mean over blocks of two: A A^T = I/2 ..."),
        Entries(product(down, 2 * down.T, down), down, "... so A^+ = 2 A^T, which repeats each value: Penrose 1 ..."),
        Entries(
            product(2 * down.T, down),
            Matrix.diag(ones(2, 2), ones(2, 2)) / 2,
            "... and A^+ A replaces each block by its mean.",
        ),
        Entries(product(grey, grey.T), eye(1) / 3, "The mean of three colours: A A^T = 1/3, so A^+ = 3 A^T ..."),
        Entries(product(grey, ones(3, 1)), eye(1), "... which copies the grey into each colour; and grey A^+ = 1."),
        Entries(
            (blur * pixels3).T * tested,
            pixels3.T * (turned * tested),
            "A circular blur (three pixels): its adjoint blurs with the kernel turned round ...",
        ),
        Entries(
            product(blur, turned), product(turned, blur), "... and commutes with it, so one basis diagonalises both."
        ),
        Unequal(
            (blur * point)[1],
            (turned * point)[1],
            "Unless the kernel is symmetric, a blur is not its own adjoint.",
        ),
        Equal(
            ((blur.T - blur) * point)[1],
            0,
            "With k_1 = k_2 it is.",
            using={kernel[2]: kernel[1]},
        ),
    ],
    source="Golub and Van Loan, 'Matrix computations', section 5.5.",
)
