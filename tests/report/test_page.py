"""The page without a browser: what is on it, that nothing on it is fetched, that names are data, that peaks survive."""

from __future__ import annotations

import base64
import json
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic as sy
from selection import all_tests

pytest.importorskip("jinja2", reason="the page needs Jinja2 (the report extra)")

from mpi_collector.cli.report import main, page_path
from mpi_collector.report.cluster import RunIntervals
from mpi_collector.report.page import page
from mpi_collector.report.page.arrays import PageArrays
from mpi_collector.report.page.data import PageData, PagePhase, page_data
from mpi_collector.report.page.downsample import LINE_POINTS, Downsampler, median
from mpi_collector.report.page.heat import UNKNOWN, shade
from mpi_collector.report.page.phases import kind, phase_spans
from mpi_collector.report.page.scripts import data_script
from mpi_collector.store.figures import derive_devices
from mpi_collector.store.load import load

NAME = "host_20260105_120000_timeseries.npz"
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>$$x$$\"'&\x1b[31m\u202e"


class Elements(HTMLParser):
    """Tags with their attributes, ids, and the text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.inside = "", ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside not in ("script", "style"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [a for t, a in self.tags if t == tag]


def build(path: Path) -> str:
    with load(path) as recording:
        return page(recording)


def data_of(path: Path, line_points: int = LINE_POINTS) -> PageData:
    with load(path) as recording:
        return page_data(recording, line_points)


def document(text: str, name: str) -> Any:
    """A JSON document of the page."""
    found = re.search(
        rf'<script type="application/json" id="{name}">(.*?)</script>', text, re.DOTALL
    )
    assert found
    return json.loads(found[1])


def arrays_of(text: str) -> list[Any]:
    """The arrays of a page, unpacked as its script does it."""
    found = re.search(r'<script type="text/plain" id="arrays">(.*?)</script>', text, re.DOTALL)
    assert found
    data = zlib.decompress(base64.b64decode(found[1]))
    out, at = [], 0
    for name, length in document(text, "about")["arrays"]:
        dtype = np.dtype(name).newbyteorder("<")
        part = np.frombuffer(data, np.uint8, length * dtype.itemsize, at)
        at += part.size
        planes = part.reshape(dtype.itemsize, length)
        out.append(np.ascontiguousarray(planes.T).view(dtype).ravel())
    assert at == len(data)
    return out


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build(sy.cluster(tmp_path_factory.mktemp("four") / NAME, 4, 60, odd={3: 0.41}))


def test_sections_and_verdict(four: str) -> None:
    """Verdict before everything else; links lead to sections that exist."""
    e = Elements(four)
    ids = [a["id"] for _, a in e.tags if a.get("id")]
    assert len(ids) == len(set(ids))
    assert {str(a["href"])[1:] for a in e.all("a")} <= set(ids)
    assert e.text.index("complete") < e.text.index("Figures") < e.text.index("Over time")
    assert "read 0.4" in e.text and "x the median host" in e.text
    assert "RDMA" in e.text


def test_nothing_is_fetched(four: str) -> None:
    """No address in any attribute that loads something, and a policy that forbids it."""
    e = Elements(four)
    policy = next(
        a["content"] for a in e.all("meta") if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert (
        policy
        and policy.startswith("default-src 'none'")
        and "http" not in policy
        and "unsafe-eval" not in policy
    )
    for tag, attributes in e.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, name, value)
    style = four[four.index("<style>") : four.index("</style>")]
    assert "url(" not in style and "@import" not in style


def test_every_chart_has_a_place_and_its_values(four: str) -> None:
    """What the script looks up is there: an element, times, and a line per host of as many values."""
    about, arrays = document(four, "about"), arrays_of(four)
    places = [c["place"] for c in about["charts"]]
    assert len(set(places)) == len(places) >= 14
    ids = {a.get("id") for a in Elements(four).all("div")}
    assert set(places) <= ids
    rows = len(arrays[about["rows"]["end"]])
    for chart in about["charts"]:
        assert [line["name"] for line in chart["lines"]] == [f"node{n:03d}" for n in range(1, 5)]
        assert chart["x"] is None
        assert {len(arrays[line["values"]]) for line in chart["lines"]} == {rows}
    assert about["start"] < about["end"]


def test_names_are_data(tmp_path: Path) -> None:
    """Hosts, devices, commands, marks and errors cannot become elements, scripts, formulas or control characters."""
    rows = 30
    hosts = []
    for n, key in enumerate([EVIL, "b", "c", "d"]):
        host = sy.workload(n, rows, speed=0.2 if n == 0 else 1.0)
        host.columns.update(sy.nic(f"eth{EVIL}", host.times, 1.0, 1.0))
        host.facts["lost"] = [{"what": "device", "name": EVIL, "source": EVIL}]
        hosts.append((key, host))
    path = sy.write(
        tmp_path / NAME,
        hosts,
        run=EVIL,
        benchmark=EVIL,
        command=["run", EVIL],
        hosts_partial={EVIL: EVIL},
        marks=sy.pair(EVIL, sy.START_NS, sy.START_NS + 9 * sy.S, EVIL),
    )
    text = build(path)
    plain = build(sy.cluster(tmp_path / "plain.npz", 4, rows))
    e, reference = Elements(text), Elements(plain)
    assert not [a for t, a in e.tags if t == "img" or any(k.startswith("on") for k in a)]
    assert len(e.all("script")) == len(reference.all("script"))
    assert "<script>alert(1)</script>" in e.text
    body = text[: text.index('<script type="application/json"')]
    assert not set(body) & set("\x1b\u202e")


def test_json_cannot_end_its_script() -> None:
    text = data_script("x", {"a": "</script><!--\u2028&"})
    assert text.count("<") == 2 and "\u2028" not in text
    assert json.loads(text[text.index(">") + 1 : text.rindex("<")]) == {"a": "</script><!--\u2028&"}


@pytest.mark.parametrize(
    ("text", "want"),
    [("epoch 12", "epoch #"), ("epoch 3 block1", "epoch # block#"), ("7", "#"), ("", "")],
)
def test_phases_of_a_kind(text: str, want: str) -> None:
    assert kind(text) == want


def test_phases_side_by_side() -> None:
    """What overlaps has lanes; one name on several hosts is one phase; a kind has a tone; a moment needs no lane."""
    marks = [
        PagePhase("epoch 1", "a", 0, 90),
        PagePhase("epoch 1", "b", 2, 95),
        PagePhase("epoch 1 block1", "a", 10, 80),
        PagePhase("save", "a", 50, 50),
        PagePhase("epoch 2", "a", 100, 190),
        PagePhase("epoch 2 block1", "a", 110, 180),
        PagePhase("epoch 1", "a", 200, 210),
    ]
    found = phase_spans(marks)
    assert [(s.text, s.begin_ms, s.end_ms, s.lane) for s in found] == [
        ("epoch 1", 0, 95, 0),
        ("epoch 1 block1", 10, 80, 1),
        ("save", 50, 50, 0),
        ("epoch 2", 100, 190, 0),
        ("epoch 2 block1", 110, 180, 1),
        ("epoch 1", 200, 210, 0),
    ]
    tones = [s.tone for s in found]
    assert tones[0] == tones[3] == tones[5] and tones[1] == tones[4] and len(set(tones)) == 3


def test_arrays_keep_five_digits_and_what_is_unknown() -> None:
    """Floats of the charts within 1e-5, times and bytes as they are; an array that is added twice is there once."""
    packed = PageArrays()
    values = np.array([0, 1.2345678, -3e-9, 6.5e12, np.nan, np.inf, 3.4e38], np.float32)
    times = np.array([1.7676144e12 + 1 / 3, 0.0])
    codes = np.array([[0, 255], [7, 9]], np.uint8)
    assert [packed.add(a) for a in (values, times, codes, values)] == [0, 1, 2, 0]
    text = data_script("about", {"arrays": packed.kinds})
    got = arrays_of(f'<script type="text/plain" id="arrays">{packed.text()}</script>{text}')
    assert got[0][:4] == pytest.approx(values[:4], rel=1e-5)
    assert np.isnan(got[0][4:6]).all()
    assert got[1].tolist() == times.tolist() and got[2].tolist() == [0, 255, 7, 9]


@pytest.mark.parametrize(("hosts", "points"), [(1, 60_000), (4, 60_000), (4, 100), (20, 60_000)])
def test_rows_have_the_mean_and_the_peak_of_the_run(
    tmp_path: Path, hosts: int, points: int
) -> None:
    """What the script computes the figures of a window from, put together, is what the summary says of the run."""
    path = sy.cluster(tmp_path / NAME, hosts, 211, odd={0: 0.41})
    s = data_of(path, points)
    seconds = (s.end_ms - s.begin_ms) / 1e3
    assert (s.begin_ms[1:] == s.end_ms[:-1]).all()
    for name, total in s.summary["cluster"].items():
        rows = s.rows[name].total
        known = np.isfinite(rows.mean)
        weight = (seconds if rows.weight is None else seconds * rows.weight)[known]
        mean = (rows.mean[known] * weight).sum() / weight.sum()
        assert mean == pytest.approx(total["mean"], rel=3e-3, abs=1e-9), name
        peak = np.nanmax(rows.mean if rows.peak is None else rows.peak)
        assert peak == pytest.approx(total["peak"], rel=1e-3), name
        assert len(s.rows[name].hosts) == (hosts if hosts <= 16 else 0)


def test_nothing_but_zero_has_no_chart(tmp_path: Path) -> None:
    """It is listed instead."""
    text = build(sy.write(tmp_path / NAME, [("a", once(30, 9))]))
    names = [c["name"] for c in document(text, "about")["charts"]]
    assert "read_iops" in names and "write_iops" not in names
    assert re.search(r"No chart, since always zero: write, write IOPS", Elements(text).text)


def once(rows: int, at: int) -> sy.SynthHost:
    """A host that reads a megabyte in one interval, and nothing before and after."""
    tick, times = sy.grid(rows)
    rate = np.zeros(len(times) - 1)
    rate[at] = 1e6
    return sy.SynthHost(tick, times, sy.disk("sda", times, rate, 0.0, block=4096))


def spike(rows: int, at: int, n: int = 0) -> sy.SynthHost:
    """A host that reads 1 MB/s, and 5 GB/s in one interval."""
    tick, times = sy.grid(rows)
    rate = np.full(len(times) - 1, 1e6)
    rate[at] = 5e9
    return sy.SynthHost(tick, times, sy.disk("sda", times, rate, 0.0))


@pytest.mark.parametrize("hosts", [1, 3, 16])
def test_lines_keep_their_peaks(tmp_path: Path, hosts: int) -> None:
    """However few points are left, the one interval with the burst is among them, and the calm too."""
    path = sy.write(tmp_path / NAME, [(f"n{n}", spike(1001, 100 + 37 * n)) for n in range(hosts)])
    s = data_of(path, 64 * hosts)
    assert s.bin_s > 1 and len(s.x_ms) <= 64 and (np.diff(s.x_ms) > 0).all()
    for values in s.charts["read_bytes_per_s"].lines.values():
        assert len(values) == len(s.x_ms)
        assert np.nanmax(values) == pytest.approx(5e9, rel=1e-3)
        assert np.nanmin(values) == pytest.approx(1e6, rel=1e-3)


def test_bands_and_heat_keep_their_peaks(tmp_path: Path) -> None:
    """Of 40 hosts and thousands of samples, each host's one burst is in its row of the heat map and in the band."""
    path = sy.write(tmp_path / NAME, [(f"n{n:02d}", spike(3000, 100 + 37 * n)) for n in range(40)])
    chart = data_of(path).charts["read_bytes_per_s"]
    assert chart.heat is not None and chart.high is not None and chart.middle is not None
    assert np.nanmax(chart.heat, axis=1) == pytest.approx(np.full(40, 5e9), rel=1e-3)
    assert np.nanmax(chart.high) == pytest.approx(5e9, rel=1e-3)
    assert np.nanmax(chart.middle) == pytest.approx(1e6, rel=1e-2)


