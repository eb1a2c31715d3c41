"""The page around the charts: verdict, tables of figures, phases, and what was missed.

Text that comes from a recording passes through ``esc``. These sections need no script.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone

from mpi_collector.formats.run_document import RunDocument
from mpi_collector.formats.verdict import incomplete, no_room
from mpi_collector.node.table.facts import HostFacts
from mpi_collector.report.device_tables import device_tables, left_out, phase_table
from mpi_collector.report.figure_tables import by_group, shown_in_tables
from mpi_collector.report.page.data import PageData, PagePhase
from mpi_collector.report.quantity import NOTHING, duration, quantity, ranges
from mpi_collector.report.summary_document import HostSummary
from mpi_collector.report.text import limit_texts, outlier_texts
from mpi_collector.terminal_text import safe_text

_ROWS = 4096  #: of a table; a reader of more has the JSON
_REASONS = 50
_VALUES = ("mean", "peak", "lowest", "median", "highest")  #: columns of the tables of figures


def esc(text: object) -> str:
    """Return text of a recording as HTML text or attribute: no markup, nothing invisible."""
    return html.escape(safe_text(text), quote=True)


def clock(ms: float) -> str:
    """Return a UTC date and time with milliseconds."""
    return datetime.fromtimestamp(ms / 1e3, timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def moment(ms: float) -> str:
    """Return a moment that the script shows in UTC or local time, as HTML."""
    return f"<time data-ms='{ms!r}'>{clock(ms)}</time>"


def table(
    head: Iterable[str], rows: Iterable[Iterable[str]], caption: str, text: bool = False
) -> str:
    """Return a table; cells and headings are HTML. A wide one scrolls, with the keyboard too.

    ``text``: columns are text, aligned left, not numbers.
    """
    lines = [
        f"<tr><th scope='row'>{r[0]}</th>{''.join(f'<td>{c}</td>' for c in r[1:])}</tr>"
        for r in map(list, rows)
    ]
    top = "".join(f"<th scope='col'>{h}</th>" for h in head)
    kind = " class='text'" if text else ""
    return (
        f"<div class='scroll' tabindex='0' role='region' aria-label='{caption}'>"
        f"<table{kind}><thead><tr>{top}</tr>"
        f"</thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def verdict(run: RunDocument, line: str, remarks: list[str]) -> str:
    """Return the verdict, its reasons and its remarks. ``line``: the verdict in one line."""
    v = run["verdict"]
    word = v["verdict"] if v["verdict"] in ("complete", "partial", "invalid") else "invalid"
    rest = esc(line.partition("(")[2].rstrip(")"))
    reasons = "".join(f"<li>{esc(r)}</li>" for r in v["reasons"][:_REASONS])
    if len(v["reasons"]) > _REASONS:
        reasons += f"<li>and {len(v['reasons']) - _REASONS} more</li>"
    listed = f"<ul>{reasons}</ul>" if reasons else ""
    if remarks:
        shown = "".join(f"<li>{esc(r)}</li>" for r in remarks[:_REASONS])
        if len(remarks) > _REASONS:
            shown += f"<li>and {len(remarks) - _REASONS} more remarks</li>"
        listed += f"<ul class='quiet remarks'>{shown}</ul>"
    return (
        f"<div class='verdict {word}' role='status'><strong>{word}</strong> – {rest}{listed}</div>"
    )


def facts(page: PageData) -> str:
    """Return which run this is: short facts beside each other, hosts and command below."""
    run = page.run
    words = run.get("command")
    command = " ".join(words) if words else None
    short = {
        "benchmark": run.get("benchmark"),
        "started": f"{clock(run['start_ns'] / 1e6)[:-4]} UTC",
        "duration": duration(page.summary["span_s"]),
        "sampled": f"every {run['interval_ns'] / 1e9:g} s ({run.get('collection_method')})",
        "ended by": run.get("ended_by"),
        "exit code": run.get("command_exit_code") if command else None,
    }
    long = {"hosts": ranges(page.hosts), "command": command}
    return _pairs(short, "") + _pairs(long, " class='long'")


def _pairs(pairs: Mapping[str, object], kind: str) -> str:
    return "".join(
        f"<div{kind}><dt>{k}</dt><dd>{esc(v)}</dd></div>"
        for k, v in pairs.items()
        if v is not None and v != ""
    )


def figures(page: PageData) -> str:
    """Return the figures of all hosts together and their spread, a table per group."""
    names = [n for n, t in page.summary["cluster"].items() if shown_in_tables(n, t["peak"])]
    if not names:
        return "<p>Too few rows for any figure.</p>"
    head = ["", "mean", "peak"]
    if len(page.hosts) > 1:
        head += ["lowest host", "median", "highest host"]
    return "".join(
        table(head, [_figure_row(page, n) for n in some], f"figures of {group.value}")
        for group, some in by_group(names)
    )


def _figure_row(page: PageData, name: str) -> list[str]:
    about = page.summary["figures"][name]
    total = page.summary["cluster"][name]
    several = len(page.hosts) > 1
    unit = about["unit"]
    of_all = ", total" if several and about["across"] == "sum" else ""
    row = [f"<span title='{esc(about['doc'])}'>{esc(about['label'])}{of_all}</span>"]
    row += [esc(quantity(total["mean"], unit)), esc(quantity(total["peak"], unit))]
    row += _spread_cells(page, name, unit) if several else []
    return row[:1] + [_of_window(name, value, cell) for value, cell in zip(_VALUES, row[1:])]


def _of_window(name: str, value: str, cell: str) -> str:
    """Return a value that the script writes anew for the window in view."""
    return f"<span data-figure='{name}' data-value='{value}'>{cell}</span>"


def _spread_cells(page: PageData, name: str, unit: str) -> list[str]:
    """Return the cells of the lowest, the median and the highest host."""
    spread = page.summary["spread"].get(name)
    if spread is None:
        return [NOTHING] * 3
    lowest = esc(quantity(spread["minimum"], unit))
    highest = esc(quantity(spread["maximum"], unit))
    if spread["minimum"] != spread["maximum"]:
        lowest += f" <span class='quiet'>{esc(spread['minimum_host'])}</span>"
        highest += f" <span class='quiet'>{esc(spread['maximum_host'])}</span>"
    return [lowest, esc(quantity(spread["median"], unit)), highest]


def findings(page: PageData) -> str:
    """Return what was at its limit and which hosts stand out, as sentences."""
    out = [esc(text) for text in limit_texts(page.summary)]
    by_host = outlier_texts(page.summary)
    out += [
        f"<b>{esc(host)}</b>: {esc(', '.join(texts))}"
        for host, texts in list(by_host.items())[:_REASONS]
    ]
    if len(by_host) > _REASONS:
        out.append(f"and {len(by_host) - _REASONS} more hosts that stand out")
    return f"<ul>{''.join(f'<li>{line}</li>' for line in out)}</ul>" if out else ""


def hosts(page: PageData) -> str:
    """Return the means and peaks of every host."""
    doc = page.summary
    names = list(doc["cluster"])
    head = ["host", *(f"{esc(doc['figures'][n]['label'])}<br>mean / peak" for n in names)]
    rows = [
        [esc(key), *(_host_cell(page, host, n) for n in names)]
        for key, host in list(doc["hosts"].items())[:_ROWS]
    ]
    return table(head, rows, "figures of every host")


def _host_cell(page: PageData, host: HostSummary, name: str) -> str:
    unit = page.summary["figures"][name]["unit"]
    values = host["figures"].get(name)
    mean = quantity(values["mean"] if values else None, unit)
    peak = quantity(values["peak"] if values else None, unit)
    return f"{esc(mean)} / {esc(peak)}"


def counted(page: PageData) -> str:
    """Return which devices the totals count, hosts with the same devices together."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for key, h in page.summary["hosts"].items():
        what = (
            ranges(h["counted"]["block"]) or "none",
            left_out(h["left_out"]["block"]),
            ranges(h["counted"]["net"]) or "none",
            left_out(h["left_out"]["net"]),
            f"{h['counted_by']['block']} / {h['counted_by']['net']}",
        )
        groups.setdefault(what, []).append(key)
    rows = [[esc(ranges(keys)), *map(esc, what)] for what, keys in list(groups.items())[:_ROWS]]
    head = [
        "hosts",
        "disks counted",
        "not counted",
        "interfaces counted",
        "not counted",
        "decided by",
    ]
    return table(head, rows, "devices counted in the totals", text=True)


