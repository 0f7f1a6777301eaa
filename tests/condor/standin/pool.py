"""The queue and the slots of the pool, and what tools ask of it."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

from standin import ads
from standin.job import SPOOLING, Job
from standin.job_ad import COMPLETED, HELD, IDLE, REMOVED, RUNNING
from standin.sandbox import TransferError

if TYPE_CHECKING:
    from pathlib import Path


class Pool:
    """One machine and one schedd, under one name."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "standin",
        cpus: int = 2,
        memory: int = 4096,
        shared_fs: bool = True,
        memory_policy: bool = True,
        vacate_time: float = 5.0,
        by_hand: bool = False,
        cycle: float = 0.5,
        spool_time: float = 1.0,
    ) -> None:
        self.folder, self.name = folder, name
        self.cpus, self.memory, self.default_memory = cpus, memory, 128
        self.shared_fs, self.memory_policy, self.vacate_time, self.cycle = (
            shared_fs,
            memory_policy,
            vacate_time,
            cycle,
        )
        self.by_hand = by_hand
        self.spool_time = spool_time
        self.jobs: dict[str, Job] = {}
        self.left: list[Job] = []
        self.forgotten: set[str] = set()
        self.next = 1
        self.calls: list[list[str]] = []
        self.faults: dict[str, dict[str, Any]] = {}
        self._measured = self._judged = 0.0

    # -------------------------------------------------------------- time goes on

    def step(self) -> None:
        """Look after all jobs once, and start those that match."""
        now = time.monotonic()
        for key in self.forgotten:
            self.jobs.pop(key, None)
        self.forgotten.clear()
        for job in list(self.jobs.values()):
            job.watch()
        if now - self._measured > 0.3:
            self._measured = now
            for job in list(self.jobs.values()):
                job.measure()
        if now - self._judged > 0.5:
            self._judged = now
            for job in list(self.jobs.values()):
                job.policy()
        for key, job in list(self.jobs.items()):
            if self._leaves(job):
                self.left.append(self.jobs.pop(key))
                job.gone()
        for job in list(self.jobs.values()):
            if not self.by_hand and now >= job.not_before:
                self._start(job)

    def _leaves(self, job: Job) -> bool:
        if job.running or job.state not in (REMOVED, COMPLETED):
            return False
        return job.state == REMOVED or job.get("LeaveJobInQueue", False) is not True

    def _start(self, job: Job) -> bool:
        if job.state != IDLE or job.running or not self._matches(job):
            return False
        job.start(self._free_slot())
        return True

    def _matches(self, job: Job) -> bool:
        # A job that asks for no core in its requirements needs some all the same.
        return job.request[0] <= self._free()[0] and bool(job.ad.symmetricMatch(self.machine("slot1")))

    def _free(self) -> tuple[int, int]:
        running = [job for job in self.jobs.values() if job.running]
        return self.cpus - sum(job.cpus for job in running), self.memory - sum(job.memory for job in running)

    def _free_slot(self) -> str:
        taken = {job.slot for job in self.jobs.values() if job.running}
        number = 1
        while f"slot1_{number}" in taken:
            number += 1
        return f"slot1_{number}"

    def machine(self, slot: str) -> Any:
        """The ad of the machine, with what is free."""
        host = socket.gethostname()
        cpus, memory = self._free()
        ad = ads.load("classad").ClassAd(
            {
                "MyType": "Machine",
                "Machine": self.name,
                "Name": f"{slot}@{self.name}",
                "Arch": "X86_64",
                "OpSys": "LINUX",
                "OpSysAndVer": "AlmaLinux9",
                "HasFileTransfer": True,
                "HasJobDeferral": True,
                "FileSystemDomain": ads.DOMAIN if self.shared_fs else f"{host}.elsewhere",
                "UidDomain": host,
                "Cpus": cpus,
                "TotalCpus": self.cpus,
                "TotalSlotCpus": self.cpus,
                "TotalSlotMemory": self.memory,
                "Memory": memory,
                "TotalMemory": self.memory,
                "Disk": 10**8,
                "State": "Unclaimed",
                "Activity": "Idle",
                "SlotType": "Partitionable",
                "PartitionableSlot": True,
            }
        )
        ad["Start"] = True
        ad["Requirements"] = ads.load("classad").ExprTree("START")
        return ad

    # -------------------------------------------------------------- requests

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what a tool, or the test, asks for."""
        return getattr(self, f"_do_{request.pop('do')}")(**request)

    def _do_call(self, tool: str, words: list[str]) -> dict[str, Any]:
        """A tool was called; tell it what the test wants it to do wrong."""
        self.calls.append([tool, *words])
        return self.faults.get(tool, {})

    def _do_calls(self) -> dict[str, Any]:
        return {"calls": self.calls}

    def _do_fault(self, tool: str, fault: dict[str, Any]) -> dict[str, Any]:
        self.faults[tool] = fault
        return {}

    def _do_new_cluster(self) -> dict[str, Any]:
        self.next += 1
        return {"cluster": self.next - 1}

    def _do_submit(self, jobs: list[str], owner: str, spool: bool) -> dict[str, Any]:
        made = []
        for text in jobs:
            ad = ads.load("classad").parseOne(text)
            ad["Owner"], ad["User"] = owner, f"{owner}@{self.name}"
            try:
                made.append(Job(self, ad, spool=spool))
            except TransferError as error:
                for job in made:
                    job.gone()
                return {"error": f"Failed to spool job files: {error}"}
        # All of a cluster, or none.
        self.jobs.update({job.key: job for job in made})
        return {}

    def _do_act(
        self, action: str, ids: list[str], constraint: str | None, reason: str | None, fast: bool
    ) -> dict[str, Any]:
        jobs = self._select(ids, constraint)
        done = [job.key for job in jobs if self._act(job, action, reason, fast)]
        # A name is missing if nothing was done for it, also where its jobs are not in a state for it.
        hit = {name for key in done for name in (key, key.split(".")[0], self.jobs[key].get("Owner"), "all")}
        return {"done": done, "missing": [name for name in ids if name not in hit]}

    def _act(self, job: Job, action: str, reason: str | None, fast: bool) -> bool:
        told = f"via condor_{action} (by user {job.get('Owner')})"
        told = f"{reason} ({told})" if reason else told
        if action == "rm" and job.state != REMOVED:
            job.remove(told)
        elif action == "hold" and job.state not in (HELD, REMOVED):
            job.hold(told, 1)
        elif action == "release" and job.state == HELD and job.get("HoldReasonCode") != SPOOLING:
            job.release(told)
        elif action == "vacate_job" and job.state == RUNNING:
            job.vacate(fast=fast)
        elif action == "kill" and job.running:
            job.kill()
        elif action == "spooled" and job.spooled_at is not None:
            job.spooled_at = 0.0
        elif action == "start":
            return self._start(job)
        elif action == "transfer_data" and "SUBMIT_Iwd" in job.ad:
            job.transfer_data()
        elif action == "forget":
            job.kill()
            self.forgotten.add(job.key)
        else:
            return False
        return True

    def _do_query(
        self,
        ids: list[str],
        constraint: str | None,
        attributes: list[str] | None,
        history: bool,
        form: str,
        limit: int | None,
    ) -> dict[str, Any]:
        jobs = self._select(ids, constraint, history=history)
        return {"rows": [self._row(job.ad, attributes, form) for job in jobs[:limit]]}

    def _do_machines(self, constraint: str | None, attributes: list[str] | None, form: str) -> dict[str, Any]:
        machines = [self.machine("slot1")]
        for job in self.jobs.values():
            if job.running:
                ad = self.machine(job.slot)
                ad["Cpus"], ad["Memory"] = job.cpus, job.memory
                ad["State"], ad["Activity"], ad["SlotType"] = "Claimed", "Busy", "Dynamic"
                ad["JobId"], ad["PartitionableSlot"] = job.key, False
                machines.append(ad)
        chosen = [ad for ad in machines if constraint is None or ads.holds(ad, constraint)]
        return {"rows": [self._row(ad, attributes, form) for ad in chosen]}

    def _do_sandbox(self, job: str) -> dict[str, Any]:
        found = self.jobs.get(job)
        if found is None or found.process is None:
            return {"error": f"Job {job} is not running"}
        return {
            "folder": str(found.scratch),
            "out": str(found.stream("Out")),
            "err": str(found.stream("Err")),
        }

    def _row(self, ad: Any, attributes: list[str] | None, form: str) -> Any:
        if form == "words":
            values = [
                ads.evaluate(ad, name, "undefined") if name in ad else self._expression(ad, name)
                for name in attributes or []
            ]
            return [str(value).lower() if isinstance(value, bool) else str(value) for value in values]
        if attributes is not None:
            wanted = {name.lower(): name for name in attributes}
            part = ads.load("classad").ClassAd()
            for name in list(ad):
                if name.lower() in wanted:
                    part[wanted[name.lower()]] = ad.lookup(name)
            ad = part
        return ad.printJson() if form == "json" else ad.printOld()

    def _expression(self, ad: Any, text: str) -> Any:
        probe = ads.load("classad").parseOne(str(ad))
        probe["StandinProbe"] = ads.load("classad").ExprTree(text)
        return ads.evaluate(probe, "StandinProbe", "undefined")

    def _select(self, ids: list[str], constraint: str | None, *, history: bool = False) -> list[Job]:
        """Jobs by number of cluster or of job, or by owner, that fulfil the constraint."""
        return [
            job
            for job in (self.left[::-1] if history else list(self.jobs.values()))
            if (not ids or {"all", job.key, job.key.split(".")[0], job.get("Owner")} & set(ids))
            and (constraint is None or ads.holds(job.ad, constraint))
        ]
