"""One workspace without signal, and a patch for each signal: how pyhf and HEPData exchange planes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyhf

from massgap.fits.errors import PlaneError
from massgap.fits.workspaces.patch_sets import Patch
from massgap.fits.workspaces.workspace import build_workspace

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from massgap.fits.planes.filling import FilledPlane
    from massgap.fits.planes.points import PlanePoint
    from massgap.fits.workspaces.workspace import WorkspaceOptions

__all__ = [
    "CROSS_SECTION_PARAMETER",
    "UNPUBLISHED",
    "SignalPatches",
    "of_channels",
    "patch_of_channels",
    "patch_set_of",
    "split_signal",
    "with_signal",
]

CROSS_SECTION_PARAMETER = "signal_cross_section"
UNPUBLISHED = "ins0000000"
_SAMPLE = re.compile(r"/channels/(\d+)/samples/(\d+)")


@dataclass
class SignalPatches:
    """Makes patches of signals on one background.

    Attributes
    ----------
    plane : FilledPlane
    options : WorkspaceOptions
    notes : list of str
        Sentences on treatments that a user should know of.
    """

    plane: FilledPlane
    options: WorkspaceOptions

    def __post_init__(self) -> None:
        own, gone = self.options.without(self.plane.filled.left_out)
        self.options = replace(own, lumi_fb=self.plane.lumi_fb)
        self.notes: list[str] = list(gone)
        self._background: dict[str, Any] | None = None

    @property
    def background(self) -> dict[str, Any]:
        """The workspace without signal.

        Raises
        ------
        PlaneError
            If no signal has been patched yet.
        """
        if self._background is None:
            message = "No signal of the plane makes a workspace."
            raise PlaneError(message)
        return self._background

    def patch(
        self,
        point: PlanePoint,
        name: str,
        scale: float = 1.0,
        relative_uncertainty: float | None = None,
    ) -> Patch:
        """The patch of a signal: its samples are added in front of the others of their channels.

        Parameters
        ----------
        point : PlanePoint
        name : str
            Of the patch.
        scale : float
            What the yields of the run are multiplied with: cross section used, over that of the sample.
        relative_uncertainty : float, optional
            Of the cross section, if it is to be a parameter of the likelihood.

        Raises
        ------
        massgap.errors.MassgapError
            If the signal makes no workspace, as without events.
        """
        workspace = build_workspace(
            self.plane.templates(point.process, scale),
            point.process,
            self.plane.filled.backgrounds,
            options=self.options,
            observations=self.plane.filled.observations,
            # What is to be said is said once: it is about the backgrounds, or alike for all signals.
            notes=self.notes if self._background is None else None,
            # The first is checked against the schema, and the others have the same form.
            validate=self._background is None,
        )
        background, operations = split_signal(workspace, point.process)
        if relative_uncertainty:
            interval = {"hi": 1.0 + relative_uncertainty, "lo": 1.0 / (1.0 + relative_uncertainty)}
            for operation in operations:
                operation["value"]["modifiers"].append(
                    {"name": CROSS_SECTION_PARAMETER, "type": "normsys", "data": interval}
                )
        if self._background is None:
            self._background = background
        operations += _changes(self._background, background)
        return Patch(name, dict(point.masses), operations)


def patch_set_of(
    patches: Sequence[Patch], background: Mapping[str, Any], labels: Mapping[str, str], description: str
) -> dict[str, Any]:
    """Patch set of pyhf's schema, with the digest of the background.

    Parameters
    ----------
    patches : sequence of Patch
    background : mapping
        Workspace without signal.
    labels : mapping
        Names of the masses -> how the patch set calls them.
    description : str

    Notes
    -----
    The schema wants a reference to INSPIRE: :data:`UNPUBLISHED` until there is one.
    """
    return {
        "metadata": {
            "references": {"hepdata": UNPUBLISHED},
            "description": description,
            "digests": {"sha256": pyhf.utils.digest(background)},
            "labels": list(labels.values()),
        },
        "patches": [
            {
                "metadata": {"name": patch.name, "values": [patch.values[label] for label in labels]},
                "patch": list(patch.operations),
            }
            for patch in patches
        ],
        "version": "1.0.0",
    }


def with_signal(background: Mapping[str, Any], patch: Patch) -> dict[str, Any]:
    """The background with a signal; what does not change is shared, not copied.

    Copies of the background for each of many signals would take as long as their fits.
    """
    channels = list(background["channels"])
    for operation in patch.operations:
        place = _SAMPLE.fullmatch(operation["path"])
        if operation["op"] != "add" or place is None:
            return patch.apply(background)
        i, at = int(place[1]), int(place[2])
        samples = list(channels[i]["samples"])
        samples.insert(at, operation["value"])
        channels[i] = {**channels[i], "samples": samples}
    return {**background, "channels": channels}


def of_channels(workspace: Mapping[str, Any], channels: Collection[str]) -> dict[str, Any]:
    """A workspace of some of its channels alone."""
    kept = {
        key: [entry for entry in workspace[key] if entry["name"] in channels]
        for key in ("channels", "observations")
    }
    return {**workspace, **kept}


def patch_of_channels(patch: Patch, workspace: Mapping[str, Any], channels: Collection[str]) -> Patch:
    """What of a patch of a workspace is a patch of some of its channels alone, see :func:`of_channels`."""
    names = [channel["name"] for channel in workspace["channels"]]
    number = {i: at for at, i in enumerate(i for i, name in enumerate(names) if name in channels)}
    operations = []
    for operation in patch.operations:
        place = _SAMPLE.fullmatch(operation["path"])
        if place is None:
            operations.append(operation)
        elif int(place[1]) in number:
            path = f"/channels/{number[int(place[1])]}/samples/{place[2]}"
            operations.append({**operation, "path": path})
    return replace(patch, operations=operations)


def split_signal(workspace: Mapping[str, Any], signal: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A workspace without its signal, and the operations that bring it back."""
    channels, operations = [], []
    for i, channel in enumerate(workspace["channels"]):
        samples = []
        for at, sample in enumerate(channel["samples"]):
            if sample["name"] == signal:
                operations.append({"op": "add", "path": f"/channels/{i}/samples/{at}", "value": sample})
            else:
                samples.append(sample)
        channels.append({**channel, "samples": samples})
    return {**workspace, "channels": channels}, operations


def _changes(background: Mapping[str, Any], other: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Operations for what else differs where another signal is built: measurements, at most."""
    if background == other:
        return []
    different = [key for key in background if background[key] != other.get(key)]
    if different != ["measurements"] or len(background["measurements"]) != len(other["measurements"]):
        message = f"The backgrounds of two signals differ in {', '.join(different)}: they make no plane."
        raise PlaneError(message)
    return [
        {"op": "replace", "path": f"/measurements/{i}", "value": entry}
        for i, entry in enumerate(other["measurements"])
        if entry != background["measurements"][i]
    ]