def test_few_hosts_at_full_resolution(tmp_path: Path) -> None:
    """16 hosts x 3,600 samples are not reduced."""
    s = data_of(sy.write(tmp_path / NAME, [(f"n{n}", spike(3600, 9)) for n in range(16)]))
    assert s.bin_s == 0 and len(s.x_ms) >= 3599


def test_reducer_keeps_the_order_of_a_bin(tmp_path: Path) -> None:
    """A bin that rises is drawn rising; one without values stays empty."""
    with load(sy.write(tmp_path / NAME, [("a", spike(13, 1))])) as recording:
        reducer = Downsampler(RunIntervals(recording), 1, line_points=6)
    nan = float("nan")
    values = np.array([1, 5, 3, nan, 9, 2, 7, nan, nan, nan, nan, nan, nan])[
        : reducer.bins * reducer.size
    ]
    assert reducer.size == 5
    got = reducer.line(values)
    assert got[:4].tolist() == [1, 9, 2, 7] and np.isnan(got[4:]).all()


def test_median_of_what_is_known() -> None:
    nan = float("nan")
    rows = np.array([[1, nan, nan, 4], [3, 5, nan, 1], [8, 7, nan, nan]], dtype=np.float32)
    got = median(rows)
    assert got[:2].tolist() == [3, 6] and np.isnan(got[2]) and got[3] == 2.5


