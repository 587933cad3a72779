r"""One table of symbols for all proofs, pages and code.

In sympy two symbols of one name and other assumptions never cancel, and nothing says so. So no
derivation makes a symbol of its own: it asks this table, `get("alpha_bar", "x_t")`, and a name that
the table lacks is declared once, with `declare`, in the file that needs it. A name has one TeX form,
one meaning and one domain everywhere.

Domains
    unit         a number in (0, 1): the alphas
    positive     a number > 0
    nonnegative  a number >= 0
    real         any real number: one coordinate of an image, a score, a noise estimate
    noise        a standard normal random variable, independent of all the others. Two uses of one
                 noise symbol are the same draw; a fresh draw needs a fresh symbol.

Some symbols are defined by others, e.g. alpha_bar = alpha * alpha_bar_prev. `unfold` puts the
definitions in. Images are vectors, but most formulas of diffusion act coordinate by coordinate;
where a symbol stands for one coordinate, so does the proof.
"""

from dataclasses import dataclass

import sympy as sp


@dataclass(frozen=True)
class Entry:
    """One row of the table. `confused` names the symbols that a hasty hand writes in its place."""

    name: str
    tex: str
    meaning: str
    domain: str
    confused: tuple[str, ...] = ()

    @property
    def symbol(self) -> sp.Symbol:
        return sp.Symbol(self.name, **_ASSUMPTIONS[self.domain])


_ASSUMPTIONS = {
    "unit": {"positive": True},
    "positive": {"positive": True},
    "nonnegative": {"nonnegative": True},
    "real": {"real": True},
    "noise": {"real": True},
}

TABLE: dict[str, Entry] = {}
_BY_SYMBOL: dict[sp.Symbol, Entry] = {}


def declare(name: str, tex: str, meaning: str, domain: str, confused: tuple[str, ...] = ()) -> sp.Symbol:
    """Add a symbol to the table, or find it there again.

    Raises:
        ValueError: an unknown domain, or the name stands in the table with another domain or TeX.
    """
    if domain not in _ASSUMPTIONS:
        raise ValueError(f"domain must be one of {', '.join(_ASSUMPTIONS)}; got {domain!r} for {name}.")
    entry = Entry(name, tex, meaning, domain, confused)
    known = TABLE.setdefault(name, entry)
    if (known.domain, known.tex) != (domain, tex):
        raise ValueError(
            f"symbol {name} is already {known.tex} ({known.domain}: {known.meaning}); "
            f"it cannot also be {tex} ({domain}). Choose another name."
        )
    _BY_SYMBOL[known.symbol] = known
    return known.symbol


def get(*names: str):
    """The symbols of these names: one symbol for one name, a list for several.

    Raises:
        KeyError: a name that is not in the table.
    """
    missing = [name for name in names if name not in TABLE]
    if missing:
        raise KeyError(f"no symbol {', '.join(missing)} in the table; add it with symbols.declare(...).")
    found = [TABLE[name].symbol for name in names]
    return found[0] if len(found) == 1 else found


def entry(symbol: sp.Symbol) -> Entry:
    """The table's row of a symbol.

    Raises:
        KeyError: a symbol that did not come from the table.
    """
    if symbol not in _BY_SYMBOL:
        raise KeyError(f"{symbol!r} does not come from the symbol table: use symbols.get or symbols.declare.")
    return _BY_SYMBOL[symbol]


def is_noise(symbol: sp.Basic) -> bool:
    return symbol in _BY_SYMBOL and _BY_SYMBOL[symbol].domain == "noise"


def tex(expression) -> str:
    """LaTeX of an expression, a tuple or a matrix, in the table's notation."""
    names = {symbol: row.tex for symbol, row in _BY_SYMBOL.items()}
    if isinstance(expression, tuple | list):
        return r"\left(" + r",\; ".join(tex(part) for part in expression) + r"\right)"
    return sp.latex(expression, symbol_names=names)


