"""One job: submitted, started, looked after, stopped, ended."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from standin import ads, event_log, sandbox
from standin.job_ad import COMPLETED, HELD, IDLE, REMOVED, RUNNING
from standin.job_files import JobFiles

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from standin.pool import Pool

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


@dataclass
class Stop:
    """A job on its way out: why, and until when it may clean up."""

    why: str
    until: float
    reason: tuple[str, int, int] = ("", 0, 0)
    bring_output: bool = True


class Job(JobFiles):
    """A job in the queue."""

    def __init__(self, pool: Pool, ad: Any, *, spool: bool) -> None:
        super().__init__(pool, ad)
        self.process: subprocess.Popen[bytes] | None = None
        self.slot = ""
        self.stop: Stop | None = None
        self.not_before = 0.0
        self.spooled_at: float | None = None
        # What of the machine it has while it runs; requests may be expressions that change.
        self.cpus = self.memory = 0
        ad["GlobalJobId"] = f"{pool.name}#{self.key}#{int(time.time())}"
        if "RequestMemory" not in ad or "MemoryUsage" in str(ad.lookup("RequestMemory")):
            # What condor_submit takes where nothing is asked for.
            ad["RequestMemory"] = pool.default_memory
        # With "hold = True" a job is submitted on hold.
        held = self.get("JobStatus", IDLE) == HELD
        self.status(HELD if held else IDLE)
        if spool:
            self.to_spool()
        self.event(event_log.submitted())
        if held:
            self.event(event_log.held(self.get("HoldReason"), self.get("HoldReasonCode"), 0))
        if spool:
            # The schedd holds a job until all of its input is there; condor_submit does not wait for the release.
            self.spooled_at = time.monotonic() + pool.spool_time
            self.hold("Spooling input data files", SPOOLING)

    @property
    def running(self) -> bool:
        """Whether it has a slot, be it on its way out."""
        return self.process is not None

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
            self.bring_input()
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
                path = self.stream(name)
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
                names = [name for name in self.outputs() if (self.scratch / name).exists()]
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
            self.bring_output()
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


class _CannotStartError(Exception):
    """HoldReason, its code and subcode."""


def _expression(name: str, ad: Any) -> str:
    return f"The job attribute {name} expression '{ad.lookup(name)}' evaluated to TRUE"
