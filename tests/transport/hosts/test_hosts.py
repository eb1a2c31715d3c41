"""Who is meant: words, host files of every dialect, schedulers; and what must never become a host name."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mpi_collector.errors import HostsError
from mpi_collector.node.host.identity import addresses
from mpi_collector.transport import hosts as hosts_module
from mpi_collector.transport.hosts import (
    MAX_FILE_BYTES,
    HostSpec,
    checked,
    from_scheduler,
    local_names,
    mark_local,
    parse_hostfile,
    parse_hosts,
    resolve_all,
    valid_host,
    valid_user,
)

HOSTFILES = Path(__file__).parents[3] / "hostfiles"
SHELL = ("-oProxyCommand=touch x", "a;reboot", "$(x)", "`x`", "a&&b", "a|b", "a>b", "a'b", 'a"b', "a\\b", "a/b", "~root", "*",
         "a\nb", "a\0b", "a\x1bb", "", "-", "-h", "a b", "@group", "a!b", "{a,b}", "é", "a\u2028b", "１２")  # fmt: skip

labels = st.from_regex(r"[a-z_]([a-z0-9_-]{0,8}[a-z0-9_])?", fullmatch=True)
names = st.lists(labels, min_size=1, max_size=3).map(".".join)
addresses_v4 = st.ip_addresses(v=4).map(str)
addresses_v6 = st.ip_addresses(v=6).map(str)
slots = st.none() | st.integers(1, 9999)
specs = st.lists(st.builds(HostSpec, names | addresses_v4 | addresses_v6, slots), min_size=1, max_size=8,
                 unique_by=lambda h: hosts_module.same_name(h.name))  # fmt: skip


def named(*pairs: str | tuple[str, int]) -> list[HostSpec]:
    """HostSpecs, shortly."""
    return [HostSpec(p) if isinstance(p, str) else HostSpec(*p) for p in pairs]


def word(host: HostSpec) -> str:
    """A host as it is typed."""
    if host.slots is None:
        return host.name
    return f"[{host.name}]:{host.slots}" if ":" in host.name else f"{host.name}:{host.slots}"


def attempted(parse: Callable[[], list[HostSpec]]) -> tuple[list[HostSpec], list[str]]:
    """(hosts, problems), one of them empty. Any exception but HostsError passes."""
    try:
        return parse(), []
    except HostsError as e:
        return [], e.problems


def problems(tokens: Sequence[str]) -> list[str]:
    with pytest.raises(HostsError) as caught:
        parse_hosts(tokens)
    return caught.value.problems


# ---- words
@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (["a,b"], named("a", "b")),
        (["a", "b"], named("a", "b")),
        (["a b , c,", ",d\t\n"], named("a", "b", "c", "d")),
        (["e:8"], named(("e", 8))),
        (["node[01-03]"], named("node01", "node02", "node03")),
        (["node[1,3-4]:2,x"], named(("node1", 2), ("node3", 2), ("node4", 2), "x")),
        (["n[1-2]m[3-4]"], named("n1m3", "n1m4", "n2m3", "n2m4")),
        (["n[0-8/4]-ib.site"], named("n0-ib.site", "n4-ib.site", "n8-ib.site")),
        (
            ["2001:db8::1", "[2001:db8::2]", "[2001:db8::3]:4"],
            named("2001:db8::1", "2001:db8::2", ("2001:db8::3", 4)),
        ),
        (["fe80::1%eth0", "[fe80::2%eth0]:2"], named("fe80::1%eth0", ("fe80::2%eth0", 2))),
        (["192.0.2.1:3"], named(("192.0.2.1", 3))),
        (["node_1.site."], named("node_1.site.")),
        (["a,b,a"], named(("a", 2), "b")),
        (["a:4,A:4,a."], named(("a", 9))),
        (["2001:db8::1,2001:DB8:0::1"], named(("2001:db8::1", 2))),
    ],
)
def test_words(tokens: list[str], expected: list[HostSpec]) -> None:
    """Commas, blanks, node sets, slots, addresses; order kept, repetitions added up."""
    assert parse_hosts(tokens) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("4", "slots are written host:4"),
        ("bob@node1", "--ssh-username"),
        ("a:x", "slots are a number"),
        ("a:0", "slots are a number"),
        ("a:", "slots are a number"),
        ("a:99999999999999999999", "slots are a number"),
        ("2001:db8::1::4", "[2001:db8::1]:4"),
        ("[fe80::zz]", "not an IPv6 address in the brackets"),
        ("fe80::1%-oX", "not an IPv6 address"),
        ("1.2.3", "not a host name"),
        ("300.1.1.1", "not a host name"),
        ("node[1-", "bracket"),
        ("node]1[", "bracket"),
        ("node[a-b]", "not a node set"),
        ("node[1-9]!node3", "not a node set"),
        ("node[9-1]", "range"),
        ("[1-3]", "is a number"),
        ("node[1-99999999]", "99,999,999 hosts; 65,536 is the limit"),
        ("node[1-1000]x[1-1000]", "1,000,000 hosts"),
        ("node[1-300]-[1-300]", "90,000 hosts"),
        ("x" * 300, "253 is the limit"),
        (f"{'x' * 64}.site", "not a host name"),
        ("", "names no host"),
        (" , ", "names no host"),
    ],
)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    """Every mistake has a message with what to write instead."""
    (message,) = problems([text])
    assert message.startswith("--hosts: ")
    assert says in message
    assert len(message) < 250


def test_all_problems_at_once() -> None:
    """Not one after the other; many are counted, not listed."""
    assert len(problems(["a;b", "ok", "c|d,$(e)"])) == 3
    text = str(HostsError(problems([f"x;{k}" for k in range(100)])))
    assert text.count("\n") == 20
    assert text.endswith("and 80 more")


@pytest.mark.parametrize("text", SHELL)
def test_shell_text_and_options_are_refused(text: str) -> None:
    """Neither a host nor a user."""
    assert not valid_host(text)
    with pytest.raises(HostsError):
        checked(text)
    assert not valid_user(text)


def test_users() -> None:
    """User names as systems have them."""
    assert all(valid_user(u) for u in ("bob", "_svc", "a.b-c", "bob@site.example", "host$", "0x1"))
    assert not any(
        valid_user(u) for u in ("", "-l", "a b", "a;b", "$x", "a$b", "a\n", "x" * 300, "１２")
    )


@given(st.text(max_size=40))
@example("a\n")
@example("\u0661")
@settings(max_examples=300, deadline=None)
def test_a_valid_name_is_harmless(text: str) -> None:
    """Whatever passes holds only characters that no shell, no ssh and no host file gives a meaning."""
    if valid_host(text):
        assert text.isascii()
        assert set(text) <= set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:%"
        )
        assert not text.startswith("-")
        assert 0 < len(text) <= 254


@given(
    st.lists(
        st.text(alphabet=st.sampled_from("ab19-[]:,. %!@/;$\n#=") | st.characters(), max_size=20),
        max_size=4,
    )
)
@example(["[:]:"])
@example(["[::1]:[1]"])
@example(["a[1-2]b[", "]"])
@settings(max_examples=500, deadline=None)
def test_words_fail_with_HostsError_only(tokens: list[str]) -> None:
    """Any text: hosts that are valid and unique, or HostsError."""
    hosts, problems_ = attempted(lambda: parse_hosts(tokens))
    assert "".join(problems_).isprintable()
    assert hosts or problems_
    assert all(valid_host(h.name) and (h.slots is None or h.slots > 0) for h in hosts)
    assert len({hosts_module.same_name(h.name) for h in hosts}) == len(hosts)


@given(specs)
@settings(max_examples=200, deadline=None)
def test_words_round_trip(hosts: list[HostSpec]) -> None:
    """What is typed is what is meant, in one token or in many."""
    words = [word(h) for h in hosts]
    assert parse_hosts(words) == hosts
    assert parse_hosts([",".join(words)]) == hosts


def test_without_clustershell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain names need no ClusterShell; a node set says what to install."""
    monkeypatch.setitem(sys.modules, "ClusterShell.NodeSet", None)
    assert parse_hosts(["a,b"]) == named("a", "b")
    (message,) = problems(["node[1-2]"])
    assert "pip install ClusterShell" in message


