"""Profile X: ISO 20022 messages instead of lines, by tables of places. Pure. ISO 20022报文

    pain.001.001.09   PAY, what a bank is to pay           camt.053.001.08   TXN, a member's day; read as STM too
    pain.002.001.12   PYR, what became of it               camt.054.001.08   NTF, single credits and debits as they
                                                                             happen; RTN, payments that came back

Each message is a table that says where in the document a field of the record model stands; one writer and one
reader walk it. A field that ISO 20022 has no place for, or that is too long for its place, stands in the
supplementary data of its entry, so that what is read is what was written.
"""