def test_shades() -> None:
    """Nothing is 0, little is not nothing, the most is 254, unknown is a byte of its own."""
    codes, top = shade(np.array([[0, 1e-9, 50, 100, np.nan]], dtype=np.float32))
    assert codes.tolist() == [[0, 1, 127, 254, UNKNOWN]] and top == 100


def test_missed_ticks_are_charted_and_listed(tmp_path: Path) -> None:
    hosts = [("a", sy.workload(0, 50)), ("b<i>", sy.lose(sy.workload(1, 50), slice(20, 30)))]
    text = build(sy.write(tmp_path / NAME, hosts))
    assert "missing" in [c["name"] for c in document(text, "about")["charts"]]
    shown = Elements(text).text
    assert "hosts without a sample" in shown and "b<i>" in shown


def test_complete_run_misses_nothing(four: str) -> None:
    assert "None: every host has every tick." in Elements(four).text
    assert "missing" not in [c["name"] for c in document(four, "about")["charts"]]


def test_what_was_not_recorded_has_no_chart(tmp_path: Path) -> None:
    about = document(build(sy.write(tmp_path / NAME, [("a", spike(20, 3))])), "about")
    assert "read_bytes_per_s" in [c["name"] for c in about["charts"]]
    assert not {"cpu_busy_percent", "net_rx_bytes_per_s"} & {c["name"] for c in about["charts"]}


