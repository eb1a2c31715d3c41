"""What ``top`` shows: the text of a screen, and the loop that redraws it and reads keys."""

from __future__ import annotations

import os
import sys
import termios
import tty
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleDimensions, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mpi_collector.node.compat import mono_ns, readable
from mpi_collector.report.quantity import quantity
from mpi_collector.terminal_text import safe_text

_REFRESH_S = 1.0
_KEYS_BYTES = 64
_NO_LIVE = "no figures: started without --live; start the next one with --live 1"
_SILENT = "no answer: the run has ended, or its host is out of reach; q leaves"
_NARROW = 12  #: characters of a figure's column
_HELP = """\
up down, PgUp PgDn   move the line
s  >  <              sort by the next or the previous figure
r                    reverse the order
Enter                one host with all its figures
Esc                  back
h                    these keys
q                    leave; the run goes on
"""
_ESCAPES = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b"\x1b[C": ">",
    b"\x1b[D": "<",
}
_KEYS = {b"\r": "enter", b"\n": "enter", b"\x1b": "escape", b"?": "h", b".": ">", b",": "<"}


@dataclass
class View:
    """What the user has chosen.

    ``sort``: number of the figure, -1: by name. ``line``: of the hosts as they are sorted.
    """

    sort: int = -1
    reverse: bool = False
    line: int = 0
    host: str = ""  #: that is shown alone
    help: bool = False
    page: int = 10  #: lines of hosts on the screen
    message: str = ""


def figures_in_order(document: dict[str, Any]) -> list[str]:
    """Return the names of the figures in the order of tables."""
    return list(document["figures"])


def hosts_in_order(document: dict[str, Any], view: View) -> list[str]:
    """Return the hosts as the view sorts them; by a figure the largest first, unknown ones last."""
    hosts: dict[str, Any] = document["by_host"]
    names = figures_in_order(document)
    if view.sort < 0 or not names:
        return sorted(hosts, reverse=view.reverse)
    name = names[view.sort % len(names)]
    values = {h: hosts[h]["figures"].get(name) for h in hosts}
    known = [h for h in sorted(hosts) if values[h] is not None]
    known.sort(key=lambda h: float(values[h] or 0), reverse=not view.reverse)
    return known + [h for h in sorted(hosts) if values[h] is None]


def press(key: str, document: dict[str, Any], view: View) -> bool:
    """Act on a key; return False when it leaves."""
    figures = len(figures_in_order(document))
    last = max(len(document["by_host"]) - 1, 0)
    moves = {"up": -1, "down": 1, "page up": -view.page, "page down": view.page}
    if key == "q":
        return False
    if key in moves:
        view.line = min(max(view.line + moves[key], 0), last)
    elif key in ("s", ">"):
        view.sort = -1 if view.sort + 1 >= figures else view.sort + 1
    elif key == "<":
        view.sort = figures - 1 if view.sort < 0 else view.sort - 1
    elif key == "r":
        view.reverse = not view.reverse
    elif key == "h":
        view.help = not view.help
    elif key == "escape":
        view.help, view.host = False, ""
    elif key == "enter":
        hosts = hosts_in_order(document, view)
        view.host = hosts[min(view.line, last)] if hosts and not view.host else ""
    return True


