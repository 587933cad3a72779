r"""The parts of a student's file, one for each exercise, under headings that editors take for the cells of a notebook.

    # %% exercise 1: Two schedules
    def linear(...

`part_of` and `with_part` are a lens: what was put is what is got; putting what is there changes nothing; of two puts
the second counts. The rest of the file stays as it is, byte for byte, but for blank lines about the part.
"""

import re

#: Any line that an editor or jupytext takes for the beginning of a cell.
CELL = re.compile(r"^[ \t]*#[ \t]*(%%.*|(<codecell>|In\[[0-9 ]*\]:?)[ \t]*)$", re.MULTILINE)
HEADING = re.compile(r"# %% exercise (\S+):")


def heading(number: str, title: str) -> str:
    """The line above the part for an exercise."""
    return f"# %% exercise {number}: {title}"


def spans(text: str) -> dict[str, tuple[int, int]]:
    """Exercise -> where its part begins and ends, from the end of its heading to the next cell; of two, the first."""
    cells = [*CELL.finditer(text)]
    begins = [cell.start() for cell in cells]
    found: dict[str, tuple[int, int]] = {}
    for cell, end in zip(cells, [*begins[1:], len(text)], strict=False):
        if match := HEADING.match(cell[0]):
            found.setdefault(match[1], (cell.end(), end))
    return found


def head_of(text: str) -> str:
    """What stands above the first cell."""
    first = CELL.search(text)
    return (text[: first.start()] if first else text).strip("\n")


def parts_of(text: str) -> dict[str, str]:
    """Exercise -> its part of a file, without blank lines around it."""
    return {number: text[begin:end].strip("\n") for number, (begin, end) in spans(text).items()}


def with_part(text: str, number: str, part: str) -> str:
    """The file with the part for an exercise in the place of the one that is there.

    Raises:
        ValueError: there is no such part, or what is put has a heading of its own.
    """
    places = spans(text)
    if number not in places:
        known = ", ".join(places) or "none"
        raise ValueError(f"it has no line `# %% exercise {number}: ...`; the exercises that have one: {known}")
    if CELL.search(part):
        raise ValueError("a line that begins with `# %%` or `# In[1]` would begin another part: write it otherwise")
    begin, end = places[number]
    part = part.strip("\n")
    return text[:begin] + "\n" + (f"{part}\n" if part else "") + ("\n\n" if end < len(text) else "") + text[end:]
