"""The hosts that a command line names."""

from __future__ import annotations

import argparse

from mpi_collector.benchmark.console import print_message
from mpi_collector.transport.hosts import HostSpec, parse_hostfile, parse_hosts, valid_user

_SHOWN_CHARACTERS = 40


def check_host_options(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Exit with the parser's error for options that contradict each other or name no user."""
    if args.hosts and args.hostfile:
        parser.error("--hosts and --hostfile: give one of them")
    if args.ssh_username is not None and not valid_user(args.ssh_username):
        shown = args.ssh_username[:_SHOWN_CHARACTERS]
        parser.error(f"--ssh-username: {shown!r} is not a valid user name")


def named_hosts(args: argparse.Namespace) -> list[HostSpec]:
    """Return the hosts of --hosts or --hostfile; [] when neither was given. HostsError."""
    if args.hosts:
        return parse_hosts(args.hosts, remark=_warn)
    return parse_hostfile(args.hostfile, remark=_warn) if args.hostfile else []


def _warn(text: str) -> None:
    print_message(f"warning: {text}")
