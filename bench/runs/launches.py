"""The launches of a sweep: what is missing is handed to Hydra's launcher, again where processes died, until none is.

In: runs, a launcher. Out: rows, written by the processes that it starts. Touches: results/ through rows.
"""

import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.rows.claims import Claim
from bench.rows.store import Store
from bench.runs import drain, pack, stop
from bench.runs.progress import Progress
from bench.schema import FINAL, PREEMPTED, Run, UserError

Launch = Callable[[list[str]], None]  # takes one override per pack, returns when all processes have ended
WAIT_S = 1.0


class Launches:
    """What one sweep has to do, and what became of it so far."""

    def __init__(
        self, missing: Sequence[Run], store: Store, launch: Launch, settings: Mapping[str, Any], progress: Progress
    ) -> None:
        self.missing, self.store, self.launch, self.settings, self.progress = missing, store, launch, settings, progress
        self.claims, self.sweep = store.claims(60 * settings["claim_expiry"]), drain.new_name()
        self.died: dict[str, str] = {}  # by the token of a claim: the run that was under way when its process died
        self.idle = 0  # launches one after the other that came to nothing
        self.cause = ""  # of the last of them
        self.told = ""  # about other sweeps, last

    def train(self) -> None:
        """Launch until every run has a row, whoever writes it.

        Raises UserError when several launches one after the other come to nothing, and KeyboardInterrupt when asked to
        stop, once nothing of this sweep is under way.
        """
        try:
            with drain.draining(self.claims, self.sweep), self.progress:
                self.look()
                while self.missing and self.idle < self.settings["attempts"]:
                    self.turn()
        except KeyboardInterrupt:
            left, halfway = len(self.missing), len(self.halfway())
            print(f"stopped: {left} runs left, {halfway} of them with a checkpoint", file=sys.stderr)
            raise
        if self.missing:
            raise UserError(
                f"{len(self.missing)} runs are left, and {self.idle} launches one after the other came to nothing"
                f"{self.cause}. What is done is kept, the same command goes on from here"
            )

    def turn(self) -> None:
        """One launch of what nobody else trains, or a wait where others train everything."""
        if stop.wished():
            raise KeyboardInterrupt
        others = {id: claim for id, claim in self.claims.read().items() if claim.alive}
        free = [run for run in self.missing if run.id not in others]
        if free:
            before = self.halfway()
            self.begin(self.batch(free))
            came_on = self.look() or self.halfway() != before
            self.idle = 0 if came_on else self.idle + 1
        else:
            self.wait(list(others.values()))
            self.look()

    def look(self) -> bool:
        """Whether a run has finished, or a process died with one under way, since the last look."""
        before = len(self.missing), len(self.died)
        self.settle()
        finished = self.progress.look()
        self.missing = [run for run in self.missing if run.id not in finished]
        return before != (len(self.missing), len(self.died))

    def halfway(self) -> dict[str, float | int | None]:
        """The steps that are done of each run that was asked to stop, by id."""
        rows = (self.store.row(run.id) for run in self.missing)
        return {row.id: row.measures.get("steps") for row in rows if row and row.status == PREEMPTED}

    def begin(self, runs: list[Run]) -> None:
        """Hand the runs to the launcher. A process that dies takes what it was handed along: it is missing, still."""
        size = 1 if {run.id for run in runs} & set(self.died.values()) else self.settings["packing"]
        most = self.settings.get("jobs_at_once") or len(runs)  # of a launcher that starts all that it is handed
        packs = pack.packs(runs, max(size, math.ceil(len(runs) / most)))
        try:
            for wave in (packs[first : first + most] for first in range(0, len(packs), most)):
                self.launch([pack.as_override(one, self.sweep) for one in wave])
        except UserError:
            raise
        except Exception as died:
            self.cause = f" ({type(died).__name__}: {died})".partition("\n")[0]
            print(f"a process died{self.cause}; what is missing is launched again", file=sys.stderr)

    def batch(self, runs: list[Run]) -> list[Run]:
        """Those under way at the fewest deaths; from two deaths on one alone, since a launcher may end all for one."""
        deaths = Counter(self.died.values())
        fewest = min(deaths[run.id] for run in runs)
        batch = [run for run in runs if deaths[run.id] == fewest]
        return batch if fewest < 2 else batch[:1]

    def settle(self) -> None:
        """Count the deaths that the claims of this sweep tell of, and record the runs that are given up for them."""
        dead = {id: claim for id, claim in self.claims.read().items() if not claim.alive}
        self.died |= {claim.holder.token: id for id, claim in dead.items() if claim.holder.sweep == self.sweep}
        deaths = Counter(self.died.values())
        for run in [run for run in self.missing if run.id in dead]:
            trace = self.claims.trace(run.id)
            if trace.exists() and (hung := trace.read_text(encoding="utf-8", errors="replace")):
                self.give_up(run, dead[run.id], "timeout", "it hung, and its process was ended after the timeout", hung)
            elif deaths[run.id] >= self.settings["attempts"]:
                self.give_up(run, dead[run.id], "killed", f"its process died {deaths[run.id]} times under way")

    def give_up(self, run: Run, dead: Claim, failure: str, cause: str, trace: str = "") -> None:
        """Record the run as failed, unless somebody is about it again."""
        from bench.runs.perform import failed_row

        with self.claims.held(run.id, sweep=self.sweep) as attempt:
            if attempt and self.store.status(run.id) not in FINAL:
                tries = attempt - 1 + self.store.retried()[run.id]  # the dead ones; this claim is none
                known = {"attempts": tries, "node": dead.holder.host, "device": self.settings["device"]}
                self.store.write(failed_row(run, failure, cause, trace, **known))
                self.claims.trace(run.id).unlink(missing_ok=True)

    def wait(self, others: list[Claim]) -> None:
        """Let the other sweeps go on, and say so once."""
        processes = sorted({f"process {claim.holder.pid} on {claim.holder.host}" for claim in others})
        told = f"another sweep trains what is left here ({', '.join(processes)}): waiting for its rows"
        if told != self.told:
            self.told = told
            print(f"{len(self.missing)} runs: {told}", file=sys.stderr, flush=True)
        time.sleep(WAIT_S)
