"""Hosts on the command line: words, node sets, slots, and what is wrong with them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest
from hostkit import attempted, host_lists, named, word
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mpi_collector.errors import HostsError
from mpi_collector.transport.hosts import HostSpec, parse_hosts, same_name, valid_host


def problems(tokens: Sequence[str]) -> list[str]:
    with pytest.raises(HostsError) as caught:
        parse_hosts(tokens)
    return caught.value.problems


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
        (["bob@n[1-2]:2"], [HostSpec("n1", 2, user="bob"), HostSpec("n2", 2, user="bob")]),
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
        ("b;b@node1", "is not a user name"),
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
def test_words_fail_with_hosts_error_only(tokens: list[str]) -> None:
    """Any text: hosts that are valid and unique, or HostsError."""
    hosts, problems_ = attempted(lambda: parse_hosts(tokens))
    assert "".join(problems_).isprintable()
    assert hosts or problems_
    assert all(valid_host(h.name) and (h.slots is None or h.slots > 0) for h in hosts)
    assert len({same_name(h.name) for h in hosts}) == len(hosts)


@given(host_lists)
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