def devices(page: PageData) -> str:
    """Return the figures of every device, a table for each kind."""
    out = ""
    for found in device_tables(page.summary):
        rows = [[esc(cell) for cell in row] for row in found.rows[:_ROWS]]
        headings = [esc(h).replace("\n", "<br>") for h in found.headings]
        out += table(headings, rows, f"figures of {found.title}")
    return out or "<p class='quiet'>Not shown for so many hosts: summary --devices has them.</p>"


def phases(page: PageData) -> str:
    """Return the figures of the phases, all stretches of a name together."""
    found = phase_table(page.summary)
    if found is None:
        return ""
    rows = [[esc(cell) for cell in row] for row in found.rows[:_ROWS]]
    return table([esc(h) for h in found.headings], rows, "figures of phases")


def marks(page: PageData) -> str:
    """Return the phases, each with a button that zooms to it."""
    if not page.marks:
        return "<p class='quiet'>No phase was marked.</p>"
    rows = []
    for n, m in enumerate(page.marks[:_ROWS]):
        button = f"<button type='button' data-mark='{n}'>{esc(m.text) or '(no text)'}</button>"
        rows.append([button, moment(m.begin_ms), _lasted(m), esc(m.host)])
    return table(
        ["phase", "start (<span class='zone'>UTC</span>)", "duration", "marked on"],
        rows,
        "phases",
        text=True,
    )


