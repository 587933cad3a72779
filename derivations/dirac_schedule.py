r"""Dirac's greedy schedule: what it keeps, and what it does not.

Severities 0 = t_0 < t_1 < ... < t_{m+1} = 1 are chosen so that the largest distance of neighbours is small: start with 0
and 1, and again and again split the interval with the largest distance. If the distance grows with the interval, then each
split leaves two distances that are no larger, so the maximum does not grow. (If it does not grow with the
interval, a split may raise the maximum.)

But the result is not even locally optimal. Take d(s, t) = t - s, one picture that fades evenly. Two splits give 0, 1/4, 1/2,
1 with the largest distance 1/2. *Every* move of the point 1/2 to the right by less than 1/4 makes it smaller; at 5/8 it
is 3/8. The optimum, 0, 1/3, 2/3, 1, has 1/3. Halving is optimal for 1, 3, 7, ... points only; in between it
is worse by a factor of up to 2.
"""

from derivations.checker import Derivation, Equal, Positive, Unequal
from derivations.symbols import declare, get

eta, eta_b, h, x_0 = get("eta", "eta_b", "h", "x_0")
distance = declare("distance", "d", "the distance over an interval of severities", "positive", ("h",))
largest = declare("largest", "M", "the largest distance of neighbours", "positive", ("distance",))
point = declare("point", "p", "a severity that is moved", "positive", ("largest",))
third = declare("third", r"\theta", "a number in (0, 1)", "unit", ("eta",))


def gap(left, right):
    """The distance of two severities for a picture that fades evenly, A_t(x) = (1 - t) x, over |x|."""
    return ((1 - left) * x_0 - (1 - right) * x_0) / x_0


derivation = Derivation(
    name="dirac_schedule",
    title="The greedy schedule of severities",
    statement=r"If a part of an interval has at most its distance, a split never raises the largest distance; else it may. For $d(s,t)=t-s$ and two points "
    r"the greedy schedule is $0,\frac14,\frac12,1$: moving the point $\frac12$ to the right by less than $\frac14$ lowers the largest distance, "
    r"so it is not locally optimal. The optimum of $m$ points is $\frac1{m+1}$; halving is less than twice as bad.",
    assumptions=["Distances of the part are written eta times that of the whole, eta in (0, 1). The maximum is taken over three intervals."],
    steps=[
        Equal(gap(point, point + h), h, "One picture that fades evenly: the distance is the difference of severities."),
        Positive(
            distance,
            distance * eta,
            "A split of an interval leaves parts that are no further apart, if the distance grows with the interval ...",
            by=distance * (1 - eta),
        ),
        Positive(
            (distance + h) ** 2,
            distance**2,
            "... and if it does not, a point outside may be further from both ends than they are from each other.",
            by=h * (2 * distance + h),
        ),
        Positive(
            gap(point * 2, point * 4),
            gap(point, 3 * point - eta * point),
            "Greedy, with unit 4p: points at p, 2p. Move the second to 3p - eta p: the interval before it stays below 2p, the largest of before ...",
            by=eta * point,
        ),
        Positive(
            gap(point * 2, point * 4),
            gap(3 * point - eta * point, 4 * point),
            "... and so does the one after it: the largest distance falls, by a move of a single point.",
            by=point * (1 - eta),
        ),
        Positive(
            3 * largest,
            largest * eta + largest * eta_b + largest * third,
            "The optimum: three distances that are at most M each add up to at most 3 M, so M is at least 1/3 of the whole.",
            by=largest * (1 - eta + 1 - eta_b + 1 - third),
        ),
        Positive(
            2 * distance / (1 + third),
            distance,
            "Halving m + 1 = 2^k (1 + theta) intervals leaves 2^-k, the optimum is 1/(m + 1): a factor 1 + theta below 2.",
            by=distance * (1 - third) / (1 + third),
        ),
        Unequal(gap(point * 2, point * 4), 4 * point / 3, "So for two points the greedy 1/2 is not the optimal 1/3."),
    ],
    source="Dirac, appendix B, eq. 24.",
)
