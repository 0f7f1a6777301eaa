"""The files of a job: brought to the spool, to the machine, and back."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from standin import ads, sandbox
from standin.job_ad import JobAd

if TYPE_CHECKING:
    from standin.pool import Pool

# The schedd keeps spooled jobs until their output has been fetched, or for ten days.
_LEAVE = "JobStatus == 4 && (CompletionDate =?= UNDEFINED || CompletionDate == 0 || ((time() - CompletionDate) < 864000))"


class JobFiles(JobAd):
    """A job and its files in three places: where it was submitted, in the spool, and on the machine."""

    def __init__(self, pool: Pool, ad: Any) -> None:
        super().__init__(pool, ad)
        self.scratch = Path()
        self.spool = pool.folder / "spool" / self.key
        self.kept = pool.folder / "spool" / f"{self.key}.evicted"

    def to_spool(self) -> None:
        self.spool.mkdir(parents=True)
        inputs = ads.listed(self.get("TransferInput", ""))
        sandbox.bring(inputs, self.iwd, self.spool)
        command = Path(self.get("Cmd"))
        if self.get("TransferExecutable", True):
            sandbox.bring([str(command)], self.iwd, self.spool)
            self.ad["Cmd"] = str(self.spool / command.name)
        self.ad["TransferInput"] = ",".join(Path(name).name for name in inputs if not name.endswith("/"))
        if any(name.endswith("/") for name in inputs):
            # What was in a folder now lies beside the rest.
            self.ad["TransferInput"] = ",".join(
                sorted(path.name for path in self.spool.iterdir() if path != command)
            )
        for name in ("Iwd", "Out", "Err", "UserLog", "TransferOutputRemaps"):
            if name in self.ad:
                self.ad[f"SUBMIT_{name}"] = self.get(name)
        self.ad["Iwd"] = str(self.spool)
        for name, file in (("Out", sandbox.OUT), ("Err", sandbox.ERR)):
            if self.get(name, os.devnull) != os.devnull and not self.get(f"Stream{name}", False):
                self.ad[name] = file
        if "UserLog" in self.ad:
            self.ad["UserLog"] = Path(self.get("UserLog")).name
        if "TransferOutputRemaps" in self.ad:
            del self.ad["TransferOutputRemaps"]
        self.ad["ShouldTransferFiles"] = "YES"
        self.ad["LeaveJobInQueue"] = ads.load("classad").ExprTree(_LEAVE)

    def transfer_data(self) -> None:
        """Bring output from the spool to where the job was submitted."""
        home = Path(self.get("SUBMIT_Iwd"))
        renamed = ads.remaps(self.get("SUBMIT_TransferOutputRemaps", ""))
        streams = {"Out": sandbox.OUT, "Err": sandbox.ERR}
        for name, file in streams.items():
            if self.get(name) == file and (self.spool / file).exists():
                shutil.copy(self.spool / file, home / self.get(f"SUBMIT_{name}"))
        if "TransferOutput" in self.ad:
            names = [Path(name).name for name in ads.listed(self.get("TransferOutput", ""))]
        else:
            given = {
                *ads.listed(self.get("TransferInput", "")),
                Path(self.get("Cmd")).name,
                self.get("UserLog"),
            }
            names = [
                path.name for path in self.spool.iterdir() if path.name not in given | set(streams.values())
            ]
        sandbox.bring([name for name in names if (self.spool / name).exists()], self.spool, home, to=renamed)
        self.ad["StageOutFinish"] = int(time.time())

    def bring_input(self) -> None:
        if not self.transfers:
            return
        names = ads.listed(self.get("TransferInput", ""))
        if self.get("TransferIn", True) and self.get("In", os.devnull) != os.devnull:
            names.append(self.get("In"))
        sandbox.bring(names, self.iwd, self.scratch)
        if self.kept.is_dir():
            sandbox.bring([f"{self.kept}/"], self.kept, self.scratch)
        if self.get("TransferExecutable", True):
            sandbox.bring([self.get("Cmd")], self.iwd, self.scratch)
            (self.scratch / Path(self.get("Cmd")).name).chmod(0o755)

    def stream(self, name: str) -> Path:
        path = self.get(name, os.devnull)
        if path == os.devnull:
            return Path(path)
        if not self.transfers or (name != "In" and self.get(f"Stream{name}", False)):
            return self.iwd / path
        return self.scratch / {"In": Path(path).name, "Out": sandbox.OUT, "Err": sandbox.ERR}[name]

    def outputs(self) -> list[str]:
        if "TransferOutput" in self.ad:
            return ads.listed(self.get("TransferOutput", ""))
        # By default all files that are new, and no folders.
        given = {
            Path(name).name
            for name in [*ads.listed(self.get("TransferInput", "")), self.get("Cmd"), self.get("In", "")]
        }
        return [
            path.name
            for path in self.scratch.iterdir()
            if path.is_file() and path.name not in given and path.name not in sandbox.OURS
        ]

    def bring_output(self) -> None:
        if not self.transfers or str(self.get("WhenToTransferOutput", "ON_EXIT")).upper() == "NEVER":
            return
        for name, file in (("Out", sandbox.OUT), ("Err", sandbox.ERR)):
            if (self.scratch / file).exists():
                target = self.iwd / self.get(name)
                try:
                    shutil.copy(self.scratch / file, target)
                except OSError as error:
                    msg = "writing to"
                    raise sandbox.TransferError(msg, target, error) from error
        sandbox.bring(
            self.outputs(), self.scratch, self.iwd, to=ads.remaps(self.get("TransferOutputRemaps", ""))
        )

    def gone(self) -> None:
        """Forget what the spool holds of a job that left the queue."""
        for folder in (self.spool, self.kept):
            shutil.rmtree(folder, ignore_errors=True)
