r"""Units: [0, 1] against [-1, 1].

The library's images live in [-1, 1], papers' often in [0, 1]: x = 2 x01 - 1. A standard deviation
scales with the factor and ignores the shift, so sigma = 2 sigma01, a variance with its square. A
program that adds sigma = 0.05 on one scale and reads it on the other is wrong by a factor of two.

The measurement y01 = A x01 + sigma01 w becomes y = 2 y01 - 1 only if A keeps constants (a blur, a mean);
a mask does not, so its y is 2 y01 - A 1: hidden pixels must be 0 in *our* units.

PSNR compares the squared range with the mean squared error; both scale by 4, so it is the same
number in both units, provided that the range is right: 2 for [-1, 1], not 1.
"""

from sympy import Matrix, ones

from derivations.checker import Code, Derivation, Entries, Equal, InLaw, Unequal
from derivations.symbols import declare, get

sigma, s, y, w, x_0 = get("sigma", "s", "y", "w", "x_0")
x01 = declare("x01", r"x^{[0,1]}", "an image in units of [0, 1]", "real", ("x_0",))
guess01 = declare("guess01", r"\hat x^{[0,1]}", "an estimate of it", "real", ("x01",))
sigma01 = declare("sigma01", r"\sigma^{[0,1]}", "a noise level in units of [0, 1]", "positive", ("sigma",))

pixels = Matrix(
    [declare(f"x01_{i}", f"x^{{[0,1]}}_{{({i})}}", f"pixel {i} in units of [0, 1]", "real") for i in (1, 2)]
)
weights = Matrix(2, 2, lambda i, j: get(f"A{i + 1}{j + 1}"))

from_unit = 2 * sigma01
to_unit = sigma / 2

derivation = Derivation(
    name="units",
    title="Units of sigma, and PSNR",
    statement=r"With $x = 2x^{[0,1]}-1$: $\sigma = 2\sigma^{[0,1]}$; $y = 2y^{[0,1]} - A\mathbf 1$, which is $2y^{[0,1]}-1$ only if $A$ keeps "
    r"constants (entry by entry, $2\times2$); and PSNR is the same in both units if the range is 2 in $[-1,1]$ and 1 in $[0,1]$; with range 1 "
    r"in $[-1,1]$ the ratio is 4 times too small (6.02 dB).",
    assumptions=["PSNR = 10 log10(range^2/MSE), so equality of the ratios is equality of PSNR."],
    steps=[
        InLaw(
            2 * (x01 + sigma01 * w) - 1,
            x_0 + from_unit * w,
            "Noise on the [0, 1] scale, looked at on the other: twice the standard deviation.",
            using={x01: (x_0 + 1) / 2},
        ),
        InLaw(
            (x_0 + sigma * w + 1) / 2,
            x01 + to_unit * w,
            "And back: half of it.",
            using={x_0: 2 * x01 - 1},
        ),
        Equal(from_unit, sigma, "One conversion ...", using={sigma01: to_unit}),
        Equal(to_unit, sigma01, "... undoes the other.", using={sigma: from_unit}),
        Unequal(
            (2 * (x01 + sigma01 * w) - 1,), (2 * x01 - 1 + sigma01 * w,), "The same figure means two noise levels."
        ),
        Entries(
            2 * (weights * pixels) - weights * ones(2, 1),
            weights * (2 * pixels - ones(2, 1)),
            "A linear camera in our units: subtract A 1, the picture of a constant.",
        ),
        Unequal(
            (2 * (weights * pixels) - ones(2, 1))[0],
            (weights * (2 * pixels - ones(2, 1)))[0],
            "2 y - 1 is not it in general ...",
        ),
        Entries(
            2 * (weights * pixels) - ones(2, 1),
            weights * (2 * pixels - ones(2, 1)),
            "... but it is if each row of A sums to 1.",
            using={get("A11"): 1 - get("A12"), get("A22"): 1 - get("A21")},
        ),
        Equal(
            2**2 / ((2 * x01 - 1) - (2 * guess01 - 1)) ** 2,
            1 / (x01 - guess01) ** 2,
            "PSNR's ratio: range^2 and the squared error both grow by 4.",
        ),
        Equal(
            1 / ((2 * x01 - 1) - (2 * guess01 - 1)) ** 2,
            1 / (4 * (x01 - guess01) ** 2),
            "With range 1 on [-1, 1] images the ratio is 4 times too small: 10 log10(4) = 6.02 dB.",
        ),
    ],
    code=[
        Code("teachdiff.problems.sigma_from_unit_range", from_unit, {"sigma": "sigma01"}, numbers=True),
        Code("teachdiff.problems.sigma_to_unit_range", to_unit, {"sigma": "sigma"}, numbers=True),
    ],
    source="Design note of this library; field reports of a factor two.",
)
