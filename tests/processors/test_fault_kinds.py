"""Which errors pass by themselves, which stay, and which mean credentials."""

from __future__ import annotations

import errno

import pytest

from massgap.events.reading.faults import AUTHENTICATION, PERMANENT, TRANSIENT, kind_of_fault

XROOTD = [
    ("[ERROR] Server responded with an error: [3011] No servers are available to read the file.", TRANSIENT),
    (
        "[ERROR] Server responded with an error: [3011] Unable to open file /store/x.root; no such file or directory",
        PERMANENT,
    ),
    (
        "[ERROR] Server responded with an error: [3010] Unable to open /eos/x.root; permission denied",
        AUTHENTICATION,
    ),
    ("[FATAL] Auth failed: No protocols left to try", AUTHENTICATION),
    ("[FATAL] Auth failed", AUTHENTICATION),
    ("[ERROR] Server responded with an error: [3030] Unauthorized identity used", AUTHENTICATION),
    ("Seckrb5: Unable to get credentials; proxy expired", AUTHENTICATION),
    ("[ERROR] Operation expired", TRANSIENT),
    ("[FATAL] Socket timeout", TRANSIENT),
    ("[FATAL] Connection error", TRANSIENT),
    ("[ERROR] Socket error: Connection reset by peer", TRANSIENT),
    ("[FATAL] Redirect limit has been reached", TRANSIENT),
    ("[ERROR] Server responded with an error: [3012] Internal timeout", TRANSIENT),
    ("[ERROR] Server responded with an error: [3007] read error; input/output error", TRANSIENT),
    ("File did not open properly: [ERROR] Internal error: Server disconnected", TRANSIENT),
    ("503, message='Service Unavailable', url='https://x'", TRANSIENT),
    ("404, message='Not Found', url='https://x'", PERMANENT),
    ("401, message='Unauthorized', url='https://x'", AUTHENTICATION),
    ("not a ROOT file: first four bytes are b'<htm'", PERMANENT),
]


@pytest.mark.parametrize(("words", "kind"), XROOTD)
def test_what_storage_says(words, kind) -> None:
    assert kind_of_fault(OSError(words), remote=True) == kind
    # Of a local file words mean nothing.
    assert kind_of_fault(OSError(words)) == PERMANENT


@pytest.mark.parametrize(
    ("error", "local", "remote"),
    [
        (OSError(errno.EIO, "x"), TRANSIENT, TRANSIENT),
        (OSError(errno.ESTALE, "x"), TRANSIENT, TRANSIENT),
        (OSError(errno.ENOSPC, "x"), TRANSIENT, TRANSIENT),
        (TimeoutError(), TRANSIENT, TRANSIENT),
        (ConnectionResetError(), TRANSIENT, TRANSIENT),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), PERMANENT, PERMANENT),
        (PermissionError(errno.EACCES, "Permission denied"), PERMANENT, AUTHENTICATION),
        (ValueError("x"), PERMANENT, PERMANENT),
        (KeyError("timeout"), PERMANENT, TRANSIENT),
        (MemoryError(), PERMANENT, PERMANENT),
    ],
)
def test_types_and_numbers(error, local, remote) -> None:
    assert kind_of_fault(error) == local
    assert kind_of_fault(error, remote=True) == remote


@pytest.mark.parametrize(
    ("status", "kind"), [(401, AUTHENTICATION), (403, AUTHENTICATION), (503, TRANSIENT), (429, TRANSIENT)]
)
def test_status_of_http(status, kind) -> None:
    error = RuntimeError("x")
    error.status = status  # type: ignore[attr-defined]
    assert kind_of_fault(error, remote=True) == kind


def test_causes_count_unless_they_are_suppressed() -> None:
    def chained(how: str) -> BaseException:
        try:
            try:
                raise OSError(errno.EIO, "x")  # noqa: TRY301
            except OSError as inner:
                if how == "from":
                    raise ValueError(how) from inner
                if how == "none":
                    raise ValueError(how) from None
                raise ValueError(how)  # noqa: B904
        except ValueError as outer:
            return outer

    assert kind_of_fault(chained("from")) == TRANSIENT
    assert kind_of_fault(chained("context")) == TRANSIENT
    assert kind_of_fault(chained("none")) == PERMANENT
