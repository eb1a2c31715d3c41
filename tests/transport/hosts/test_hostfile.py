"""Host files of every dialect, damaged ones, and ones made to keep the program busy."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hostkit import attempted, host_lists, named, word, written
from hypothesis import given, settings
from hypothesis import strategies as st

from mpi_collector.errors import HostsError
from mpi_collector.transport.hosts import (
    MAX_FILE_BYTES,
    HostSpec,
    parse_hostfile,
    parse_hosts,
    valid_host,
)

HOSTFILES = Path(__file__).parents[3] / "hostfiles"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openmpi.hosts", named(("node1", 4), ("node2", 4), "node3")),
        ("mpich.hosts", named(("node1", 4), ("node2", 4), "node3")),
        ("intelmpi.machines", named(("node1", 2), ("node2", 2))),
        ("pbs.nodefile", named(("node1", 2), ("node2", 2), ("node3", 2))),
        ("plain.hosts", named("node1", "node2.cluster.example", "192.0.2.17")),
        (
            "nodeset.hosts",
            named(*[f"node{k:02}" for k in range(1, 17) if k != 7], "login1", "login2"),
        ),
        ("ipv6.hosts", named("2001:db8::1", ("2001:db8::2", 4), ("2001:db8::3", 2))),
    ],
)
def test_sample_files(name: str, expected: list[HostSpec]) -> None:
    """The examples in hostfiles/ are read as their comments say."""
    assert parse_hostfile(HOSTFILES / name) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a slots=4 max_slots=8", named(("a", 4))),
        ("a\tslots = 4", named(("a", 4))),
        ("a slots 4", named(("a", 4))),
        ("a max-slots 8", named("a")),
        ("a MAX_SLOTS=8 # slots=9", named("a")),
        ("a#slots=9", named("a")),
        ("a:4 binding=map=0,3", named(("a", 4))),
        ("a:4 ifname=ib0", named(("a", 4))),
        ("  a  \r", named("a")),
        ("a b c", named("a", "b", "c")),
        ("a,b slots=2", named(("a", 2), ("b", 2))),
        ("n[1-2] slots=3", named(("n1", 3), ("n2", 3))),
        ("[2001:db8::1]:2", named(("2001:db8::1", 2))),
        ("2001:db8::1 slots=2", named(("2001:db8::1", 2))),
        ("a port=22 slots=1", [HostSpec("a", 1, port=22)]),
        ("a slots=2 PORT = 2222 // rack 4", [HostSpec("a", 2, port=2222)]),
        ("a//b", named("a")),
        ("a /* b */ slots=2 /* c", named(("a", 2))),
        ("bob@a slots=2", [HostSpec("a", 2, user="bob")]),
        ("bob@a:2", [HostSpec("a", 2, user="bob")]),
        ("bob@[2001:db8::1]:2", [HostSpec("2001:db8::1", 2, user="bob")]),
        ("bob@REALM@a", [HostSpec("a", user="bob@REALM")]),
        ("a:4 user=bob", [HostSpec("a", 4, user="bob")]),
        ("a username bob", [HostSpec("a", user="bob")]),
        ('a slots="4"', named(("a", 4))),
        ("a 4", named(("a", 4))),
        ("a.site 4 all.q@a.site UNDEFINED", named(("a.site", 4))),
        ("a 4 all.q@a.site 0,1:0,2", named(("a", 4))),
        ("a:4:mlx5_0", named(("a", 4))),
    ],
)
def test_lines(tmp_path: Path, line: str, expected: list[HostSpec]) -> None:
    """Options that matter are taken, those of binding and the like are known and left alone."""
    assert parse_hostfile(written(tmp_path, f"# c\n\n{line}\n")) == expected


def test_windows_file(tmp_path: Path) -> None:
    """A byte order mark, CRLF, and no end of line at the end."""
    path = written(tmp_path, b"\xef\xbb\xbfa slots=2\r\n\r\n# x\r\nb:3")
    assert parse_hostfile(path) == named(("a", 2), ("b", 3))


def test_file_problems_name_file_and_line(tmp_path: Path) -> None:
    """All of them, each where it is."""
    path = written(
        tmp_path, "a\nb slots=x\n\nc;d # why\ne speed=3\nslots=4\nf port=0\ng:2 slots=2\n\xff\n"
    )
    with pytest.raises(HostsError) as caught:
        parse_hostfile(path)
    assert [p.partition(": ")[0] for p in caught.value.problems] == [
        f"{path}:{n}" for n in (2, 4, 5, 6, 7, 8, 9)
    ]
    text = str(caught.value)
    assert "unknown option 'speed=3'" in text
    assert "a port is a number" in text
    assert "slots twice" in text


def test_comments_over_lines(tmp_path: Path) -> None:
    """Those of C, which Open MPI takes; numbers of lines stay right."""
    path = written(tmp_path, "a /* b\nc\n*/ d // /* e\nf # */ g\n")
    assert parse_hostfile(path) == named("a", "d", "f")
    with pytest.raises(HostsError, match=r"hosts:3: .*'x!'"):
        parse_hostfile(written(tmp_path, "a /*\n*/\nx!\n"))


def test_grid_engine_counts_queues_of_a_host_together(tmp_path: Path) -> None:
    text = "a.site 2 all.q@a.site UNDEFINED\nb.site 4 all.q@b.site UNDEFINED\na.site 1 big.q@a.site <NULL>\n"
    assert parse_hostfile(written(tmp_path, text)) == named(("a.site", 3), ("b.site", 4))


@pytest.mark.parametrize(
    "line",
    ["a port=99999", "a port=-oX", "-oX@a", "a user=-oX", "a user=b;c", "x@a user=b", "@a", "b@@a"],
)
def test_users_and_ports_that_are_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(HostsError, match=r"hosts:1: .*(port|user)"):
        parse_hostfile(written(tmp_path, line))


def test_two_users_of_a_host(tmp_path: Path) -> None:
    with pytest.raises(HostsError, match=r"hosts:2: 'a' is named with the users x and y"):
        parse_hostfile(written(tmp_path, "x@a\ny@a\n"))
    assert parse_hostfile(written(tmp_path, "a\ny@a\n")) == [HostSpec("a", 2, user="y")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a:10,a:20", "a:10 and a:20 means 30 slots; a port"),
        ("b:4 a:2222", "a:2222 means 2,222 slots; a port"),
        ("a:22", "a:22 means 22 slots"),
        ("a:4,a:4,b:1023", ""),
        ("a,a:4", ""),
    ],
)
def test_slots_that_may_be_ports(tmp_path: Path, text: str, said: str) -> None:
    """Taken as slots, with a word."""
    remarks: list[str] = []
    parse_hosts([text], remark=remarks.append)
    parse_hostfile(written(tmp_path, text), remark=remarks.append)
    assert len(remarks) == (2 if said else 0)
    assert all(said in remark for remark in remarks)


@pytest.mark.parametrize("text", ["", "\n# nothing\n", "  \r\n"])
def test_file_without_hosts(tmp_path: Path, text: str) -> None:
    with pytest.raises(HostsError, match="hosts: names no host"):
        parse_hostfile(written(tmp_path, text))


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, a directory, too large, endless: said, and not read to the end."""
    for path, says in (
        (tmp_path / "none", "No such file"),
        (tmp_path, "directory"),
        (Path("/dev/zero"), "4 MiB"),
    ):
        with pytest.raises(HostsError, match=says):
            parse_hostfile(path)
    with pytest.raises(HostsError, match="cannot be read"):
        parse_hostfile("a\0b")


