"""Removal of secrets from what is recorded.

There are two rules, since there are two kinds of text:

* What the system shows of itself (mount options, devices, environment variables) has short option
names of a known grammar, and no name of it is needed to read a recording: ``hide_in_settings`` is
strict, and also hides user names.
* COMMAND is what the user wants to find in the recording, and words like ``--max-tokens 128`` are
not secrets: ``hide_in_command`` hides only the value of an option whose name ends like that of a
secret.

Both hide the user and the password of a URL.
"""

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Sequence

HIDDEN = "***"  #: stands for what is not recorded
#: a password may hold an unescaped slash, as keys of object stores do
_URL_USER = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)(?:[^/@\s]*|[^/@\s:]*:[^@\s]*)@")
_SECRET_VARIABLE = re.compile(r"(?i)passw|secret|token|cookie|credential|auth|key|cert|sign")
_SECRET_SETTING = re.compile(
    r"(?i)\b(pass(?:word|wd)?|secret(?:file)?|credentials|cred|key|keyring|keyfile|username|user"
    r"|name|token|auth[a-z_]*)=[^,\s]*"
)
#: matches at the end of an option's name: --api-key and --token, not --max-tokens
_SECRET_OPTION = re.compile(
    r"(?i)(passw(or)?d|passphrase|secret|token|credentials?"
    r"|(api|access|secret|private|account)[_-]?key)\Z"
)


def is_secret_variable(name: str) -> bool:
    """Return whether an environment variable of this name may hold a secret."""
    return _SECRET_VARIABLE.search(name) is not None


def hide_in_settings(text: str) -> str:
    """Return ``text`` without the values of options that may be secrets or name a user."""
    return _SECRET_SETTING.sub(lambda m: m.group(1) + "=" + HIDDEN, hide_in_url(text))


def hide_in_url(text: str) -> str:
    """Return ``text`` without the user and the password of URLs."""
    return _URL_USER.sub(r"\1" + HIDDEN + "@", text)


def hide_in_command(command: "Sequence[str]") -> "list[str]":
    """Return the words of ``command`` without the values of options that are named like a secret.

    A value is the text behind ``=`` or the next word. Numbers stay: no secret is one, but a count
    of tokens is.
    """
    out: "list[str]" = []
    for word in command:
        name, equals, value = word.partition("=")
        if equals and _SECRET_OPTION.search(name) and not value.isdigit():
            out.append(name + "=" + HIDDEN)
        elif out and _takes_secret(out[-1]) and not word.startswith("-") and not word.isdigit():
            out.append(HIDDEN)
        else:
            out.append(hide_in_url(word))
    return out


def _takes_secret(word: str) -> bool:
    return word.startswith("-") and _SECRET_OPTION.search(word) is not None
