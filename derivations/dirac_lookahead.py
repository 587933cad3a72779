r"""Four ways to guess the next increment, and how wrong they are.

A step needs R = A_{t-Delta t}(x_0) - A_t(x_0). Along the path of one picture, A_{t+h} = A + h A' + h^2/2 A'' + h^3/6 A''' + ...,
four differences approximate it (delta = c Delta t, 0 < c < 1):

    look-ahead         A_{t-Delta t} - A_t                     exact
    small look-ahead   (Delta t/delta)(A_{t-delta} - A_t)        error  -Delta t (Delta t - delta)/2 A''
    look-back          A_t - A_{t+Delta t}                     error  -Delta t^2 A''
    small look-back    (Delta t/delta)(A_t - A_{t+delta})        error  -Delta t (Delta t + delta)/2 A''

All have the right sign, and errors of second order in one step, so of first order over all. In this order they are
ranked: |look-ahead| < |small look-ahead| < |small look-back| < |look-back|. A smaller delta makes the small look-back
better and the small look-ahead *worse*. That is the error with the true picture. With a prediction it turns round: a Phi with
A_t(Phi) = A_t(x_0) agrees with x_0 at every severity above t, so the two look-backs are as good with it as with x_0.

At t = 1 the look-backs ask for a severity above 1, which is not there.
"""

from derivations.checker import Derivation, Equal, Positive, SameOrder, Unequal
from derivations.dirac_consistency import A_2, G, x_a, x_b
from derivations.symbols import declare, get

eta, h = get("eta", "h")
D = [
    declare(f"path{k}", "A" + "'" * k, f"derivative {k} in time of A_t(x_0)", "real", (f"path{(k + 1) % 5}",))
    for k in range(5)
]
curvature = D[2]


def path(shift):
    """A_{t + shift}(x_0), to fourth order."""
    return D[0] + shift * D[1] + shift**2 / 2 * D[2] + shift**3 / 6 * D[3] + shift**4 / 24 * D[4]


delta = eta * h  # the small step; h is Delta t
ahead = path(-h) - path(0)
small_ahead = (path(-delta) - path(0)) / eta
back = path(0) - path(h)
small_back = (path(0) - path(delta)) / eta

derivation = Derivation(
    name="dirac_lookahead",
    title="Look-ahead, look-back, and their small versions",
    statement=r"For a smooth path, $\delta=c\,\Delta t$ (here $c=\eta$, $\Delta t=h$): the errors of small look-ahead, look-back and small look-back "
    r"are $-\frac{\Delta t(\Delta t-\delta)}2A''$, $-\Delta t^2A''$, $-\frac{\Delta t(\Delta t+\delta)}2A''$, up to $O(\Delta t^3)$: "
    r"so the small look-ahead is the best of the three and the look-back the worst. If $A_t(\Phi)=A_t(x_0)$ both look-backs are the same with $\Phi$ as with $x_0$.",
    assumptions=["Taylor's theorem: A_{t+h} = A + h A' + h^2/2 A'' + ..., here to the fourth order."],
    leans_on=["dirac_consistency"],
    steps=[
        SameOrder(
            small_ahead - ahead,
            -h * (h - delta) / 2 * curvature,
            "Small look-ahead: it extends the slope of a short step over a long one ...",
            h=h,
            order=3,
        ),
        Equal(small_ahead, ahead, "... and is exact for delta = Delta t.", using={eta: 1}),
        SameOrder(
            back,
            ahead - h**2 * curvature,
            "Look-back: the slope on the other side of t.",
            h=h,
            order=3,
        ),
        SameOrder(
            small_back - ahead,
            -h * (h + delta) / 2 * curvature,
            "Small look-back: the slope nearer to t, from the other side.",
            h=h,
            order=3,
        ),
        Positive(
            (h * (h + delta) / 2) ** 2,
            (h * (h - delta) / 2) ** 2,
            "The small look-back's error is the larger one of the two small ones ...",
            by=h**4 * eta,
        ),
        Positive(
            (h**2) ** 2,
            (h * (h + delta) / 2) ** 2,
            "... and the look-back's the largest of all.",
            by=h**4 * (1 - eta) * (3 + eta) / 4,
        ),
        Unequal(
            small_ahead - ahead,
            0,
            "A shrinking delta does not help the small look-ahead: the error stays, unless the path is straight.",
            using={D[3]: 0, D[4]: 0},
        ),
        Equal(
            A_2(x_b) - G(A_2(x_b)),
            A_2(x_a) - G(A_2(x_a)),
            "A prediction that agrees with the picture at t agrees at t + delta: the look-back is as good as with the picture itself.",
            using={A_2(x_b): A_2(x_a)},
        ),
        SameOrder(
            (ahead + back) / 2,
            -h * D[1],
            "Look-ahead and look-back lie on two sides of the straight path: their mean is straight up to the third order.",
            h=h,
            order=3,
        ),
    ],
    source="Dirac, appendix G, eqs. 29 to 36.",
)