def render(document: dict[str, Any], view: View, width: int, height: int) -> Group:
    """Return the screen as text of at most ``width`` characters and ``height`` lines."""
    top = _header(document, view)
    room = height - len(top) - 2
    if view.help:
        return Group(*top, Text(_HELP))
    if view.host in document["by_host"]:
        return Group(*top, _one_host(document, view.host, room))
    names = figures_in_order(document)
    columns = max(1, (width - 24) // (_NARROW + 1))
    first = max(0, view.sort - columns + 1) if view.sort >= 0 else 0
    view.page = max(1, room - 1)
    return Group(*top, _hosts(document, view, names[first : first + columns], view.page))


def _header(document: dict[str, Any], view: View) -> list[Text]:
    elapsed = int(document["elapsed_s"])
    lines = [
        Text(
            f"{safe_text(document['run'])}  {elapsed // 3600}:{elapsed // 60 % 60:02}:"
            f"{elapsed % 60:02}  {document['sampling']} of {document['hosts']} hosts sampling"
        )
    ]
    if not document["live_s"]:
        lines.append(Text(_NO_LIVE, style="bold"))
    phases = ", ".join(safe_text(p["name"]) for p in document["phases"])
    lines.append(Text(f"phase: {phases or 'none marked'}"))
    parts = []
    for name in figures_in_order(document)[:6]:
        figure = document["figures"][name]
        word = "" if figure["across"] == "sum" else "mean "
        parts.append(f"{word}{figure['label']} {quantity(figure['value'], figure['unit'])}")
    if parts:
        lines.append(Text("all: " + "   ".join(parts[:3])))
    if parts[3:]:
        lines.append(Text("     " + "   ".join(parts[3:])))
    if view.message:
        lines.append(Text(view.message, style="bold"))
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return lines


def _hosts(document: dict[str, Any], view: View, names: list[str], room: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="reverse")
    every = figures_in_order(document)
    chosen = every[view.sort] if 0 <= view.sort < len(every) else ""
    mark = "^" if view.reverse else "v"
    table.add_column("host" + ("" if chosen else mark), no_wrap=True, max_width=20)
    for name in names:
        label = document["figures"][name]["label"]
        text = label[: _NARROW - 1] + (mark if name == chosen else "")
        table.add_column(text, justify="right", no_wrap=True, width=_NARROW)
    hosts = hosts_in_order(document, view)
    first = max(0, min(view.line - room + 1, len(hosts) - room))
    for i, host in enumerate(hosts[first : first + room]):
        about = document["by_host"][host]
        odd = "" if about["state"] == "sampling" else " !"
        values = [quantity(about["figures"].get(n), document["figures"][n]["unit"]) for n in names]
        style = "reverse" if first + i == view.line else ""
        table.add_row(Text(safe_text(host) + odd), *values, style=style)
    return table


def _one_host(document: dict[str, Any], host: str, room: int) -> Group:
    about = document["by_host"][host]
    age = "none yet" if about["age_s"] is None else f"{about['age_s']:.0f} s old"
    head = Text(
        f"{safe_text(host)}: {safe_text(about['state'])}, tick {about['tick']}, "
        f"{about['missed']} missed, figures {age}"
    )
    table = Table(box=None, pad_edge=False, header_style="reverse")
    for column in ("figure", "here", "least", "most"):
        table.add_column(column, justify="left" if column == "figure" else "right", no_wrap=True)
    for name in figures_in_order(document)[: max(1, room - 2)]:
        figure = document["figures"][name]
        values = (about["figures"].get(name), figure["least"], figure["most"])
        table.add_row(figure["label"], *(quantity(v, figure["unit"]) for v in values))
    return Group(head, table)


def keys_in(data: bytes) -> list[str]:
    """Return the keys that a terminal has sent."""
    found = []
    while data:
        size = next((n for n in (4, 3) if data[:n] in _ESCAPES), 1)
        key = data[:size]
        found.append(_ESCAPES.get(key) or _KEYS.get(key) or key.decode("ascii", "replace"))
        data = data[size:]
    return found


def show(fetch: Callable[[], dict[str, Any] | None], document: dict[str, Any]) -> None:
    """Show the run until the user leaves. ``fetch``: None when nothing answers."""
    console = Console(highlight=False)
    view = View()
    before = termios.tcgetattr(0)
    try:
        tty.setcbreak(0)
        with Live(console=console, screen=True, auto_refresh=False) as screen:
            due = mono_ns() + int(_REFRESH_S * 1e9)
            while True:
                size = os.get_terminal_size()
                console.size = ConsoleDimensions(size.columns, size.lines)  # whatever COLUMNS says
                screen.update(render(document, view, size.columns, size.lines), refresh=True)
                if not _obey(document, view, max(0.0, (due - mono_ns()) * 1e-9)):
                    break
                if mono_ns() >= due:
                    newer = fetch()
                    view.message = _SILENT if newer is None else ""
                    document = newer or document
                due = max(due, mono_ns() + int(_REFRESH_S * 1e9)) if mono_ns() >= due else due
    except KeyboardInterrupt:
        pass
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        sys.stdout.flush()


def _obey(document: dict[str, Any], view: View, wait_s: float) -> bool:
    """Wait for keys and act on them; return False when one leaves, or the terminal is gone."""
    if not readable((0,), wait_s):
        return True
    data = os.read(0, _KEYS_BYTES)
    return bool(data) and all(press(key, document, view) for key in keys_in(data))
