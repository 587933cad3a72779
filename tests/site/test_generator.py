"""The generated pages say what the derivations, the ledger and the command line are; without judging them anew."""

import re

import pytest

from derivations import ledger, registry
from docs.generator import commands, graph, proofs, results, rows, source, words
from teachdiff.course.registry import assignments

THEOREMS = registry.everything()


@pytest.fixture(scope="module")
def findings():
    """What the checker would say, with one theorem really checked."""
    judged = {"counterexample": "at alpha = 1/4 (mean of variable 1): left sqrt(3)/2, right 1", "consequence": ""}
    found = {row.id: {**judged, "reason": row.reason} for row in ledger.rows()}
    step = {"seconds": 0.1, "reason": "Because.", "tex": "x", "status": "proved", "counterexample": "", "example": None}
    for name, theorem in THEOREMS.items():
        steps = [{**step, "kind": s.kind, "twins": 1} for s in theorem.steps]
        found[name] = {"status": "proved", "seconds": 1.0, "premises": [], "steps": steps}
    return found | {"units": results.check("units")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no symbol, e.g. a word", "no symbol, e.g. a word"),
        ("alpha_bar_{t-1} < 1", r'<span class="arithmatex">\(\bar\alpha_{t-1}\)</span> &lt; 1'),
        ("x_t and x0_hat", r'<span class="arithmatex">\(x_{t}\)</span> and <span class="arithmatex">\(\hat x_0\)</span>'),
        ("(sigma_(t-1))^2", r'(<span class="arithmatex">\(\sigma_{t-1}\)</span>)^2'),
        ("sqrt(1 - alpha_bar_t)", r'<span class="arithmatex">\(\sqrt{1 - \bar\alpha_{t}}\)</span>'),
        ("`a <= b` <= c", "<code>a &lt;= b</code> ≤ c"),
        ("dirac_sde, dps.", '<a href="../proofs/dirac_sde.html"><code>dirac_sde</code></a>, dps.'),
        ("see liu.dps", 'see <a href="../ledger.html#liu.dps"><code>liu.dps</code></a>'),
        ("A.T x", "A.T x"),
    ],
)
def test_words_with_symbols(text, expected):
    assert words.plain(text, words.address_of("proofs")) == expected


@pytest.mark.parametrize(
    ("tex", "expected"),
    [
        (r"x = 1", r'<span class="arithmatex">\(x = 1\)</span>'),
        (r"\text{all of } x_0 \text{ is } 3, 4", r'all of  <span class="arithmatex">\(x_0\)</span>  is  3, 4'),
        (r"a\quad\text{against}\quad b", r'<span class="arithmatex">\(a\)</span> against <span class="arithmatex">\(b\)</span>'),
        (r"x_\text{MAP} < \frac{\text{a}}{b}", r'<span class="arithmatex">\(x_\text{MAP} &lt; \frac{\text{a}}{b}\)</span>'),
        (r"\text{50\% of $x_t$}", r'50% of <span class="arithmatex">\(x_t\)</span>'),
        (r"M < N.\ \text{So}", r'<span class="arithmatex">\(M &lt; N.\)</span> So'),
    ],
)
def test_printed_lines_break_at_their_words(tex, expected):
    assert words.printed(tex) == expected


def test_every_printed_line_keeps_all_its_pieces():
    for row in ledger.rows():
        for tex in (row.printed, row.corrected):
            pieces = words.texts(tex)
            assert "".join(rf"\text{{{p}}}" if is_words else p for is_words, p in pieces) == tex
            assert all(p.count("{") == p.count("}") for _, p in pieces), row.id


def test_counterexamples_are_typeset():
    made = words.counterexample("at alpha = 1/4, x_t = -1 (mean of variable 1): left sqrt(3)/2, right 2; at any values: left 1, right 2")
    assert made.count("<li>") == 2 and r"\alpha_t = 1/4" in made and r"\frac{\sqrt{3}}{2} \approx 0.866" in made
    assert "(mean of variable 1)" in made and "For any values" in made


def test_every_theorem_has_a_page_with_each_step_symbol_and_row(findings):
    made = proofs.pages(findings)
    assert set(made) == {f"proofs/{name}.md" for name in THEOREMS}
    for name, theorem in THEOREMS.items():
        text = made[f"proofs/{name}.md"]
        assert re.findall(r'<li id="step-(\d+)"', text) == [str(i + 1) for i in range(len(theorem.steps))]
        for entry in proofs.symbols_of(theorem):
            assert words.math(entry.tex) in text
        for row in ledger.rows():
            if row.proof == name:
                assert f"../ledger.html#{row.id}" in text
                assert (f'<li class="td-step td-refuted" id="{row.id}">' in text) == row.mistake
        for tie in theorem.code:
            assert f'<autoref identifier="{tie.function}">' in text


