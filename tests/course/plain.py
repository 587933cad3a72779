"""Ask a folder of our own in this process: quick, and for code that is trusted only."""

import functools
import importlib.util
import sys

from teachdiff.course.drivers import DRIVERS
from teachdiff.course.model import Answer


def evaluate(folder, queries, holes):
    """What `teachdiff.course.asking.evaluate` does, without a process and without holes in the library."""
    modules = {}
    answers = []
    sys.path.insert(0, str(folder))
    try:
        for query in queries:
            try:
                if query.file not in modules:
                    spec = importlib.util.spec_from_file_location(f"submission_{len(modules)}", folder / query.file)
                    modules[query.file] = importlib.util.module_from_spec(spec)
                    spec.loader.exec_module(modules[query.file])
                function = functools.reduce(getattr, query.function.split("."), modules[query.file])
                answers.append(Answer(DRIVERS[query.driver](function, **query.arguments)))
            except Exception as error:
                answers.append(Answer(error=f"{type(error).__name__}: {error}"))
    finally:
        sys.path.remove(str(folder))
    return answers
