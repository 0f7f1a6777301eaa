"""Tell errors that pass by themselves from those that will come again, and from refused credentials.

A storage that is busy, a connection that breaks and a token that has run out all end in an exception while a file is
read.  The first two are worth another attempt, the last one fails for every file in the same way.
"""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "AUTHENTICATION",
    "AUTHENTICATION_REMEDY",
    "ENVIRONMENT",
    "PERMANENT",
    "TRANSIENT",
    "causes",
    "kind_of_fault",
]

PERMANENT = "permanent"
"""The same input fails again."""
TRANSIENT = "transient"
"""Worth another attempt."""
AUTHENTICATION = "authentication"
"""Credentials were refused or have run out: every remote file fails."""
ENVIRONMENT = "environment"
"""The worker's software is not that of the driver."""

AUTHENTICATION_REMEDY = (
    "make a new proxy or token (voms-proxy-init --voms cms, or kinit and bearer token), see that workers get it "
    "(X509_USER_PROXY or BEARER_TOKEN_FILE must name a file that exists there), and run again: finished chunks are kept"
)

_TRANSIENT_NUMBERS = {
    errno.EIO,
    errno.EAGAIN,
    errno.EINTR,
    errno.EBUSY,
    errno.ETIMEDOUT,
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.ECONNABORTED,
    errno.EPIPE,
    errno.EHOSTUNREACH,
    errno.EHOSTDOWN,
    errno.ENETUNREACH,
    errno.ENETRESET,
    errno.ENETDOWN,
    errno.ESTALE,
    errno.ENOTCONN,
    errno.EREMOTEIO,
    errno.ENOLINK,
    # Of this machine: another worker may have room.
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ENOBUFS,
}

# What XRootD, HTTP servers and their clients say.  The first that matches decides.
_WORDS = (
    (
        AUTHENTICATION,
        re.compile(
            r"auth(entication|orization|orisation)? ?(has |was )?(failed|denied|required|error)|no protocols left to try"
            r"|\b(40[13]|407)\b[,:' ]*(message=)?[' ]*(unauthori[sz]ed|forbidden|proxy authentication)|not authori[sz]ed|unauthori[sz]ed"
            r"|proxy (certificate )?(has |is )?(expired|not found|missing)|credential|x509|\[3010\]|\[3030\]|secgsi|seckrb5|secztn|token (has |is )?expired"
            r"|invalid (access )?token|certificate (has |is )?expired",
            re.IGNORECASE,
        ),
    ),
    (
        # A redirector whose data servers do not answer in time says so, and means the file only sometimes.
        TRANSIENT,
        re.compile(r"no servers (are )?available", re.IGNORECASE),
    ),
    (
        # A server's plain "no such file" is final, whatever else its message holds.
        PERMANENT,
        re.compile(
            r"\[3011\]|no such file|\b(404|410)\b[,:' ]*(message=)?[' ]*(not found|gone)", re.IGNORECASE
        ),
    ),
    (
        TRANSIENT,
        re.compile(
            r"time(d)?[ -]?out|operation expired|connection (was )?(reset|refused|lost|closed|aborted|error)|socket error|stream (disconnect|error)"
            r"|server (disconnected|is overloaded|error)|temporar(y|ily)|try again|too many (open files|requests|connections|redirect)|redirect limit"
            r"|unable to (connect|open|read).*\b(network|host)\b|name or service not known|name resolution|\[ERROR\] internal error"
            r"|\b(408|425|429|500|502|503|504)\b[,:' ]*(message=)?[' ]*(request|too|internal|bad gateway|service|gateway)|input/output error|stale file handle|resource temporarily"
            r"|\[30(05|06|07|08|12|14|25)\]|incomplete read|payload is not completed|transferencodingerror",
            re.IGNORECASE,
        ),
    ),
)
# By name, as the packages need not be installed.
_TRANSIENT_TYPES = {
    "ServerDisconnectedError",
    "ClientConnectionError",
    "ClientOSError",
    "ClientPayloadError",
    "ServerTimeoutError",
    "FSTimeoutError",
    "IncompleteRead",
}


def kind_of_fault(error: BaseException, *, remote: bool = False) -> str:
    """What kind of fault an exception, or one of its causes, is.

    Parameters
    ----------
    error
        What was raised while a file was opened or read.
    remote
        Whether the file is behind a URL: only then the words of a message count, and refused access means
        credentials.

    Returns
    -------
    str
        :data:`TRANSIENT`, :data:`AUTHENTICATION` or :data:`PERMANENT`.

    Examples
    --------
    >>> kind_of_fault(OSError(errno.EIO, "Input/output error"))
    'transient'
    >>> kind_of_fault(OSError("[FATAL] Auth failed: No protocols left to try"), remote=True)
    'authentication'
    >>> kind_of_fault(FileNotFoundError(errno.ENOENT, "No such file or directory"))
    'permanent'
    """
    chain = list(causes(error))
    if remote:
        status = next((s for e in chain if isinstance(s := getattr(e, "status", None), int)), None)
        if status in (401, 403, 407) or any(isinstance(e, PermissionError) for e in chain):
            return AUTHENTICATION
        if status in (408, 425, 429, 500, 502, 503, 504):
            return TRANSIENT
        for kind, words in _WORDS:
            if any(words.search(str(e)) for e in chain):
                return kind
    for e in chain:
        if isinstance(e, TimeoutError | ConnectionError | InterruptedError):
            return TRANSIENT
        if isinstance(e, OSError) and e.errno in _TRANSIENT_NUMBERS:
            return TRANSIENT
        if remote and type(e).__name__ in _TRANSIENT_TYPES:
            return TRANSIENT
    return PERMANENT


def causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and what it was raised from, one after the other."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