def _table() -> None:
    rows = """
    alpha           | \\alpha_t               | unit | 1 - beta_t                              | alpha_bar alpha_prev
    alpha_prev      | \\alpha_{t-1}           | unit | 1 - beta_{t-1}                          | alpha alpha_bar_prev
    alpha_bar       | \\bar\\alpha_t          | unit | the product alpha_1 ... alpha_t         | alpha alpha_bar_prev
    alpha_bar_prev  | \\bar\\alpha_{t-1}      | unit | the product alpha_1 ... alpha_{t-1}     | alpha_bar alpha
    alpha_bar_prev2 | \\bar\\alpha_{t-2}      | unit | the product alpha_1 ... alpha_{t-2}     | alpha_bar_prev
    beta            | \\beta_t                | unit | the variance that step t adds           | alpha beta_prev
    beta_prev       | \\beta_{t-1}            | unit | the variance that step t-1 adds         | beta
    beta_tilde      | \\tilde\\beta_t         | unit | the variance of q(x_{t-1} given x_t, x_0) | beta
    sigma           | \\sigma                 | positive | standard deviation of the measurement's noise | gamma
    gamma           | \\gamma_t               | nonnegative | ScoreALD's tempering                | sigma
    tau             | \\tau                   | positive | standard deviation of a Gaussian prior | sigma
    mu              | \\mu                    | real | mean of a Gaussian prior                | x_0
    s               | s                       | positive | a singular value of A                   | tau
    eta             | \\eta                   | unit | how much fresh noise a step takes       | eta_b
    eta_b           | \\eta_b                 | unit | DDRM's weight of the measurement        | eta
    zeta            | \\zeta                  | positive | step size of a guidance term            | lam
    lam             | \\lambda                | positive | weight of a prior or a term             | rho
    rho             | \\rho                   | positive | weight of ADMM's coupling               | lam
    x_0             | x_0                     | real | the clean image (one coordinate)        | x_t
    x_t             | x_t                     | real | the image with noise level t            | x_0 x_prev
    x_prev          | x_{t-1}                 | real | the image with noise level t-1          | x_t
    x_prev2         | x_{t-2}                 | real | the image with noise level t-2          | x_prev
    x0_hat          | \\hat x_0               | real | the denoiser's mean of x_0 given x_t    | x_0
    y               | y                       | real | the measurement                         | x_t
    s_theta         | s_\\theta               | real | the score, grad log p_t(x_t)            | eps_theta
    eps_theta       | \\epsilon_\\theta       | real | the prediction of the noise in x_t      | s_theta v_theta
    v_theta         | v_\\theta               | real | the prediction of v                     | eps_theta
    z               | z                       | noise | a standard normal draw                 | z_t
    z_t             | z_t                     | noise | the draw of forward step t              | z_prev
    z_prev          | z_{t-1}                 | noise | the draw of forward step t-1            | z_t
    z_new           | z'                      | noise | the fresh draw of a reverse step        | z
    n_0             | n_0                     | noise | the draw that makes x_0 = mu + tau n_0  | z
    w               | w                       | noise | the measurement's draw                  | z
    """
    for line in rows.strip().splitlines():
        name, latex, domain, meaning, confused = (cell.strip() for cell in line.split("|"))
        declare(name, latex, meaning, domain, tuple(confused.split()))


_table()


def _definitions() -> list[tuple[sp.Symbol, sp.Expr, tuple[sp.Symbol, ...]]]:
    """(symbol, what it abbreviates, needed by): a definition that is `needed by` others is unfolded
    only where one of these appears; alone the symbol is free, because its parts are."""
    a, a1, ab, ab1, ab2 = get("alpha", "alpha_prev", "alpha_bar", "alpha_bar_prev", "alpha_bar_prev2")
    b, b1, bt = get("beta", "beta_prev", "beta_tilde")
    return [
        (bt, (1 - ab1) / (1 - ab) * (1 - a), ()),
        (b, 1 - a, ()),
        (b1, 1 - a1, ()),
        (ab, a * ab1, ()),
        (ab1, a1 * ab2, (a1, ab2)),
    ]


_DEFINITIONS = _definitions()


def unfold(*expressions):
    r"""The expressions with abbreviations put in: :math:`\bar\alpha_t = \alpha_t\bar\alpha_{t-1}`,
    :math:`\beta_t = 1-\alpha_t`, :math:`\tilde\beta_t`. They are unfolded together, so that
    :math:`\bar\alpha_{t-1}` is a free number in (0, 1) in all of them or in none.
    """
    expressions = list(expressions)
    for symbol, meaning, needed_by in _DEFINITIONS:
        free = set().union(*(e.free_symbols for e in expressions))
        if symbol in free and (not needed_by or free & set(needed_by)):
            expressions = [e.xreplace({symbol: meaning}) for e in expressions]
    return expressions