def _lasted(mark: PagePhase) -> str:
    if mark.end_ms <= mark.begin_ms:
        return "a moment"
    return duration((mark.end_ms - mark.begin_ms) / 1e3)


def missed(page: PageData) -> str:
    """Return what each host missed: ticks, sources, devices without room; and missing hosts."""
    recorded = page.run["facts"]
    rows = [
        [esc(key), NOTHING, NOTHING, esc(why)]
        for key, why in page.run["hosts_partial"].items()
        if key not in recorded
    ]
    for key, f in recorded.items():
        what = _missed_of_host(page, key, f)
        if f["missed"] or what:
            text = "<br>".join(map(esc, what)) or NOTHING
            rows.append([esc(key), str(f["ticks"]), str(f["missed"]), text])
    if not rows:
        return "<p>None: every host has every tick.</p>"
    head = ["host", "ticks", "missed", "other gaps"]
    return table(head, rows[:_ROWS], "missing data", text=True)


def _missed_of_host(page: PageData, key: str, f: HostFacts) -> list[str]:
    """Return what a host missed apart from ticks. ``f``: its facts."""
    out = [
        f"{source}: {', '.join(f'{n} x {status}' for status, n in counts.items())}"
        for source, counts in f["statuses"].items()
    ]
    out += no_room(f)
    if key in page.run["hosts_partial"]:
        out.append(page.run["hosts_partial"][key])
    if not f["complete"]:
        out.append(incomplete(f))
    host = page.summary["hosts"].get(key)
    return out + (host["notes"] if host else [])


def changed(page: PageData) -> str:
    """Return what differs between start and end, hosts with the same changes together."""
    if not page.changes:
        return "<p class='quiet'>No recorded property of a host changed between start and end.</p>"
    alike: dict[tuple[str, ...], list[str]] = {}
    for host, what in page.changes.items():
        alike.setdefault(tuple(what), []).append(host)
    rows = [
        [esc(ranges(hosts)), "<br>".join(esc(w) for w in what[:_REASONS])]
        for what, hosts in alike.items()
    ]
    return table(["hosts", "what changed"], rows[:_ROWS], "changes", text=True)