def test_a_theorem_leads_to_the_exercises_that_ask_for_it(findings):
    pages = proofs.pages(findings)
    assert "<code>hw1</code></a>, 4 (Tweedie's formula)" in pages["proofs/tweedie.md"]
    asked = {check.proof for a in assignments() for e in a.exercises for check in e.checks}
    for name in THEOREMS:
        assert ("Exercises that ask for it" in pages[f"proofs/{name}.md"]) == (name in asked)


def test_a_mistake_stands_beside_the_step_that_it_contradicts():
    """mashayak's eq. 12 is the marginal without its bars; the marginal is what the induction of vp_marginal proves."""
    (row,) = ledger.find("mashayak.eq12")
    theorem = THEOREMS["vp_marginal"]
    assert theorem.steps[proofs.place(row, theorem)].kind == "induction"


def test_the_numbers_of_a_step_are_the_checkers(findings):
    text = proofs.page(THEOREMS["units"], findings, None, None)
    assert "both sides are" in text and "Counterexample" not in text
    for step, found in zip(THEOREMS["units"].steps, findings["units"]["steps"], strict=True):
        assert words.display(proofs._broken(found["tex"], step)) in text


def test_a_long_formula_is_broken_before_its_relation():
    theorem = THEOREMS["reverse_mean"]
    long, short = theorem.steps[0], THEOREMS["vp_marginal"].steps[0]
    assert proofs._broken(short.tex(), short) == short.tex()
    broken = proofs._broken(long.tex(), long)
    assert broken.startswith(r"\begin{aligned}&") and r"\\&\quad =" in broken
    assert broken.replace(r"\begin{aligned}&", "").replace(r"\\&\quad", "").replace(r"\end{aligned}", "") == long.tex()


def test_the_ledger_has_a_row_for_each_and_counts_them(findings):
    text = rows.page(findings)
    assert re.findall(r'<tr id="([^"]+)"', text) == [row.id for row in ledger.rows()]
    for document in ledger.DOCUMENTS:
        own = [row for row in ledger.rows() if row.document == document]
        assert f"</td><td>{len(own)}</td></tr>" in text.split(f'href="#document={document}">{document}</a>')[1].split("\n")[0]
    for row in ledger.rows():
        assert row.origin == "" or f'data-origin="{row.origin.split(":")[0].replace(" ", "-")}"' in text


def test_lines_of_the_graph_lead_downwards_and_none_is_missing():
    level = {name: i for i, row in enumerate(graph.layers()) for name in row}
    assert set(level) == set(THEOREMS)
    picture = graph.svg({}, {})
    drawn = set(re.findall(r'data-from="([^"]+)" data-to="([^"]+)"', picture))
    assert drawn == {(name, other) for name, theorem in THEOREMS.items() for other in theorem.leans_on}
    assert all(level[name] > level[other] for name, other in drawn)
    assert set(re.findall(r'href="proofs/([^"]+)\.html"', picture)) == set(THEOREMS)


def test_the_graph_counts_mistakes_and_shows_premises():
    picture = graph.svg({"dps": 3}, {"units": ["a premise"]})
    assert "refutes 3 printed lines" in picture and picture.count("td-count") == 1
    assert picture.count("td-node td-premise") == 1


def test_every_command_and_option_has_an_address():
    text = commands.page()
    assert {"tour", "course list", "course grade"} <= set(commands.commands())
    for name, command in commands.commands().items():
        place = commands.anchor_of(name)
        assert f"{{ #{place} }}" in text
        for parameter in command.params:
            if parameter.param_type_name == "option" and not parameter.hidden:
                assert f'<tr id="{place}{max(parameter.opts, key=len)}">' in text
        assert words.plain(" ".join((command.help or "").split("\n\n")[0].split())) in text


def test_links_to_source_lines_hit_what_they_name():
    line, steps = source.derivation_lines("tweedie.covariance")
    text = (results.ROOT / "derivations" / "tweedie.py").read_text(encoding="utf-8").splitlines()
    assert "Derivation(" in text[line - 1] and 'name="tweedie.covariance"' in text[line]
    assert len(steps) == len(THEOREMS["tweedie.covariance"].steps)
    assert all("Integrals(" in text[number - 1] for number in steps)
    assert f'id="L-{line}"' in source.page("derivations/tweedie.py")


def test_the_tests_that_pages_point_at_exist():
    for path, name in (proofs.TEST_OF_STEPS, proofs.TEST_OF_CODE):
        assert source.function_line(path, name) > 0
    with pytest.raises(ValueError, match="has no function nothing"):
        source.function_line("run.py", "nothing")


def test_findings_are_kept_until_a_derivation_changes(tmp_path, monkeypatch):
    kept = tmp_path / ".results.json"
    kept.write_text(f'{{"key": "{results.fingerprint()}", "findings": {{"a": 1}}}}')
    assert results.read_or_check(kept) == {"a": 1}
    monkeypatch.setattr(results, "fingerprint", lambda: "another")
    monkeypatch.setattr(results.registry, "everything", lambda: {"units": THEOREMS["units"]})
    monkeypatch.setattr(results.ledger, "rows", list)
    assert results.read_or_check(kept, processes=1)["units"]["status"] == "proved"
