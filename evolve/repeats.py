"""Further measurements of who may be better than the champion, where these decide whether it is."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from db.records import Planned, Purpose
from evaluators.model import Split
from evaluators.statistics import Estimate
from evolve.memory import EVALUATIONS_KEPT, Record, advantage
from evolve.title import SEEDS_BLOCK

REPEAT_BLOCK = 2**29
"""The first train block of those that only repeats use; new candidates meet blocks 0, 1, 2 and so on.

Nobody is selected by what it does there, and all repeats share these blocks: that one is marked, and the champion and
the yardstick measured on it, serves every challenger.
"""

MOST_BLOCKS = 4
"""On how many of these blocks a candidate is measured at most; who is undecided after that is about as good."""

MOST_SHARE = 0.2
"""What part of all verdicts may come of repeats."""

NOISE_PART = 0.7
"""Repeats begin where noise makes up at least this part of the variance between the leads of all in mind.

Below that, what was written tells candidates apart more than luck does, and another program is worth more than another
measurement. In simulations with steps as large as the noise, repeats without this gate cost a tenth of what the search
reached; with twice the noise they gain, and the gate lets them pass.
"""

_NORMAL_MAD = 1.4826
"""Standard deviation of a normal law as a multiple of its median absolute deviation."""


class Repeats:
    """Asks for one more measurement where it may change who leads.

    A candidate is worth repeating while it is better than the champion on average, on the train workloads that both
    have met, but not surely. Of several, the one that may be best by the upper end of its interval comes first, and
    the champion is measured beside it: the two whose intervals overlap most decide who leads (LUCB: Kalyanakrishnan,
    Tewari, Auer and Stone 2012, PAC subset selection in stochastic multi-armed bandits, ICML). One pair at a time, so
    that each is chosen by all that is known, and only while noise is large; see `NOISE_PART`. State is a function of
    what it was told.

    Args:
        most_blocks: on how many further blocks a candidate is measured at most.
        most_share: what part of all verdicts may come of repeats, from 0 to 1.

    Raises:
        ValueError: no block, more than a champion can remember beside others, or a part that is none.
    """

    def __init__(self, *, most_blocks: int = MOST_BLOCKS, most_share: float = MOST_SHARE) -> None:
        if not 1 <= most_blocks <= EVALUATIONS_KEPT // 2 or not 0 <= most_share <= 1:
            raise ValueError(
                f"repeats need 1 to {EVALUATIONS_KEPT // 2} blocks and a share of the verdicts from 0 to 1, "
                f"not {most_blocks} blocks and a share of {most_share}"
            )
        self._blocks = range(REPEAT_BLOCK, REPEAT_BLOCK + most_blocks)
        self._most_share = most_share
        self._noted: set[Planned] = set()
        self._under_way: set[Planned] = set()
        self._against: tuple[object, ...] = ()
        self._leads: dict[int, tuple[object, Estimate]] = {}

    @property
    def kept(self) -> set[int]:
        """Numbers of those who must stay in mind, because they are being measured again."""
        return {planned.number for planned in self._under_way}

    def note(self, planned: Planned) -> None:
        """Learn that an evaluation was planned, by `next` or by an earlier sitting; others than repeats are ignored."""
        if planned.block >= REPEAT_BLOCK and planned.split is Split.TRAIN and planned.purpose is Purpose.CARRY:
            self._noted.add(planned)
            self._under_way.add(planned)

    def next(self, records: Mapping[int, Record], best: int | None, told: int) -> list[Planned]:
        """What to measure again now; empty while that decides nothing, costs too much or is under way already.

        What comes back is noted already.

        Args:
            records: what is remembered of each candidate that has not failed.
            best: the champion.
            told: how many verdicts the search has had, those of repeats included.
        """
        self._under_way = {each for each in self._under_way if _is_open(each, records)}
        left = self._most_share * told - len(self._noted)
        champion = records.get(best) if best is not None else None
        if self._under_way or champion is None or left < 1:
            return []
        self._compare(records, champion)
        open_leads = {number: lead for number in self._leads if (lead := self._open_lead(records[number], champion))}
        if not open_leads or not self._is_noisy():
            return []
        challenger = records[max(open_leads, key=lambda number: (open_leads[number].high, -number))]
        planned = self._plan(challenger, champion, records)
        if len(planned) > left:
            return []
        for each in planned:
            self.note(each)
        return planned

    def _compare(self, records: Mapping[int, Record], champion: Record) -> None:
        """Everybody's lead over the champion on train, computed anew where it has changed."""
        against = _seen(champion)
        if against != self._against:
            self._against = against
            self._leads = {}
        leads: dict[int, tuple[object, Estimate]] = {}  # no larger than who is remembered
        for number, record in records.items():
            seen, known = _seen(record), self._leads.get(number)
            if known is not None and known[0] == seen:
                leads[number] = known
            elif record is not champion and (lead := advantage(record, champion, Split.TRAIN)) is not None:
                leads[number] = (seen, lead)
        self._leads = leads

    def _open_lead(self, record: Record, champion: Record) -> Estimate | None:
        """A lead that may turn out to be none, or real, by another block."""
        lead = self._leads[record.number][1]
        if not lead.low <= 0 < lead.mean or lead.stderr == 0 or record.is_seed:
            return None
        if self._next_block(record, champion) is None:
            return None
        tried = advantage(record, champion, Split.VALIDATION, block=SEEDS_BLOCK)
        return lead if tried is None or tried.mean > 0 else None

    def _is_noisy(self) -> bool:
        """Whether the leads differ by luck above all; medians, for some programs are hopeless and some very noisy."""
        means = [lead.mean for _, lead in self._leads.values()]
        centre = median(means)
        spread = _NORMAL_MAD * median(abs(mean - centre) for mean in means)
        return median(lead.stderr for _, lead in self._leads.values()) ** 2 >= NOISE_PART * spread**2

    def _next_block(self, record: Record, champion: Record) -> int | None:
        """The first block that the two do not share yet."""
        return next((block for block in self._blocks if not (block in record.train and block in champion.train)), None)

    def _plan(self, challenger: Record, champion: Record, records: Mapping[int, Record]) -> list[Planned]:
        """The two on their next block, and the yardstick too, so that it counts for who becomes a parent."""
        block = self._next_block(challenger, champion)
        assert block is not None
        wanted = {challenger.number, champion.number}
        if challenger.yardstick is not None and challenger.yardstick.number in records:
            wanted.add(challenger.yardstick.number)
        return [
            Planned(number=number, purpose=Purpose.CARRY, split=Split.TRAIN, block=block)
            for number in sorted(wanted, reverse=True)
            if block not in records[number].train
        ]


def _seen(record: Record) -> tuple[int, ...]:
    """What a lead over it, or of it, hangs on; nobody meets a block twice."""
    return record.number, *record.train


def _is_open(planned: Planned, records: Mapping[int, Record]) -> bool:
    """Whether its verdict is still to come; one who failed is forgotten."""
    record = records.get(planned.number)
    return record is not None and planned.block not in record.train
