"""Patch sets: many signals on one workspace, as pyhf and HEPData exchange them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from massgap.fits.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Patch", "patches_of"]


@dataclass(frozen=True)
class Patch:
    """One signal.

    Attributes
    ----------
    name : str
    values : dict
        What the labels of the patch set are here, as masses in GeV.
    operations : sequence of mapping
        JSON patch (RFC 6902).
    """

    name: str
    values: dict[str, Any]
    operations: Sequence[Mapping[str, Any]] = field(repr=False)

    def apply(self, workspace: Mapping[str, Any]) -> dict[str, Any]:
        """The workspace with the signal.

        Raises
        ------
        WorkspaceError
            If the patch does not fit the workspace.
        """
        import jsonpatch

        try:
            patched: dict[str, Any] = jsonpatch.apply_patch(workspace, list(self.operations))
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
            message = f"The patch '{self.name}' does not fit the workspace: {error}. Give the workspace that it was made for."
            raise WorkspaceError(message) from error
        return patched


def patches_of(document: Any, names: Sequence[str] = ()) -> list[Patch]:
    """The patches of a patch set, or those of some names.

    Parameters
    ----------
    document : mapping or list
        Patch set of pyhf, or a single JSON patch.
    names : sequence of str
        Which; default all.

    Raises
    ------
    WorkspaceError
        If it is no patch set, or has no patch of a name.

    Examples
    --------
    >>> patches_of([{"op": "remove", "path": "/channels/1"}])[0].name
    'patch'
    """
    if isinstance(document, list):
        return [Patch("patch", {}, document)]
    try:
        labels = document["metadata"]["labels"]
        patches = [
            Patch(
                str(entry["metadata"]["name"]),
                dict(zip(labels, entry["metadata"]["values"], strict=True)),
                entry["patch"],
            )
            for entry in document["patches"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        message = (
            "This is no patch set: it needs metadata.labels, and patches with metadata.name, metadata.values (as many as "
            f"labels) and patch ({type(error).__name__}: {error})."
        )
        raise WorkspaceError(message) from error
    known = {patch.name: patch for patch in patches}
    for name in names:
        if name not in known:
            shown = ", ".join(list(known)[:8]) + (" ..." if len(known) > 8 else "")
            message = f"The patch set has no patch '{name}' (--patch NAME); it has: {shown}."
            raise WorkspaceError(message)
    return [known[name] for name in names] if names else patches