# ---- files
def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "hosts"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


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
        tmp_path, "a\nb slots=x\n\nc;d # why\ne speed=3\nslots=4\nf user=bob\ng:2 slots=2\n\xff\n"
    )
    with pytest.raises(HostsError) as caught:
        parse_hostfile(path)
    assert [p.partition(": ")[0] for p in caught.value.problems] == [
        f"{path}:{n}" for n in (2, 4, 5, 6, 7, 8, 9)
    ]
    text = str(caught.value)
    assert "unknown option 'speed=3'" in text
    assert "--ssh-username" in text
    assert "slots twice" in text


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
        b"a" * MAX_FILE_BYTES,
        b"n[" + b"1," * (MAX_FILE_BYTES // 2 - 2) + b"1]",
        b"\n".join(b"n%d" % k for k in range(70_000)),
    ],
    ids=["sets", "brackets", "blanks", "open", "long", "ranges", "many"],
)
def test_hostile_files_are_refused_soon(tmp_path: Path, data: bytes) -> None:
    """The largest files, made to keep us busy."""
    path = written(tmp_path, data)
    began = time.monotonic()
    _, problems_ = attempted(lambda: parse_hostfile(path))
    assert len("".join(problems_)) < 10_000
    assert time.monotonic() - began < 30


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
def test_files_fail_with_HostsError_only(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """Any bytes."""
    path = tmp_path_factory.getbasetemp() / "any-hosts"
    path.write_bytes(data)
    hosts, problems_ = attempted(lambda: parse_hostfile(path))
    assert all(p.startswith(str(path)) for p in problems_)
    assert hosts or problems_
    assert all(valid_host(h.name) for h in hosts)


@given(specs, st.sampled_from(["\n", "\r\n", " # c\n", "\n\n"]))
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


# ---- schedulers
def test_schedulers(tmp_path: Path) -> None:
    """Every variable, what it was taken from, and which goes first."""
    nodes = str(written(tmp_path, "a\na\nb\n"))
    cases: list[tuple[dict[str, str], list[HostSpec], str]] = [
        (
            {"SLURM_JOB_NODELIST": "n[1-2],login1"},
            named("n1", "n2", "login1"),
            "SLURM_JOB_NODELIST",
        ),
        ({"SLURM_NODELIST": "n[08-10]"}, named("n08", "n09", "n10"), "SLURM_NODELIST"),
        ({"PBS_NODEFILE": nodes}, named(("a", 2), "b"), "PBS_NODEFILE"),
        ({"LSB_HOSTS": "a a b"}, named(("a", 2), "b"), "LSB_HOSTS"),
        (
            {"LSB_MCPU_HOSTS": "a 2 b 1 ", "LSB_HOSTS": "x"},
            named(("a", 2), ("b", 1)),
            "LSB_MCPU_HOSTS",
        ),
        ({"COBALT_NODEFILE": nodes}, named(("a", 2), "b"), "COBALT_NODEFILE"),
        ({"SLURM_JOB_NODELIST": "a", "PBS_NODEFILE": "/none"}, named("a"), "SLURM_JOB_NODELIST"),
        ({"SLURM_JOB_NODELIST": "", "PBS_NODEFILE": nodes}, named(("a", 2), "b"), "PBS_NODEFILE"),
    ]
    for environ, hosts, source in cases:
        assert from_scheduler(environ) == (hosts, source)
    assert from_scheduler({"PATH": "/bin"}) is None


@pytest.mark.parametrize(
    "environ",
    [{"PBS_NODEFILE": "/none/x"}, {"SLURM_JOB_NODELIST": "n[1-"}, {"LSB_MCPU_HOSTS": "a 2 b"}],
)
def test_scheduler_problems_name_the_variable(environ: dict[str, str]) -> None:
    with pytest.raises(HostsError, match=f"^{next(iter(environ))}"):
        from_scheduler(environ)


# ---- this host
def test_own_names_and_addresses_are_local() -> None:
    """Names of this host, its addresses in any spelling; nobody else's."""
    host = socket.gethostname()
    mine = ["localhost", "LOCALHOST.", host, host.upper(), host.partition(".")[0], "127.0.0.1", "127.9.9.9", "::1", "0:0::1",
            "::ffff:127.0.0.1", *addresses()]  # fmt: skip
    assert local_names(mine) == set(mine)
    assert not local_names(["192.0.2.1", "2001:db8::1", "0.0.0.0", "::"])


def test_a_name_is_local_when_all_its_addresses_are() -> None:
    """One of somebody else's makes it another host; one that nobody knows is another host too."""
    book = {
        "alias": ["127.0.1.1", "::1"],
        "mixed": ["127.0.0.1", "192.0.2.1"],
        "other": ["192.0.2.1"],
        "none": [],
    }

    def lookup(name: str, _port: object, **_: object) -> list[tuple[object, ...]]:
        if name not in book:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(0, 0, 0, "", (address, 0)) for address in book[name]]

    assert local_names(["alias", "mixed", "other", "none", "absent"], lookup=lookup) == {"alias"}
    hosts = mark_local([HostSpec("alias"), HostSpec("absent", 4)], lookup=lookup)
    assert hosts == [HostSpec("alias", is_local=True), HostSpec("absent", 4)]
    assert resolve_all(["other", "absent"], lookup=lookup) == {"other": {"192.0.2.1"}}


def test_a_resolver_that_hangs_delays_nobody() -> None:
    """A hundred names, none of which is ever answered: one bounded wait, and not local."""
    never = threading.Event()

    def hang(*_: object, **__: object) -> list[tuple[object, ...]]:
        never.wait(30)
        return []

    began = time.monotonic()
    assert local_names([f"h{k}" for k in range(100)], timeout_s=0.3, lookup=hang) == set()
    assert time.monotonic() - began < 2
    never.set()
