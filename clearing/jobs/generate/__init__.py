"""`clearing generate`: a seeded, realistic day of a city, with planted breaks. 生成测试日

    plan (shares) + members + day + count + seed ── generate_day ──> Generated ── write ──> a folder

The generator is pure: no clock, no I/O but in `write`, and chance comes from the seed alone. It knows the
rules only by what it sends: whether the ledger takes it is the ledger's business and is held by tests.
"""

from clearing.jobs.generate.clerk import Line, Planted, Sent, Step
from clearing.jobs.generate.day import EVENTS_MIN, Generated, generate_day
from clearing.jobs.generate.lists import LIST_KINDS
from clearing.jobs.generate.plan import BREAK_KINDS, FILE_KINDS, NOT_PLANTED, Plan, with_breaks, with_lists
from clearing.jobs.generate.sizes import SIZES, Size, members_of, with_registered
from clearing.jobs.generate.write import CITY, Summary, answers_text, write

__all__ = [
    "BREAK_KINDS",
    "CITY",
    "EVENTS_MIN",
    "FILE_KINDS",
    "LIST_KINDS",
    "NOT_PLANTED",
    "SIZES",
    "Generated",
    "Line",
    "Plan",
    "Planted",
    "Sent",
    "Size",
    "Step",
    "Summary",
    "answers_text",
    "generate_day",
    "members_of",
    "with_breaks",
    "with_lists",
    "with_registered",
    "write",
]
