"""A one-machine HTCondor pool for tests, where no HTCondor daemons are installed.

Submit descriptions, macros, quoting, ClassAd expressions and matching are HTCondor's own code: the ``htcondor`` and ``classad``
modules of version 24.  Only what moves is written here: the queue, slots, the sandbox of a job, transfer of files, the spool, hold and
vacate, and the event log.  Not modelled: accounts, authentication, priorities, containers, several machines.

- ``control``: :class:`Standin`, what a test holds, and :class:`RealPool`, the same for a real pool
- ``__main__``: the program: ``python standin serve FOLDER`` is the pool, ``python standin tool FOLDER condor_q ...`` a tool
- ``tools``: the command line tools
- ``pool``: queue, slots and requests of tools
- ``job``: one job from submission to its end
- ``sandbox``: its files, and its processes
- ``event_log``: what HTCondor writes of it
- ``ads``: ClassAds
"""

from standin.control import RealPool, Standin, Unusable

__all__ = ["RealPool", "Standin", "Unusable"]
