"""One job: submitted, started, looked after, stopped, ended."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from standin import ads, event_log, sandbox

if TYPE_CHECKING:
    import subprocess

    from standin.pool import Pool

IDLE, RUNNING, REMOVED, COMPLETED, HELD = 1, 2, 3, 4, 5
SPOOLING = 16
"""Code of the hold while input is spooled; the schedd lifts it, and nobody else can."""
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_THREAD_LIMIT",
    "PYTHON_CPU_COUNT",
)
# The schedd keeps spooled jobs until their output has been fetched, or for ten days.
_LEAVE = "JobStatus == 4 && (CompletionDate =?= UNDEFINED || CompletionDate == 0 || ((time() - CompletionDate) < 864000))"


@dataclass
class Stop:
    """A job on its way out: why, and until when it may clean up."""

    why: str
    until: float
    reason: tuple[str, int, int] = ("", 0, 0)
    bring_output: bool = True


class Job:
    """A job in the queue."""

    def __init__(self, pool: Pool, ad: Any, *, spool: bool) -> None:
        self.pool, self.ad = pool, ad
        self.key = f"{ad['ClusterId']}.{ad['ProcId']}"
        self.process: subprocess.Popen[bytes] | None = None
        self.slot, self.scratch = "", Path()
        self.stop: Stop | None = None
        self.not_before = 0.0
        self.spooled_at: float | None = None
        # What of the machine it has while it runs; requests may be expressions that change.
        self.cpus = self.memory = 0
        self.spool = pool.folder / "spool" / self.key
        self.kept = pool.folder / "spool" / f"{self.key}.evicted"
        ad["GlobalJobId"] = f"{pool.name}#{self.key}#{int(time.time())}"
        if "RequestMemory" not in ad or "MemoryUsage" in str(ad.lookup("RequestMemory")):
            # What condor_submit takes where nothing is asked for.
            ad["RequestMemory"] = pool.default_memory
        # With "hold = True" a job is submitted on hold.
        held = self.get("JobStatus", IDLE) == HELD
        self.status(HELD if held else IDLE)
        if spool:
            self._to_spool()
        self.event(event_log.submitted())
        if held:
            self.event(event_log.held(self.get("HoldReason"), self.get("HoldReasonCode"), 0))
        if spool:
            # The schedd holds a job until all of its input is there; condor_submit does not wait for the release.
            self.spooled_at = time.monotonic() + pool.spool_time
            self.hold("Spooling input data files", SPOOLING)

    # -------------------------------------------------------------- its ad

    def get(self, name: str, default: Any = None) -> Any:
        return ads.evaluate(self.ad, name, default)

    @property
    def state(self) -> int:
        return int(self.ad["JobStatus"])

    @property
    def iwd(self) -> Path:
        return Path(self.get("Iwd"))

    @property
    def running(self) -> bool:
        """Whether it has a slot, be it on its way out."""
        return self.process is not None

    @property
    def request(self) -> tuple[int, int]:
        """Cores, and memory in MB."""
        return int(self.get("RequestCpus", 1)), int(self.get("RequestMemory", self.pool.default_memory))

    @property
    def transfers(self) -> bool:
        how = str(self.get("ShouldTransferFiles", "IF_NEEDED")).upper()
        return how == "YES" or (how == "IF_NEEDED" and not self.pool.shared_fs)

    def status(self, status: int, **attributes: Any) -> None:
        """Change the status; None drops an attribute."""
        now = int(time.time())
        if "JobStatus" in self.ad and self.state != status:
            self.ad["LastJobStatus"] = self.state
        for name, value in {"JobStatus": status, "EnteredCurrentStatus": now, **attributes}.items():
            if value is not None:
                self.ad[name] = value
            elif name in self.ad:
                del self.ad[name]

    def count(self, name: str) -> None:
        self.ad[name] = int(self.get(name, 0)) + 1

    def event(self, what: tuple[int, str]) -> None:
        if log := self.get("UserLog"):
            event_log.write(self.iwd / log, int(self.ad["ClusterId"]), int(self.ad["ProcId"]), *what)

    # -------------------------------------------------------------- spool

    def _to_spool(self) -> None:
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

    # -------------------------------------------------------------- start

    def start(self, slot: str) -> None:
        """Make the sandbox and start the job; what goes wrong holds it."""
        self.slot, self.stop = slot, None
        self.cpus, self.memory = self.request
        self.scratch = (
            self.pool.folder
            / "execute"
            / f"dir_{self.key}_{self.get('NumJobStarts', 0)}_{time.monotonic_ns()}"
        )
        self.scratch.mkdir(parents=True)
        now = int(time.time())
        self.status(
            RUNNING,
            RemoteHost=self.host,
            JobStartDate=self.get("JobStartDate", now),
            JobCurrentStartDate=now,
            ShadowBday=now,
        )
        self.count("NumShadowStarts")
        try:
            self._bring_input()
        except sandbox.TransferError as error:
            where = f"access point {self.pool.name} while sending files to execution point {self.host}"
            self._not_started(f"Transfer input files failure at {where}. Details: {error}", 13, error.errno)
            return
        try:
            self._execute()
        except _CannotStartError as error:
            self._not_started(*error.args)
            return
        self.count("NumJobStarts")
        self.event(event_log.executing(self.host))

    @property
    def host(self) -> str:
        return f"{self.slot}@{self.pool.name}"

    def _bring_input(self) -> None:
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

    def _execute(self) -> None:
        cwd = self.scratch if self.transfers else self.iwd
        command = self.iwd / self.get("Cmd")
        if self.transfers and self.get("TransferExecutable", True):
            command = self.scratch / command.name
        words = ads.split(self.get("Arguments", ""))
        (self.scratch / ".job.ad").write_text(self.ad.printOld())
        (self.scratch / ".machine.ad").write_text(self.pool.machine(self.slot).printOld())
        streams: list[int] = []
        try:
            for name, flags in (("In", os.O_RDONLY), ("Out", None), ("Err", None)):
                path = self._stream(name)
                try:
                    streams.append(
                        os.open(
                            path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC if flags is None else flags, 0o644
                        )
                    )
                except OSError as error:
                    what = {"In": "input", "Out": "output", "Err": "error"}[name]
                    msg = (
                        f"Failed to open '{path}' as standard {what}: {error.strerror} (errno {error.errno})"
                    )
                    raise _CannotStartError(
                        msg,
                        7,
                        error.errno,
                    ) from error
            try:
                self.process = sandbox.start(
                    command,
                    words,
                    environment=self._environment(cwd),
                    cwd=cwd,
                    streams=(streams[0], streams[1], streams[2]),
                )
            except OSError as error:
                told = f" with arguments '{' '.join(words)}'" if words else ""
                msg = f"Failed to execute '{command}'{told}: (errno={error.errno}: '{error.strerror}')"
                raise _CannotStartError(
                    msg,
                    6,
                    error.errno,
                ) from error
        finally:
            for stream in streams:
                os.close(stream)

    def _stream(self, name: str) -> Path:
        path = self.get(name, os.devnull)
        if path == os.devnull:
            return Path(path)
        if not self.transfers or (name != "In" and self.get(f"Stream{name}", False)):
            return self.iwd / path
        return self.scratch / {"In": Path(path).name, "Out": sandbox.OUT, "Err": sandbox.ERR}[name]

    def _environment(self, cwd: Path) -> dict[str, str]:
        # Nothing of the pool's own environment; where files are not shared, the account has no home either.
        home = pwd.getpwuid(os.getuid()).pw_dir if self.pool.shared_fs else os.devnull
        scratch = str(self.scratch)
        own = {
            "HOME": home,
            **dict.fromkeys(_THREADS, str(self.get("RequestCpus", 1))),
            **dict(word.split("=", 1) for word in ads.split(self.get("Environment", "")) if "=" in word),
        }
        return own | {
            "BATCH_SYSTEM": "HTCondor",
            "TMPDIR": scratch,
            "TMP": scratch,
            "TEMP": scratch,
            "_CONDOR_SCRATCH_DIR": scratch,
            "_CONDOR_SLOT": self.slot,
            "_CONDOR_JOB_AD": f"{scratch}/.job.ad",
            "_CONDOR_MACHINE_AD": f"{scratch}/.machine.ad",
            "_CONDOR_JOB_IWD": str(cwd),
            "_CONDOR_JOB_PIDS": "",
        }

    def _not_started(self, reason: str, code: int, subcode: int) -> None:
        self._clean()
        self.hold(reason if code == 13 else f"Error from {self.host}: {reason}", code, subcode)

    def _clean(self) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.process = None
        if "RemoteHost" in self.ad:
            self.ad["LastRemoteHost"] = self.get("RemoteHost")
            del self.ad["RemoteHost"]

    # -------------------------------------------------------------- hold, vacate, remove, release

    def hold(self, reason: str, code: int, subcode: int = 0, *, at_once: bool = False) -> None:
        """Hold the job; one that runs is stopped first."""
        self.status(HELD, HoldReason=reason, HoldReasonCode=code, HoldReasonSubCode=subcode)
        self.count("NumHolds")
        if self.process is None:
            self.event(event_log.held(reason, code, subcode))
        else:
            self._stop(Stop("hold", 0.0, (reason, code, subcode), bring_output=not at_once), at_once=at_once)

    def release(self, reason: str) -> None:
        self.status(
            IDLE,
            HoldReason=None,
            HoldReasonCode=None,
            HoldReasonSubCode=None,
            LastHoldReason=self.get("HoldReason"),
            LastHoldReasonCode=self.get("HoldReasonCode"),
            ReleaseReason=reason,
        )
        self.event(event_log.released(reason))

    def remove(self, reason: str) -> None:
        self.status(REMOVED, RemoveReason=reason)
        if self.process is None:
            self.event(event_log.removed(reason))
        else:
            self._stop(Stop("remove", 0.0, (reason, 0, 0), bring_output=False))

    def vacate(self, *, fast: bool = False) -> None:
        if self.process is not None and self.state == RUNNING:
            self._stop(Stop("vacate", 0.0, bring_output=not fast), at_once=fast)

    def kill(self) -> None:
        """End its processes behind HTCondor's back, as a crash does."""
        if self.process is not None:
            sandbox.kill(self.process.pid, self.scratch)

    def _stop(self, stop: Stop, *, at_once: bool = False) -> None:
        # A job that is stopped already keeps its time; the last reason counts.
        if self.stop is not None:
            stop.until = self.stop.until
        else:
            stop.until = time.monotonic() + min(
                self.pool.vacate_time, float(self.get("JobMaxVacateTime", 1e9))
            )
        if at_once:
            stop.until = 0.0
        elif self.stop is None and self.process is not None:
            number = getattr(signal, str(self.get("KillSig", "SIGTERM")), signal.SIGTERM)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)
        self.stop = stop

    # -------------------------------------------------------------- looking after it

    def watch(self) -> None:
        """See whether it ended, or has to be ended, or has all of its input."""
        if self.spooled_at is not None and time.monotonic() >= self.spooled_at:
            self.spooled_at = None
            if self.state == HELD:
                self.ad["StageInFinish"] = int(time.time())
                self.release("Data files spooled")
        if self.process is None:
            return
        if self.stop is not None and time.monotonic() >= self.stop.until:
            sandbox.kill(self.process.pid, self.scratch)
        code = self.process.poll()
        if code is None:
            return
        # What the job has left behind ends with it.
        sandbox.kill(self.process.pid, self.scratch)
        start = int(self.get("JobCurrentStartDate", 0))
        self.ad["RemoteWallClockTime"] = float(self.get("RemoteWallClockTime", 0.0)) + max(
            0, int(time.time()) - start
        )
        if self.stop is not None:
            self._stopped(self.stop)
        else:
            self._ended(code)

    def measure(self) -> None:
        """Its memory; the policy of the pool holds a job that takes more than it asked for."""
        if self.process is None:
            return
        used = sandbox.memory(sandbox.family(self.process.pid, self.scratch))
        if used > int(self.get("MemoryUsage", 0)):
            self.ad["MemoryUsage"] = used
            self.ad["ResidentSetSize"] = used * 1024
        if self.pool.memory_policy and used > self.memory and self.stop is None:
            reason = (
                f"Error from {self.host}: Job has gone over cgroup memory limit of {self.memory} megabytes. "
                f"Last measured usage: {used} megabytes.  Consider resubmitting with a higher request_memory."
            )
            self.event(event_log.image_size(used))
            self.hold(reason, 34, at_once=True)

    def policy(self) -> None:
        """Periodic expressions, and the longest time."""
        if self.state in (IDLE, RUNNING):
            longest = self.get("AllowedJobDuration")
            if self.get("PeriodicHold", False) is True:
                self._policy_hold("PeriodicHold")
            elif (
                self.state == RUNNING
                and longest is not None
                and time.time() - self.ad["ShadowBday"] >= longest
            ):
                span = f"{longest // 86400}+{longest // 3600 % 24:02d}:{longest // 60 % 60:02d}:{longest % 60:02d}"
                self.hold(f"The job exceeded allowed job duration of {span}", 46)
        elif self.state == HELD and self.process is None and self.get("PeriodicRelease", False) is True:
            self.release(_expression("PeriodicRelease", self.ad))
        if self.state in (IDLE, RUNNING, HELD) and self.get("PeriodicRemove", False) is True:
            self.remove(_expression("PeriodicRemove", self.ad))

    def _policy_hold(self, name: str) -> None:
        reason = self.get(f"{name}Reason") or _expression(name, self.ad)
        self.hold(reason, 3, int(self.get(f"{name}SubCode", 0)))

    def _stopped(self, stop: Stop) -> None:
        # The output of a job that was stopped waits in the spool for its next start.
        if (
            stop.bring_output
            and self.transfers
            and str(self.get("WhenToTransferOutput")).upper() == "ON_EXIT_OR_EVICT"
        ):
            self.kept.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(sandbox.TransferError):
                names = [name for name in self._outputs() if (self.scratch / name).exists()]
                sandbox.bring(names, self.scratch, self.kept)
        self._clean()
        self.stop = None
        if stop.why != "remove":
            self.event(event_log.evicted())
            self.ad["LastVacateTime"] = int(time.time())
        if stop.why == "remove":
            self.event(event_log.removed(stop.reason[0]))
        elif stop.why == "hold":
            self.event(event_log.held(*stop.reason))
        else:
            self.status(IDLE)
            self.not_before = time.monotonic() + self.pool.cycle

    def _ended(self, code: int) -> None:
        try:
            self._bring_output()
        except sandbox.TransferError as error:
            where = f"execution point {self.host} while sending files to access point {self.pool.name}"
            self._clean()
            self.event(event_log.evicted())
            self.hold(f"Transfer output files failure at {where}. Details: {error}", 12, error.errno)
            return
        self._clean()
        for name in ("ExitCode", "ExitSignal"):
            if name in self.ad:
                del self.ad[name]
        self.ad["ExitBySignal"] = code < 0
        self.ad["ExitSignal" if code < 0 else "ExitCode"] = abs(code)
        self.ad["ExitStatus"] = max(code, 0)
        self.count("NumJobCompletions")
        if self.get("OnExitHold", False) is True:
            self._policy_hold("OnExitHold")
        elif self.get("OnExitRemove", True) is not True:
            self.event(event_log.requeued(code))
            self.status(IDLE)
            self.not_before = time.monotonic() + self.pool.cycle
        else:
            self.status(COMPLETED, CompletionDate=int(time.time()))
            self.event(event_log.ended(code))

    def _outputs(self) -> list[str]:
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

    def _bring_output(self) -> None:
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
            self._outputs(), self.scratch, self.iwd, to=ads.remaps(self.get("TransferOutputRemaps", ""))
        )

    def gone(self) -> None:
        """Forget what the spool holds of a job that left the queue."""
        for folder in (self.spool, self.kept):
            shutil.rmtree(folder, ignore_errors=True)


class _CannotStartError(Exception):
    """HoldReason, its code and subcode."""


def _expression(name: str, ad: Any) -> str:
    return f"The job attribute {name} expression '{ad.lookup(name)}' evaluated to TRUE"
