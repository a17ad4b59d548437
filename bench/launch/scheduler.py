"""The scheduler of a sweep: it launches the missing runs, again where processes died, until each has a row.

In: runs, what is expected of them, a launcher. Out: rows, written by the processes that it starts. Touches: results/
through rows.
"""

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from bench.launch import shutdown
from bench.launch.progress import Progress
from bench.machine.settings import Settings
from bench.plan.job import Expected, Workers, jobs
from bench.plan.shape import Shape
from bench.rows.leases import Lease
from bench.rows.store import Store
from bench.schema import FINAL, PREEMPTED, Run, UserError
from bench.train import stop

WAIT_S = 1.0


class Launch(Protocol):
    """Takes one override per job and the number of processes; returns when all jobs have ended.

    `queues`: whether a job may begin after its sweep has ended, because a cluster has it in its queue.
    """

    queues: bool

    def __call__(self, jobs: list[str], processes: int, /) -> None:
        """Launch the jobs."""


class Scheduler:
    """The runs that one sweep has left, and the deaths of processes so far."""

    def __init__(
        self,
        missing: Sequence[Run],
        expected: Mapping[Shape, Expected],
        workers: Workers,
        store: Store,
        launch: Launch,
        settings: Settings,
        progress: Progress,
    ) -> None:
        self.missing, self.expected, self.workers = missing, expected, workers
        self.store, self.launch, self.settings, self.progress = store, launch, settings, progress
        self.leases, self.sweep = store.leases(settings.lease_expiry_seconds), shutdown.new_name()
        self.died: dict[str, str] = {}  # by the token of a lease: the run that was under way when its process died
        self.deadly = 0  # launches in which a process died with a run under way
        self.idle = 0  # launches in a row in which nothing was done
        self.cause = ""  # of the last of them
        self.remark = ""  # the last one about other sweeps

    def train(self) -> None:
        """Launch until every run has a row, from this sweep or another.

        Raises UserError when several launches in a row finish nothing. Raises KeyboardInterrupt when a signal stops the
        sweep, once no run of this sweep is under way.
        """
        try:
            with shutdown.stoppable(self.leases, self.sweep, self.launch.queues), self.progress:
                self.look()
                while self.missing and self.idle < self.settings.attempts:
                    self.turn()
        except KeyboardInterrupt:
            self.find_finished()
            left, halfway = len(self.missing), len(self.halfway())
            print(f"stopped: {left} runs left, {halfway} of them with a checkpoint", file=sys.stderr)
            if not self.launch.queues:
                self.leases.forget(self.sweep)
            raise
        if self.missing:
            raise UserError(
                f"{len(self.missing)} runs are left, and {self.idle} launches one after the other came to nothing"
                f"{self.cause}. What is done is kept, the same command goes on from here"
            )

    def turn(self) -> None:
        """Launch the runs that no other sweep trains; where other sweeps train all of them, wait."""
        if stop.requested():
            raise KeyboardInterrupt
        others = {id: lease for id, lease in self.leases.read().items() if lease.alive}
        free = [run for run in self.missing if run.id not in others]
        if free:
            before = self.halfway()
            self.begin(self.batch(free))
            progressed = self.look() or self.halfway() != before
            self.idle = 0 if progressed else self.idle + 1
        else:
            self.wait(list(others.values()))
            self.look()

    def look(self) -> bool:
        """Whether a run has finished, or a process died with one under way, since the last look."""
        before = len(self.missing), len(self.died)
        self.count_deaths()
        self.deadly += len(self.died) > before[1]
        self.find_finished()
        return before != (len(self.missing), len(self.died))

    def find_finished(self) -> None:
        """Forget the runs that have finished."""
        finished = self.progress.look()
        self.missing = [run for run in self.missing if run.id not in finished]

    def halfway(self) -> dict[str, float | int | None]:
        """By id, the number of steps done of each run that was stopped."""
        rows = (self.store.row(run.id) for run in self.missing)
        return {row.id: row.measures.get("steps") for row in rows if row and row.status == PREEMPTED}

    def begin(self, runs: list[Run]) -> None:
        """Hand the runs to the launcher. The runs of a process that dies stay missing.

        Runs that were under way at a death go on one by one, and packs are halved: memory may have been too small.
        """
        apart = bool({run.id for run in runs} & set(self.died.values()))
        expected = {shape: self.smaller(each, apart) for shape, each in self.expected.items()}
        workers = replace(self.workers, job_seconds=0.0) if apart else self.workers
        handed = [job.as_override() for job in jobs(runs, expected, workers, self.sweep)]
        try:
            self.launch(handed, workers.processes)
        except UserError:
            raise
        except Exception as died:
            self.cause = f" ({type(died).__name__}: {died})".partition("\n")[0]
            print(f"a process died{self.cause}; what is missing is launched again", file=sys.stderr)

    def smaller(self, expected: Expected, apart: bool) -> Expected:
        """The expectation with packs halved for each launch in which a process died; `apart`: packs of one."""
        return replace(expected, packing=1 if apart else max(1, expected.packing >> self.deadly))

    def batch(self, runs: list[Run]) -> list[Run]:
        """The runs with the fewest deaths; from two deaths on one run alone, as a launcher may end all jobs with it."""
        deaths = Counter(self.died.values())
        fewest = min(deaths[run.id] for run in runs)
        batch = [run for run in runs if deaths[run.id] == fewest]
        return batch if fewest < 2 else batch[:1]

    def count_deaths(self) -> None:
        """Count the deaths that the leases of this sweep show, and record the runs that are given up for them."""
        dead = {id: lease for id, lease in self.leases.read().items() if not lease.alive}
        self.died |= {lease.holder.token: id for id, lease in dead.items() if lease.holder.sweep == self.sweep}
        deaths = Counter(self.died.values())
        for run in [run for run in self.missing if run.id in dead]:
            trace = self.leases.trace(run.id)
            if trace.exists() and (hung := trace.read_text(encoding="utf-8", errors="replace")):
                self.give_up(run, dead[run.id], "timeout", "it hung, and its process was ended after the timeout", hung)
            elif deaths[run.id] >= self.settings.attempts:
                self.give_up(run, dead[run.id], "killed", f"its process died {deaths[run.id]} times under way")

    def give_up(self, run: Run, dead: Lease, failure: str, cause: str, trace: str = "") -> None:
        """Record the run as failed, unless another process has it again."""
        from bench.launch.failure import failed_row

        with self.leases.held(run.id, sweep=self.sweep) as attempt:
            if attempt and self.store.status(run.id) not in FINAL:
                tries = attempt - 1 + self.store.retried()[run.id]  # the dead ones; this lease is none
                known = {"attempts": tries, "node": dead.holder.host, "device": self.settings.device}
                self.store.write(failed_row(run, failure, cause, trace, **known))
                self.leases.trace(run.id).unlink(missing_ok=True)

    def wait(self, others: list[Lease]) -> None:
        """Wait for the other sweeps, and print a remark once."""
        processes = sorted({f"process {lease.holder.pid} on {lease.holder.host}" for lease in others})
        remark = f"another sweep trains what is left here ({', '.join(processes)}): waiting for its rows"
        if remark != self.remark:
            self.remark = remark
            print(f"{len(self.missing)} runs: {remark}", file=sys.stderr, flush=True)
        time.sleep(WAIT_S)