@pytest.mark.parametrize("rows", [0, 1])
def test_recording_without_intervals(tmp_path: Path, rows: int) -> None:
    """A page that says so, and no traceback."""
    empty = sy.SynthHost(
        *sy.grid(rows, stop_s=None), {"diskstats.sda.sectors_read": np.zeros(rows, np.int64)}
    )
    assert "Too few rows" in build(sy.write(tmp_path / NAME, [("a", empty)]))


def test_no_host_at_all(tmp_path: Path) -> None:
    assert "invalid" in Elements(build(sy.write(tmp_path / NAME, []))).text


@pytest.mark.skipif(not all_tests(), reason="takes a minute of CPU: scripts/test --all")
@pytest.mark.timeout(600)
def test_256_hosts_below_15_mb(tmp_path: Path) -> None:
    """The promise about size, on noise that hardly compresses."""
    text = build(sy.cluster(tmp_path / NAME, 256, 3600, odd={6: 0.41}))
    assert len(text.encode()) < 15e6
    about = document(text, "about")
    assert len(about["heat"]["figures"]) >= 8 and len(about["heat"]["hosts"]) == 256


def test_command_writes_beside_the_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``report DIR`` makes ``..._report.html`` once; never over something; -o elsewhere."""
    path = sy.cluster(tmp_path / NAME, 1, 10)
    assert page_path(path).name == "host_20260105_120000_report.html"
    assert main([str(tmp_path)]) == 0
    assert page_path(path).read_text().startswith("<!DOCTYPE html>")
    assert main([str(path)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([str(path), "-o", str(tmp_path / "other.html")]) == 0


def test_command_with_a_bad_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / NAME).write_bytes(b"no zip")
    assert main([str(tmp_path / NAME)]) == 2
    assert NAME in capsys.readouterr().err


def machine(**other: Any) -> dict[str, Any]:
    """Of a snapshot, what the page says of a machine."""
    return {
        "hostname": "node001",
        "version": "Linux version 6.1.0-13-amd64 (a@b) (gcc 12) #1 SMP",
        "os_release": {"PRETTY_NAME": "Debian GNU/Linux 12"},
        "cpu": {"model": "EPYC 9654", "num_sockets": 2, "num_cores": 192, "num_logical_cores": 384},
        "meminfo": {"MemTotal": 1584000000, "SwapTotal": 0},
        "drives": [
            {"name": f"nvme{n}n1", "model": "KCD8XPUG7T68", "bus": "nvme", "size_bytes": 7_681_501_126_656}
            for n in range(8)
        ],
        "nics": [
            {"name": "lo", "kind": "loopback", "physical": False, "state": "unknown", "speed_mbps": None},
            {"name": "eth0", "kind": "ethernet", "physical": True, "state": "up", "speed_mbps": 25000},
        ],
        "infiniband": [
            {"device": "mlx5_0", "port": "1", "rate": "400 Gb/sec (4X NDR)", "state": "4: ACTIVE"}
        ],
        "directories": [
            {"path": "/data", "fs_type": "xfs", "device": "/dev/md0", "mount_point": "/data",
             "options": "rw,noatime", "size_bytes": 10**13, "free_bytes": 7}
        ],
        **other,
    }  # fmt: skip


def test_machines_that_differ_stand_beside_each_other(tmp_path: Path) -> None:
    """What a host is comes from its snapshot; a difference is marked, an equal value is not."""
    hosts = [(f"node{n:03d}", sy.workload(n, 20)) for n in range(1, 5)]
    for n, (_key, host) in enumerate(hosts):
        host.meta["snapshot"] = machine()
        if n == 3:
            host.meta["snapshot"] = machine(os_release={"PRETTY_NAME": EVIL}, drives=[])
    text = build(sy.write(tmp_path / NAME, hosts))
    section = text[text.index('<section id="machines">') : text.index('<section id="missed">')]
    e = Elements(section)
    for want in (
        "EPYC 9654: 2 sockets, 192 cores, 384 CPUs",
        "1.48 TiB, no swap",
        "8 x KCD8XPUG7T68 (nvme, 6.99 TiB): nvme0n1",
        "ethernet, 25 Gbit/s: eth0",
        "400 Gb/sec (4X NDR)",
        "file system of /data",
        "xfs on /dev/md0, mounted at /data, 9.09 TiB, options rw,noatime",
        "node001-003",
        "Linux 6.1.0-13-amd64",
    ):
        assert want in e.text
    assert "<script>" in e.text and not set(section) & set("\x1b\u202e")
    assert len([a for a in e.all("td") if a.get("class") == "differs"]) == 2


def test_a_recording_without_snapshots_has_no_machines(tmp_path: Path) -> None:
    assert "no snapshot of its hosts" in build(sy.cluster(tmp_path / NAME, 2, 20))


def test_every_device_can_be_chosen(tmp_path: Path) -> None:
    """The busiest of a kind first, those in no total too; its line has the values of the device alone."""
    path = sy.cluster(tmp_path / NAME, 2, 40)
    text = build(path)
    about = document(text, "about")["devices"]
    names = [d["name"] for d in about["list"]]
    assert {
        f"node{h:03d}: {d}"
        for h in (1, 2)
        for d in ("nvme0n1", "nvme1n1", "sda", "dm-0", "eth0", "lo")
    } < set(names)
    assert (
        names.index("node001: nvme0n1") < names.index("node001: sda") < names.index("node001: dm-0")
    )
    arrays = arrays_of(text)
    with load(path) as recording:
        host = recording["node001"]
        alone = next(d for d in derive_devices(host) if d.name == "nvme1n1")
    drawn = arrays[about["list"][names.index("node001: nvme1n1")]["lines"]["read_bytes_per_s"][0]]
    assert np.allclose(drawn[:-1], alone.series["read_bytes_per_s"].values, rtol=1e-4)
    options = [a for a in Elements(text).all("option") if a.get("value") is not None]
    assert sorted(int(str(a["value"])) for a in options) == list(range(len(names)))


def test_a_page_has_room_for_so_many_devices(tmp_path: Path) -> None:
    """400 disks: none is lost without a word, and the page stays small."""
    host = sy.workload(0, 900)
    for n in range(400):
        host.columns.update(sy.disk(f"sd{n}x", host.times, 1e6 * (n + 1), 1e6))
    text = build(sy.write(tmp_path / NAME, [("node001", host)]))
    about = document(text, "about")["devices"]
    names = [d["name"] for d in about["list"]]
    assert len(names) >= 150
    assert "sd399x" in names
    left = re.search(r"(\d+) less active ones are left out", text)
    assert left and int(left[1]) + len(names) == 400 + 4 + 3
    assert len(text) < 6e6


def test_what_is_unknown_of_a_device_is_not_called_nothing(tmp_path: Path) -> None:
    host = sy.workload(0, 20)
    host.columns.update(sy.disk("sdz", host.times, 0.0, 0.0))
    host.columns.update(sy.disk("sdu", host.times, 1e6, 1e6))
    host = sy.blank(host, "diskstats.sdu.", slice(0, 99))
    text = build(sy.write(tmp_path / NAME, [("node001", host)]))
    about = Elements(
        text[text.index('<section id="devices">') : text.index('<section id="phases">')]
    ).text
    assert "1 of which all figures are zero are left out." in about
    assert "Of 1 no figure is known." in about
    names = [d["name"] for d in document(text, "about")["devices"]["list"]]
    assert not {"sdz", "sdu"} & set(names)
    assert "read\\n" not in text  # headings of the table of devices