@pytest.mark.parametrize(
    "data",
    [
        b"n[1-65536]\n" * (MAX_FILE_BYTES // 11),
        b"]" * (MAX_FILE_BYTES // 2) + b"[" * (MAX_FILE_BYTES // 2),
        b"a" + b" " * (MAX_FILE_BYTES - 2) + b"b",
        b"[" * MAX_FILE_BYTES,
        b"/*" * (MAX_FILE_BYTES // 2),
        b"! " * (MAX_FILE_BYTES // 2),
        b"a/**/" * (MAX_FILE_BYTES // 5),
        b"a" * MAX_FILE_BYTES,
        b"n[" + b"1," * (MAX_FILE_BYTES // 2 - 2) + b"1]",
        b"\n".join(b"n%d" % k for k in range(70_000)),
    ],
    ids=[
        "sets",
        "brackets",
        "blanks",
        "open",
        "comment",
        "words",
        "comments",
        "long",
        "ranges",
        "many",
    ],
)
def test_hostile_files_are_refused_soon(tmp_path: Path, data: bytes) -> None:
    """The largest files, made to keep us busy."""
    path = written(tmp_path, data)
    began = time.process_time()
    _, problems_ = attempted(lambda: parse_hostfile(path))
    assert len(problems_) <= 1000
    assert len(str(HostsError(problems_))) < 10_000
    assert time.process_time() - began < 30


def test_a_large_cluster_is_read_quickly(tmp_path: Path) -> None:
    """65,536 hosts are the limit, and as many lines as PBS writes for 1,000 nodes of 256 cores are fine."""
    assert len(parse_hosts(["n[1-65536]"])) == 65536
    text = "".join(f"node{k}.site\n" * 256 for k in range(1000))
    hosts = parse_hostfile(written(tmp_path, text))
    assert len(hosts) == 1000
    assert {h.slots for h in hosts} == {256}


@given(
    st.binary(max_size=200)
    | st.text(alphabet="ab1 \t\r\n#=:[],-slots.", max_size=80).map(str.encode)
)
@settings(max_examples=400, deadline=None)
def test_files_fail_with_hosts_error_only(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """Any bytes."""
    path = tmp_path_factory.getbasetemp() / "any-hosts"
    path.write_bytes(data)
    hosts, problems_ = attempted(lambda: parse_hostfile(path))
    assert all(p.startswith(str(path)) for p in problems_)
    assert hosts or problems_
    assert all(valid_host(h.name) for h in hosts)


@given(host_lists, st.sampled_from(["\n", "\r\n", " # c\n", "\n\n"]))
@settings(max_examples=200, deadline=None)
def test_files_round_trip(
    tmp_path_factory: pytest.TempPathFactory, hosts: list[HostSpec], end: str
) -> None:
    """Every dialect says the same."""
    path = tmp_path_factory.getbasetemp() / "round-hosts"
    colon = "".join(word(h) + end for h in hosts)
    options = "".join(h.name + (f" slots={h.slots}" if h.slots else "") + end for h in hosts)
    repeated = "".join((h.name + end) * (h.slots or 1) for h in hosts if (h.slots or 1) < 20)
    for text in (colon, options):
        path.write_text(text, newline="")
        assert parse_hostfile(path) == hosts
    path.write_text(repeated or "x\n", newline="")
    assert [h for h in parse_hostfile(path) if h.slots] == [
        h for h in hosts if 1 < (h.slots or 1) < 20
    ]
