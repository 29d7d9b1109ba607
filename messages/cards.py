"""What banks, the card platform and hospitals say about cards and terminals. 卡与终端"""

from __future__ import annotations

from typing import ClassVar, Literal

from messages.envelope import Body, Part, Rule, broken
from messages.fields import (
    AccountClass,
    AliasKind,
    AreaCode,
    CardClass,
    CardToken,
    FenOrZero,
    Instant,
    Maybe,
    MemberCode,
    PersonToken,
    Sam,
    Terminal,
    Text200,
)
from messages.groups import Card

_BANK_NEEDS = ("card_class", "account_class")
_BANK_ONLY = (*_BANK_NEEDS, "issue_mode", "area", "issuer", "guardian", "aliases")
_CHANGEABLE = ("person", "guardian", "account_class", "card_class", "area")


class Alias(Part):
    """Another number of the card."""

    kind: AliasKind
    """What kind of number."""
    token: CardToken
    """Its token."""


def _fields_of_the_stage(said: CardRegistered) -> None:
    sent = said.model_fields_set
    needs = _BANK_NEEDS if said.stage == "BANK" else ("institution",) if said.stage == "HOSPITAL" else ()
    for field in needs:
        if field not in sent:
            broken(field, f"is missing; expected it at stage {said.stage}")
    wrong = () if said.stage == "BANK" else _BANK_ONLY
    for field in wrong if said.stage == "HOSPITAL" else (*wrong, "institution"):
        if field in sent:
            broken(field, f"expected none at stage {said.stage}, got one")


class CardRegistered(Card, Body):
    """One of the three registrations of a card: at the bank, the card platform, a hospital. 卡登记"""

    stage: Literal["BANK", "PLATFORM", "HOSPITAL"]
    """Which registration."""
    person: PersonToken
    """Token of the holder."""
    card_class: Maybe[CardClass] = None
    """Of stage BANK: an ordinary, a temporary or a test card."""
    account_class: Maybe[AccountClass] = None
    """Of stage BANK: class of the account, which limits payouts."""
    issue_mode: Maybe[Literal["REGION", "HOSPITAL", "BRANCH"]] = None
    """Of stage BANK: where cards are handed out."""
    area: Maybe[AreaCode] = None
    """Of stage BANK: administrative area, six digits."""
    issuer: Maybe[MemberCode] = None
    """Of stage BANK: the institution that issues it with the bank."""
    guardian: Maybe[PersonToken] = None
    """Of stage BANK: token of the guardian of a minor."""
    aliases: Maybe[tuple[Alias, ...]] = None
    """Of stage BANK: other numbers of the same card."""
    institution: Maybe[MemberCode] = None
    """Of stage HOSPITAL: the hospital."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            _fields_of_the_stage,
            {
                "oneOf": [
                    {
                        "properties": {"stage": {"const": "BANK"}, "institution": False},
                        "required": [*_BANK_NEEDS],
                    },
                    {"properties": {"stage": {"const": "PLATFORM"}, "institution": False}}
                    | {"not": {"anyOf": [{"required": [field]} for field in _BANK_ONLY]}},
                    {"properties": {"stage": {"const": "HOSPITAL"}}, "required": ["institution"]}
                    | {"not": {"anyOf": [{"required": [field]} for field in _BANK_ONLY]}},
                ]
            },
        ),
    )


class CardAliased(Card, Body):
    """Another number of the same card, or an older card merged into it. 卡关联"""

    kind: AliasKind
    """What kind of number."""
    token: CardToken
    """Its token."""
    institution: Maybe[MemberCode] = None
    """The hospital whose number it is."""


def _something_changed(said: CardChanged) -> None:
    if said.model_fields_set.isdisjoint(_CHANGEABLE):
        broken("person", f"expected one or more of {', '.join(_CHANGEABLE)}, got none")


class CardChanged(Card, Body):
    """What is new about a card. 卡变更"""

    person: Maybe[PersonToken] = None
    """Token of the holder."""
    guardian: Maybe[PersonToken] = None
    """Token of the guardian of a minor."""
    account_class: Maybe[AccountClass] = None
    """Class of the account."""
    card_class: Maybe[CardClass] = None
    """An ordinary, a temporary or a test card."""
    area: Maybe[AreaCode] = None
    """Administrative area, six digits."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(_something_changed, {"anyOf": [{"required": [field]} for field in _CHANGEABLE]}),
    )


class CardActivated(Card, Body):
    """The card works from now on. 激活"""


class _Freeze(Card, Body):
    scope: Literal["DEBIT", "ALL"]
    """Debits only, or credits too."""
    reason: Text200
    """Why."""


class CardFrozen(_Freeze):
    """The card is stopped, for debits or for all. 冻结"""


class CardUnfrozen(_Freeze):
    """The card goes back to what it was before it was frozen. 解冻"""


class _LossReport(Card, Body):
    reported_at: Instant
    """When the holder said so: it holds from this instant on."""


class CardLost(_LossReport):
    """The holder has lost the card. 挂失"""


class CardFound(_LossReport):
    """The card is back and goes back to what it was before. 解挂"""


class CardReplaced(Card, Body):
    """A new card at the same bank takes this one's place. 换卡"""

    new_card: CardToken
    """Token of the new card."""
    fee: Maybe[FenOrZero] = None
    """What the holder paid the bank for it, for information."""


class CardCancelled(Card, Body):
    """The holder gives the card up. 注销"""


class CardTerminated(Card, Body):
    """The bank ends the card. 销卡"""


class CardHolderDeceased(Card, Body):
    """The holder has died. 持卡人死亡"""


def _another_card(said: CardDuplicateFound) -> None:
    if said.kept_card == said.card:
        broken("kept_card", "expected another card than card, got the same")


class CardDuplicateFound(Card, Body):
    """The holder has two cards; this one is cancelled and the other kept. 重复卡"""

    kept_card: CardToken
    """Token of the card that is kept."""

    rules: ClassVar[tuple[Rule, ...]] = (Rule(_another_card),)


class _Terminal(Body):
    terminal: Terminal
    """Number of the terminal, 12 hex digits."""


class TerminalRegistered(_Terminal):
    """A terminal stands at an institution. 终端登记"""

    sam: Sam
    """Serial number of its security module (SAM)."""
    institution: MemberCode
    """Where it stands."""
    kind: Maybe[Literal["ATM", "POS", "PHONE", "READER", "KIOSK"]] = None
    """What it is."""
    acquirer: Maybe[MemberCode] = None
    """The bank that runs it."""


class TerminalLocked(_Terminal):
    """The terminal is locked. 终端锁定"""


class TerminalUnlocked(_Terminal):
    """The terminal is in use again. 终端解锁"""


class TerminalLost(_Terminal):
    """The terminal is lost. 终端遗失"""


class TerminalFound(_Terminal):
    """The terminal is back and goes back to what it was before. 终端找回"""


class TerminalRecalled(_Terminal):
    """The terminal was taken back and may be registered again. 终端回收"""


class TerminalScrapped(_Terminal):
    """The terminal is scrapped for good. 终端报废"""


class TerminalSamReplaced(_Terminal):
    """The terminal got another security module. 更换 SAM"""

    new_sam: Sam
    """Serial number of the new security module."""
