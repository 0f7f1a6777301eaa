"""What a constructor takes, read from its signature and its docstring."""

from __future__ import annotations

from typing import Any

from massgap.processors.constructors import options_of


class Base:
    """Base.

    Parameters
    ----------
    met
        "detector" or
        "objects".
    names
        Which.

    Raises
    ------
    deep
        No parameter.
    """

    def __init__(self, *, met: str = "detector", names: tuple[str, ...] | None = None) -> None: ...


class Closed(Base):
    """Passes nothing on."""

    def __init__(self, width=1.0) -> None: ...


class Open(Base):
    """Passes the rest on.

    Parameters
    ----------
    loud, soft : bool
        Volume.

    met
        See :class:`Base`.
    """

    def __init__(self, loud: bool = False, /, soft: bool = True, *values: int, **options: Any) -> None: ...


class In(Base):
    def __init__(self, given: int, **options: Any) -> None:
        """Make one.

        Parameters
        ----------
        given
            What ``must`` be given.
        """


def test_signature_and_docstring() -> None:
    assert [(o.name, o.kind, o.default, o.text) for o in options_of(Open)] == [
        ("soft", "flag", True, "Volume."),
        ("met", "value", "detector", '"detector" or "objects".'),
        ("names", "list", None, "Which."),
    ]
    assert next((o.name, o.text) for o in options_of(In)) == ("given", "What must be given.")
    assert [o.name for o in options_of(Closed)] == ["width"]
    assert options_of(object) == ()
