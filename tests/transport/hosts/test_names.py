"""Names of hosts and users: what must never become a word of a shell or an option of ssh."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mpi_collector.errors import HostsError
from mpi_collector.transport.hosts import checked, valid_host, valid_user

SHELL = ("-oProxyCommand=touch x", "a;reboot", "$(x)", "`x`", "a&&b", "a|b", "a>b", "a'b", 'a"b', "a\\b", "a/b", "~root", "*",
         "a\nb", "a\0b", "a\x1bb", "", "-", "-h", "a b", "@group", "a!b", "{a,b}", "é", "a\u2028b", "１２")  # fmt: skip


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
