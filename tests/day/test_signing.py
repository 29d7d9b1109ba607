"""Who has to sign a day, in which order, and what a signature is over."""

from __future__ import annotations

from datetime import date

import pytest

from clearing.day.signing import Step, next_role, sign_off_text, who_signs
from clearing.errors import UsageError
from tests.day.worked_days import members

DAY = date(2026, 3, 10)


def test_everybody_with_activity_signs_and_the_platform_last() -> None:
    """Owners of money and memo accounts, partners whose files were read, the platform; nobody else."""
    accounts = ["1010.B1", "2010.H1", "9020.F1.H2", "9011.H1.B2", "2060.B1", "9050.110000.120000"]
    found = who_signs(accounts, ["T1"], members().on(DAY), platform="PLAT")
    assert found == ("B1", "F1", "H1", "H2", "T1", "PLAT")


def test_a_day_without_activity_is_the_platforms() -> None:
    """An empty day is signed too."""
    assert who_signs([], [], members().on(DAY), platform="PLAT") == ("PLAT",)


def test_three_people_in_order() -> None:
    """Prepared, reviewed, approved; nobody takes two steps, and a fourth is refused."""
    done: list[Step] = []
    for person, role in (("ann", "prepared"), ("bob", "reviewed"), ("cat", "approved")):
        assert next_role("H1", done, person) == role
        done.append(Step(role, person))
    with pytest.raises(UsageError, match="Ann has prepared it; it is to be approved by somebody else"):
        next_role("H1", done[:2], " Ann")
    with pytest.raises(UsageError, match="signed already, by ann, bob, cat"):
        next_role("H1", done, "dan")


def test_the_text_names_all_that_is_signed() -> None:
    """One line a field, so that nothing can be moved from one to another."""
    text = sign_off_text(DAY, "H1", "approved", "cat", report=bytes(32), root=b"\x01" * 32)
    assert text.decode().splitlines() == [
        "day=2026-03-10", "member=H1", "role=approved", "person=cat", f"report={'00' * 32}", f"root={'01' * 32}"
    ]  # fmt: skip
