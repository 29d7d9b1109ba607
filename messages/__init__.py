"""What is said to the clearing engine and by it: typed events in, notices out. 业务事件与通知

from messages import decode, Event, Malformed

match decode(record_value):
    case Event(type="payment.made", data=said):
        print(said.institution, said.amount)  # whole fen
    case Malformed() as fault:
        print(fault)  # where and what, never the value
"""

from messages.catalogue import CATALOGUE, Entry
from messages.decode import decode
from messages.envelope import Body, Envelope, Event, Malformed
from messages.fields import amount_text, fen_of

__all__ = ["CATALOGUE", "Body", "Entry", "Envelope", "Event", "Malformed", "amount_text", "decode", "fen_of"]
