"""The command line as a page: what `--help` says of every command and option, with an address for each."""

import html
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from docs.generator import words

VALUES = {str: "TEXT", int: "N", float: "NUMBER", Path: "PATH"}


def commands() -> dict[str, Any]:
    """The commands of teachdiff by name, "course list" for one of a group, as click has them."""
    from teachdiff.cli import app

    return dict(_flat("", typer.main.get_command(app)))


def _flat(prefix: str, group: Any) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _flat(f"{prefix}{name} ", command)
        else:
            yield prefix + name, command


def anchor_of(name: str) -> str:
    return name.replace(" ", "-")


def page() -> str:
    listed = commands()
    names = ", ".join(f"[`{name}`](#{anchor_of(name)})" for name in listed)
    return "\n".join([
        "# The command line",
        "",
        f"{names}. In a checkout write `python3 run.py` for `teachdiff`: it installs first what is missing.",
        "",
        "An option that takes several names takes them with commas: `--methods dps,ddrm`. Results go to standard output, progress "
        "and errors to standard error. Exit code 0 means done, 1 that it failed, 2 that it was asked for wrongly; each message "
        "stands in [Errors](../errors.md).",
        "",
        *(line for name, command in listed.items() for line in _command(name, command)),
    ])  # fmt: skip


def _command(name: str, command: Any) -> list[str]:
    parameters = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    arguments = [p.name.upper() for p in parameters if p.param_type_name == "argument"]
    usage = " ".join(["teachdiff", name, *arguments, *(["[OPTIONS]"] if len(arguments) < len(parameters) else [])])
    hints = typing.get_type_hints(command.callback)
    rows = "".join(_parameter(name, parameter, _type(hints[parameter.name])) for parameter in parameters)
    table = (
        '<table class="td-plain td-options"><thead><tr><th scope="col">option</th><th scope="col">what it says</th>'
        f'<th scope="col">default</th></tr></thead><tbody>{rows}</tbody></table>'
    )
    return [
        f"## {name} {{ #{anchor_of(name)} }}",
        "",
        f'<div class="highlight"><pre tabindex="0"><code>{html.escape(usage)}</code></pre></div>',
        "",
        *_paragraphs(command.help or ""),
        f'<div class="td-scroll">{table}</div>' if rows else "It takes no options.",
        "",
    ]


def _paragraphs(text: str) -> list[str]:
    """The docstring; \\b marks a paragraph whose lines stay as they are."""
    out = []
    for block in re.split(r"\n\s*\n", text.replace("\f", "").strip()):
        if "\b" in block:
            kept = html.escape(block.replace("\b", "").strip("\n"))
            out += [f'<div class="highlight"><pre tabindex="0"><code>{kept}</code></pre></div>', ""]
        else:
            out += [f"<p>{_words(block)}</p>", ""]
    return out


def _words(text: str) -> str:
    return words.plain(" ".join(text.split()))


def _type(hint: Any) -> type:
    """`int` of `int`, `int | None` and `list[int] | None`."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        (hint,) = (part for part in typing.get_args(hint) if part is not types.NoneType)
    return typing.get_args(hint)[0] if typing.get_origin(hint) is list else hint


def _parameter(name: str, parameter: Any, kind: type) -> str:
    argument = parameter.param_type_name == "argument"
    spelled = [parameter.name.upper()] if argument else [*parameter.opts, *parameter.secondary_opts]
    place = anchor_of(name)
    anchor = f"{place}-{spelled[0].lower()}" if argument else f"{place}{max(spelled, key=len)}"
    shown = ", ".join(f"<code>{html.escape(word)}</code>" for word in spelled)
    value = "" if argument or kind is bool else f" <small>{parameter.metavar or VALUES[kind]}</small>"
    several = " (may be given several times)" if getattr(parameter, "multiple", False) else ""
    return (
        f'<tr id="{anchor}"><th scope="row"><a href="#{anchor}">{shown}</a>{value}</th>'
        f"<td>{_words(parameter.help or '')}{several}</td><td>{_default(parameter, kind)}</td></tr>"
    )


def _default(parameter: Any, kind: type) -> str:
    if parameter.required:
        return "<em>required</em>"
    if kind is bool or parameter.default in (None, (), ""):
        return "–"
    return f"<code>{html.escape(str(parameter.default))}</code>"
