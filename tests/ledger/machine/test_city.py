"""Machines that do what a city does in any order, beside a model that knows only sums and states.

`make soak` runs them longer; `make test` runs a few seconds of each.
"""

from __future__ import annotations

from hypothesis import settings

from tests.ledger.machine.control import Control
from tests.ledger.machine.inpatients import Inpatients
from tests.ledger.machine.model import Card
from tests.ledger.machine.payers import Payers
from tests.ledger.machine.payments import Payments
from tests.ledger.machine.payouts import Payouts
from tests.ledger.machine.wallets import Wallets
from tests.ledger.soak import machine_settings


class PaidByCards(Wallets, Payments):
    """Payments with cards in every state."""

    def payer(self, n: int) -> Card:
        """Mostly a card whose life goes on here."""
        return self.pick(self.wallets() if n % 4 else self.cards, n)


class PaidToCards(Wallets, Payouts):
    """Payouts to cards in every state."""


class Claims(Payers, Inpatients):
    """Stays whose claims are settled, retained and recalled."""


class Days(Control, Payments):
    """Days closed one after the other, instructions confirmed, payments undone later."""


class City(Wallets, Payouts, Payers, Inpatients, Payments, Control):
    """Everything at once."""


TestPaidByCards = PaidByCards.TestCase
TestPaidToCards = PaidToCards.TestCase
TestClaims = Claims.TestCase
TestDays = Days.TestCase
TestCity = City.TestCase
TestPaidByCards.settings = TestPaidToCards.settings = machine_settings
TestClaims.settings = TestDays.settings = machine_settings
TestCity.settings = settings(machine_settings, stateful_step_count=2 * machine_settings.stateful_step_count)
