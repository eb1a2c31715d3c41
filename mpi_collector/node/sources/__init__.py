"""The registry of sources: a module in this folder that defines one registers it by being there."""

import importlib
import pkgutil

from .base import Source


def _modules() -> "list[str]":
    """Return the names of the modules in this folder."""
    in_memory = getattr(__spec__.loader, "sources", None)  # an agent's package has no folder
    if in_memory is None:
        return sorted(m.name for m in pkgutil.iter_modules(__path__))
    return sorted(
        name[len(__name__) + 1 :] for name in in_memory if name.startswith(__name__ + ".")
    )


def _sources() -> "list[type[Source]]":
    """Return the source classes of all modules, in reading order."""
    found = []
    for name in _modules():
        module = importlib.import_module("." + name, __name__)
        for thing in vars(module).values():
            if (
                isinstance(thing, type)
                and issubclass(thing, Source)
                and thing.__module__ == module.__name__
                and thing.name
            ):
                found.append(thing)
    return sorted(found, key=lambda s: (s.may_block, s.order, s.name))


#: all sources in reading order
ALL = tuple(_sources())
BY_NAME = {s.name: s for s in ALL}
GROUPS = {
    "basic": ("diskstats", "netdev", "vmstat", "meminfo", "loadavg"),
    "default": tuple(s.name for s in ALL if s.default and not s.privileged),
    "all": tuple(s.name for s in ALL),
    "none": (),
}
ALIASES = {"net/dev": "netdev", "net_dev": "netdev"}


def select(spec: str) -> "list[Source]":
    """Return sources for ``basic``, ``default``, ``all`` or names separated by commas or blanks.

    Groups may be among the names. A name may be followed by ``:OPTION`` where a source has options.
    ValueError names what is not known, and what there is.
    """
    wanted: "set[str]" = set()
    named: "set[str]" = set()
    options: "dict[str, str]" = {}
    if spec == "none":
        return []
    for word in spec.replace(",", " ").split():
        name, colon, option = word.partition(":")
        name = ALIASES.get(name, name)
        if name not in GROUPS and name not in BY_NAME:
            raise ValueError(
                "unknown source %r; there are %s, and the groups basic, default, all"
                % (word, ", ".join(sorted(BY_NAME)))
            )
        wanted.update(GROUPS.get(name, (name,)))
        named.add(name)
        if colon:
            _check_option(name, option, options)
            options[name] = option
    if not wanted:
        raise ValueError("no source named; try basic, default or all")
    out = []
    for cls in ALL:
        if cls.name in wanted:
            source = cls()
            source.named = cls.name in named
            if cls.name in options:
                source.choose(options[cls.name])
            out.append(source)
    return out


def _check_option(name: str, option: str, options: "dict[str, str]") -> None:
    """ValueError when the option of a source is not allowed, empty, or given twice."""
    with_options = [s.name for s in ALL if s.option_doc]
    if name not in with_options:
        raise ValueError(
            "%s:%s: %s takes nothing after a colon; only %s does"
            % (name, option, name, ", ".join(with_options))
        )
    if not option:
        raise ValueError("%s: nothing after the colon" % name)
    if options.get(name, option) != option:
        raise ValueError("%s is given twice: %s and %s" % (name, options[name], option))
