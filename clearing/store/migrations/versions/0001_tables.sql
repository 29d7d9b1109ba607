-- The tables as of revision 0001, frozen; `store.tables` says the same of the present schema.

CREATE TABLE day (
    clearing_date DATE NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    cut_at TIMESTAMP WITH TIME ZONE,
    cut_batch BIGINT,
    root BYTEA,
    heads JSONB,
    CONSTRAINT pk_day PRIMARY KEY (clearing_date)
);
CREATE INDEX ix_day_open ON day (clearing_date) WHERE state = 'open';
COMMENT ON TABLE day IS 'The days and how far each is closed (清算日)';
COMMENT ON COLUMN day.clearing_date IS 'The day.';
COMMENT ON COLUMN day.state IS 'open, cut, netted, filed, reconciled or signed; one step at a time, never back.';
COMMENT ON COLUMN day.cut_at IS 'When it was cut, by the clock of whoever cut it.';
COMMENT ON COLUMN day.cut_batch IS 'The last batch before its cut, the cut''s own included.';
COMMENT ON COLUMN day.root IS 'SM3 over the heads of all digest chains at the cut.';
COMMENT ON COLUMN day.heads IS 'Those heads: [stream/partition, digest in hex], in order of name.';
CREATE TABLE stream (
    name TEXT COLLATE "C" NOT NULL,
    partition INTEGER NOT NULL,
    position BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    announced BIGINT NOT NULL,
    CONSTRAINT pk_stream PRIMARY KEY (name, partition)
)
 WITH (fillfactor = 20);
COMMENT ON TABLE stream IS 'How far each stream partition has been taken in';
COMMENT ON COLUMN stream.name IS 'Topic, file or job.';
COMMENT ON COLUMN stream.partition IS 'Its partition; 0 where it has none.';
COMMENT ON COLUMN stream.position IS 'Where its next batch starts; moved by compare-and-set.';
COMMENT ON COLUMN stream.digest IS 'Head of its digest chain, 32 bytes.';
COMMENT ON COLUMN stream.announced IS 'The last batch whose notices have been published.';
CREATE TABLE batch (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    stream TEXT COLLATE "C" NOT NULL,
    partition INTEGER NOT NULL,
    position_from BIGINT,
    position_to BIGINT NOT NULL,
    records INTEGER NOT NULL,
    previous BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_batch PRIMARY KEY (id)
);
CREATE INDEX ix_batch_stream ON batch (stream, partition, id);
COMMENT ON TABLE batch IS 'One transaction of the engine: what it took in and its link of the digest chain';
COMMENT ON COLUMN batch.id IS 'Running number.';
COMMENT ON COLUMN batch.stream IS 'Of which stream.';
COMMENT ON COLUMN batch.partition IS 'Of which partition.';
COMMENT ON COLUMN batch.position_from IS 'Position before it; null for the first of its stream.';
COMMENT ON COLUMN batch.position_to IS 'Position after it.';
COMMENT ON COLUMN batch.records IS 'How many records it took in.';
COMMENT ON COLUMN batch.previous IS 'Digest of the batch before in its stream partition.';
COMMENT ON COLUMN batch.digest IS 'SM3 over `previous` and this batch''s outcomes and entries.';
COMMENT ON COLUMN batch.at IS 'When it was written, by the database''s clock.';
CREATE TABLE event (
    source TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    sm3 BYTEA NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    detail TEXT COLLATE "C" NOT NULL,
    entry_id UUID,
    clearing_date DATE,
    late BOOLEAN NOT NULL,
    waits_for TEXT COLLATE "C" NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    raw BYTEA NOT NULL,
    position BIGINT NOT NULL,
    batch BIGINT NOT NULL,
    no INTEGER NOT NULL,
    CONSTRAINT pk_event PRIMARY KEY (source, id)
);
CREATE INDEX ix_event_batch ON event (batch);
CREATE INDEX ix_event_payout ON event (batch) WHERE type LIKE 'payout.%' OR type LIKE 'settlement.%';
CREATE INDEX ix_event_occurred_at ON event USING brin (occurred_at) WITH (autosummarize = on, pages_per_range = 1024);
COMMENT ON TABLE event IS 'Every event that could be read, once';
COMMENT ON COLUMN event.source IS 'Member code of the producer.';
COMMENT ON COLUMN event.id IS 'Unique for ever within the source.';
COMMENT ON COLUMN event.type IS 'What happened.';
COMMENT ON COLUMN event.sm3 IS 'Digest of its content, 32 bytes.';
COMMENT ON COLUMN event.outcome IS 'Its first outcome: posted, noted, rejected or parked; a parked one''s last is in `woken`.';
COMMENT ON COLUMN event.reason IS 'Why it was refused, a code of the closed list.';
COMMENT ON COLUMN event.detail IS 'What was asked, what is there, and the difference.';
COMMENT ON COLUMN event.entry_id IS 'The entry it made.';
COMMENT ON COLUMN event.clearing_date IS 'Set when posted or noted.';
COMMENT ON COLUMN event.late IS 'Whether that date is later than its time''s own.';
COMMENT ON COLUMN event.waits_for IS 'What it waited for when it was first parked; empty if that came in the same batch.';
COMMENT ON COLUMN event.occurred_at IS 'The event''s own time.';
COMMENT ON COLUMN event.raw IS 'The record''s bytes.';
COMMENT ON COLUMN event.position IS 'Where in its stream partition it was.';
COMMENT ON COLUMN event.batch IS 'The batch that wrote it.';
COMMENT ON COLUMN event.no IS 'Its number in that batch; notices and the digest go by it.';
CREATE TABLE woken (
    source TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    detail TEXT COLLATE "C" NOT NULL,
    entry_id UUID,
    clearing_date DATE,
    late BOOLEAN NOT NULL,
    batch BIGINT NOT NULL,
    no INTEGER NOT NULL,
    CONSTRAINT pk_woken PRIMARY KEY (source, id)
);
CREATE INDEX ix_woken_batch ON woken (batch);
COMMENT ON TABLE woken IS 'The last outcome of an event that had been parked (唤醒)';
COMMENT ON COLUMN woken.source IS 'Of the event.';
COMMENT ON COLUMN woken.id IS 'Of the event.';
COMMENT ON COLUMN woken.outcome IS 'posted, noted or rejected.';
COMMENT ON COLUMN woken.reason IS 'Why it was refused, a code of the closed list.';
COMMENT ON COLUMN woken.detail IS 'What was asked, what is there, and the difference.';
COMMENT ON COLUMN woken.entry_id IS 'The entry it made.';
COMMENT ON COLUMN woken.clearing_date IS 'Set when posted or noted.';
COMMENT ON COLUMN woken.late IS 'Whether that date is later than its time''s own.';
COMMENT ON COLUMN woken.batch IS 'The batch that wrote it.';
COMMENT ON COLUMN woken.no IS 'Its number in that batch; notices and the digest go by it.';
CREATE TABLE repeat (
    batch BIGINT NOT NULL,
    no INTEGER NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    detail TEXT COLLATE "C" NOT NULL,
    sm3 BYTEA NOT NULL,
    position BIGINT NOT NULL,
    raw BYTEA NOT NULL,
    CONSTRAINT pk_repeat PRIMARY KEY (batch, no)
);
COMMENT ON TABLE repeat IS 'Records whose event id had been used';
COMMENT ON COLUMN repeat.batch IS 'The batch that wrote it.';
COMMENT ON COLUMN repeat.no IS 'Its number in that batch; notices and the digest go by it.';
COMMENT ON COLUMN repeat.source IS 'Of the event.';
COMMENT ON COLUMN repeat.id IS 'Of the event.';
COMMENT ON COLUMN repeat.type IS 'Of the event.';
COMMENT ON COLUMN repeat.outcome IS 'duplicate, or rejected for an id used again with another content.';
COMMENT ON COLUMN repeat.reason IS 'id_reused, or the first outcome''s reason.';
COMMENT ON COLUMN repeat.detail IS 'What differs.';
COMMENT ON COLUMN repeat.sm3 IS 'Digest of this record''s content, 32 bytes.';
COMMENT ON COLUMN repeat.position IS 'Where in its stream partition it was.';
COMMENT ON COLUMN repeat.raw IS 'The record''s bytes.';
CREATE TABLE quarantine (
    batch BIGINT NOT NULL,
    no INTEGER NOT NULL,
    stream TEXT COLLATE "C" NOT NULL,
    partition INTEGER NOT NULL,
    position BIGINT NOT NULL,
    where_ TEXT COLLATE "C" NOT NULL,
    what TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    sm3 BYTEA NOT NULL,
    length INTEGER NOT NULL,
    raw BYTEA,
    CONSTRAINT pk_quarantine PRIMARY KEY (batch, no)
);
COMMENT ON TABLE quarantine IS 'Records that are no events (待处理)';
COMMENT ON COLUMN quarantine.batch IS 'The batch that wrote it.';
COMMENT ON COLUMN quarantine.no IS 'Its number in that batch; notices and the digest go by it.';
COMMENT ON COLUMN quarantine.stream IS 'Where it came from.';
COMMENT ON COLUMN quarantine.partition IS 'Where it came from.';
COMMENT ON COLUMN quarantine.position IS 'Where it came from.';
COMMENT ON COLUMN quarantine.where_ IS 'Path of the field, or the place in the record.';
COMMENT ON COLUMN quarantine.what IS 'What is wrong, without any value.';
COMMENT ON COLUMN quarantine.source IS 'Of the event, where it could be read.';
COMMENT ON COLUMN quarantine.id IS 'Of the event, where it could be read.';
COMMENT ON COLUMN quarantine.type IS 'Of the event, where it could be read.';
COMMENT ON COLUMN quarantine.sm3 IS 'Digest of the record''s bytes.';
COMMENT ON COLUMN quarantine.length IS 'Length of the record, bytes.';
COMMENT ON COLUMN quarantine.raw IS 'The record''s bytes; null where they may be kept nowhere.';
CREATE TABLE parked (
    source TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    arrival BIGINT GENERATED ALWAYS AS IDENTITY,
    waits_for TEXT COLLATE "C" NOT NULL,
    since DATE,
    limit_days INTEGER NOT NULL,
    detail TEXT COLLATE "C" NOT NULL,
    line TEXT COLLATE "C" NOT NULL,
    adds BOOLEAN NOT NULL,
    feeds TEXT COLLATE "C" NOT NULL,
    CONSTRAINT pk_parked PRIMARY KEY (source, id)
);
CREATE INDEX ix_parked_waits_for ON parked (waits_for, arrival);
CREATE INDEX ix_parked_line ON parked (line, arrival) WHERE line <> '';
CREATE INDEX ix_parked_feeds ON parked (feeds, arrival) WHERE feeds <> '';
COMMENT ON TABLE parked IS 'Events that wait for something named (挂起)';
COMMENT ON COLUMN parked.source IS 'Of the event.';
COMMENT ON COLUMN parked.id IS 'Of the event.';
COMMENT ON COLUMN parked.arrival IS 'Order of first parking.';
COMMENT ON COLUMN parked.waits_for IS 'Name of the key it waits for.';
COMMENT ON COLUMN parked.since IS 'First uncut day when it first waited for something not a day.';
COMMENT ON COLUMN parked.limit_days IS 'The cut of `since` and this many days ends the wait.';
COMMENT ON COLUMN parked.detail IS 'What it waits for, for people.';
COMMENT ON COLUMN parked.line IS 'Its line (of a stay, payout, retention), whose later events wait for it; empty where none do.';
COMMENT ON COLUMN parked.adds IS 'Whether it only adds to what that holds: others like it need not wait.';
COMMENT ON COLUMN parked.feeds IS 'A further line, to which it only adds; empty where there is none.';
CREATE TABLE entry (
    id UUID NOT NULL,
    clearing_date DATE NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    event_id TEXT COLLATE "C" NOT NULL,
    accounts TEXT[] COLLATE "C" NOT NULL,
    fens BIGINT[] NOT NULL,
    legs TEXT COLLATE "C" NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    late BOOLEAN NOT NULL,
    amount_fen BIGINT NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    institution TEXT COLLATE "C" NOT NULL,
    bank TEXT COLLATE "C" NOT NULL,
    payer TEXT COLLATE "C" NOT NULL,
    route TEXT COLLATE "C" NOT NULL,
    partner TEXT COLLATE "C" NOT NULL,
    bank_ref TEXT COLLATE "C" NOT NULL,
    bank_date DATE,
    order_no TEXT COLLATE "C" NOT NULL,
    receipt_no TEXT COLLATE "C" NOT NULL,
    admission_no TEXT COLLATE "C" NOT NULL,
    terminal TEXT COLLATE "C" NOT NULL,
    access TEXT COLLATE "C" NOT NULL,
    card TEXT COLLATE "C" NOT NULL,
    card_last4 TEXT COLLATE "C" NOT NULL,
    app_area TEXT COLLATE "C" NOT NULL,
    original_id UUID,
    original_date DATE,
    text TEXT COLLATE "C" NOT NULL,
    batch BIGINT NOT NULL,
    no INTEGER NOT NULL,
    CONSTRAINT pk_entry PRIMARY KEY (id),
    CONSTRAINT uq_entry_source_event_id UNIQUE (source, event_id)
);
CREATE INDEX ix_entry_card ON entry (card);
CREATE INDEX ix_entry_day_batch ON entry USING brin (clearing_date, batch) WITH (autosummarize = on, pages_per_range = 1024);
COMMENT ON TABLE entry IS 'One balanced set of postings (记账凭证)';
COMMENT ON COLUMN entry.id IS 'The 32 hex digits of the public id: the clearing date, then SM3.';
COMMENT ON COLUMN entry.clearing_date IS 'The day it belongs to.';
COMMENT ON COLUMN entry.type IS 'The event''s type, or that of an end-of-day entry.';
COMMENT ON COLUMN entry.source IS 'Of the event.';
COMMENT ON COLUMN entry.event_id IS 'Of the event.';
COMMENT ON COLUMN entry.accounts IS 'The postings'' accounts.';
COMMENT ON COLUMN entry.fens IS 'The postings'' amounts: debit positive, never zero.';
COMMENT ON COLUMN entry.legs IS 'The postings'' reasons, one letter each: G gross, S settled, F fee, M memo.';
COMMENT ON COLUMN entry.occurred_at IS 'The event''s time.';
COMMENT ON COLUMN entry.late IS 'Whether its day is later than its time''s own.';
COMMENT ON COLUMN entry.amount_fen IS 'The event''s own amount, positive; 0 for memo-only events without one.';
COMMENT ON COLUMN entry.status IS 'What a file line says of its own event.';
COMMENT ON COLUMN entry.institution IS 'The event''s institution.';
COMMENT ON COLUMN entry.bank IS 'The card''s issuing bank.';
COMMENT ON COLUMN entry.payer IS 'Fund or insurer.';
COMMENT ON COLUMN entry.route IS 'DIRECT, UNIONPAY or CHANNEL.';
COMMENT ON COLUMN entry.partner IS 'Whose `bank_ref` it is.';
COMMENT ON COLUMN entry.bank_ref IS 'The partner''s reference.';
COMMENT ON COLUMN entry.bank_date IS 'The partner''s date.';
COMMENT ON COLUMN entry.order_no IS 'The institution''s order.';
COMMENT ON COLUMN entry.receipt_no IS 'The institution''s receipt.';
COMMENT ON COLUMN entry.admission_no IS 'The stay.';
COMMENT ON COLUMN entry.terminal IS 'The terminal.';
COMMENT ON COLUMN entry.access IS 'By which way the holder came.';
COMMENT ON COLUMN entry.card IS 'The card''s own token, aliases resolved.';
COMMENT ON COLUMN entry.card_last4 IS 'Its last four digits.';
COMMENT ON COLUMN entry.app_area IS 'Application area.';
COMMENT ON COLUMN entry.original_id IS 'The entry that this one undoes.';
COMMENT ON COLUMN entry.original_date IS 'That entry''s day.';
COMMENT ON COLUMN entry.text IS 'Free text of a correction; a reason code of a return.';
COMMENT ON COLUMN entry.batch IS 'The batch that wrote it.';
COMMENT ON COLUMN entry.no IS 'Its number in that batch; notices and the digest go by it.';
CREATE TABLE balance (
    clearing_date DATE NOT NULL,
    account TEXT COLLATE "C" NOT NULL,
    lane SMALLINT NOT NULL,
    fen BIGINT NOT NULL,
    CONSTRAINT pk_balance PRIMARY KEY (clearing_date, account, lane)
)
 WITH (fillfactor = 50);
COMMENT ON TABLE balance IS 'Each account''s movement of a day, in one share a lane; readers add the shares';
COMMENT ON COLUMN balance.clearing_date IS 'The day.';
COMMENT ON COLUMN balance.account IS 'The account.';
COMMENT ON COLUMN balance.lane IS 'Whose share it is: workers never update each other''s rows.';
COMMENT ON COLUMN balance.fen IS 'Sum of the postings, debit positive.';
CREATE TABLE card (
    token TEXT COLLATE "C" NOT NULL,
    bank TEXT COLLATE "C" NOT NULL,
    person TEXT COLLATE "C" NOT NULL,
    guardian TEXT COLLATE "C" NOT NULL,
    card_class TEXT COLLATE "C" NOT NULL,
    account_class TEXT COLLATE "C" NOT NULL,
    area TEXT COLLATE "C" NOT NULL,
    issuer TEXT COLLATE "C" NOT NULL,
    issue_mode TEXT COLLATE "C" NOT NULL,
    registrations JSONB NOT NULL,
    steps JSONB NOT NULL,
    changes JSONB NOT NULL,
    replaced_by TEXT COLLATE "C" NOT NULL,
    root TEXT COLLATE "C" NOT NULL,
    CONSTRAINT pk_card PRIMARY KEY (token)
);
CREATE INDEX ix_card_person ON card (person);
COMMENT ON TABLE card IS 'A card as the registry knows it; UNKNOWN until the bank has registered it.';
CREATE TABLE alias (
    token TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    institution TEXT COLLATE "C" NOT NULL,
    card TEXT COLLATE "C" NOT NULL,
    cards JSONB NOT NULL,
    CONSTRAINT pk_alias PRIMARY KEY (token)
);
CREATE INDEX ix_alias_card ON alias (card);
COMMENT ON TABLE alias IS 'Another number of a card: health card, chip, old hospital card, 农合本.';
CREATE TABLE terminal (
    terminal TEXT COLLATE "C" NOT NULL,
    sam TEXT COLLATE "C" NOT NULL,
    institution TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    acquirer TEXT COLLATE "C" NOT NULL,
    steps JSONB NOT NULL,
    CONSTRAINT pk_terminal PRIMARY KEY (terminal)
);
COMMENT ON TABLE terminal IS 'A terminal with its secure module (SAM).';
CREATE TABLE undo (
    source TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    spent TEXT COLLATE "C" NOT NULL,
    refunded_fen BIGINT NOT NULL,
    fee_returned JSONB NOT NULL,
    fee_adjusted JSONB NOT NULL,
    persons_refunded TEXT[] COLLATE "C" NOT NULL,
    last_date DATE NOT NULL,
    CONSTRAINT pk_undo PRIMARY KEY (source, id)
);
COMMENT ON TABLE undo IS 'What has been taken back of a posted event.';
CREATE TABLE timeout (
    source TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    institution TEXT COLLATE "C" NOT NULL,
    amount_fen BIGINT NOT NULL,
    debited BOOLEAN NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    confirmed_source TEXT COLLATE "C" NOT NULL,
    confirmed_id TEXT COLLATE "C" NOT NULL,
    last_date DATE NOT NULL,
    CONSTRAINT pk_timeout PRIMARY KEY (source, id)
);
CREATE INDEX ix_timeout_open ON timeout (occurred_at) WHERE state = 'OPEN';
COMMENT ON TABLE timeout IS 'A payment or deposit whose result is unknown. 状态未明';
CREATE TABLE tombstone (
    source TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    reversals JSONB NOT NULL,
    senders TEXT[] COLLATE "C" NOT NULL,
    institutions TEXT[] COLLATE "C" NOT NULL,
    amounts_fen BIGINT[] NOT NULL,
    CONSTRAINT pk_tombstone PRIMARY KEY (source, id)
);
COMMENT ON TABLE tombstone IS 'Reversals that came before what they reverse. 冲正先到';
CREATE TABLE stay (
    institution TEXT COLLATE "C" NOT NULL,
    admission_no TEXT COLLATE "C" NOT NULL,
    card TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    admitted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    discharged_at TIMESTAMP WITH TIME ZONE,
    deposit_fen BIGINT NOT NULL,
    arrears_fen BIGINT NOT NULL,
    cards TEXT[] COLLATE "C" NOT NULL,
    routes TEXT[] COLLATE "C" NOT NULL,
    settlements JSONB NOT NULL,
    last_date DATE NOT NULL,
    CONSTRAINT pk_stay PRIMARY KEY (institution, admission_no)
);
COMMENT ON TABLE stay IS 'One admission of one hospital, with the deposit it holds. 住院';
CREATE TABLE settlement (
    payer TEXT COLLATE "C" NOT NULL,
    settlement_id TEXT COLLATE "C" NOT NULL,
    institution TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    advanced_fen BIGINT NOT NULL,
    treat_area TEXT COLLATE "C" NOT NULL,
    insured_area TEXT COLLATE "C" NOT NULL,
    settled BOOLEAN NOT NULL,
    discharge TEXT[] COLLATE "C" NOT NULL,
    live JSONB NOT NULL,
    paid BOOLEAN NOT NULL,
    last_date DATE NOT NULL,
    CONSTRAINT pk_settlement PRIMARY KEY (payer, settlement_id)
);
COMMENT ON TABLE settlement IS 'All that is known of (payer, settlement_id): the claim a hospital advanced, and live payouts.';
CREATE TABLE payout (
    source TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    payer TEXT COLLATE "C" NOT NULL,
    settlement_id TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    amount_fen BIGINT NOT NULL,
    card TEXT COLLATE "C" NOT NULL,
    bank TEXT COLLATE "C" NOT NULL,
    root TEXT COLLATE "C" NOT NULL,
    attempt BIGINT NOT NULL,
    attempts JSONB NOT NULL,
    batch_id TEXT COLLATE "C" NOT NULL,
    row_no BIGINT,
    treat_area TEXT COLLATE "C" NOT NULL,
    insured_area TEXT COLLATE "C" NOT NULL,
    last_date DATE NOT NULL,
    CONSTRAINT pk_payout PRIMARY KEY (source, id)
);
CREATE INDEX ix_payout_root ON payout (root) WHERE state IN ('HELD','ACCEPTED','SENT','PAID');
CREATE INDEX ix_payout_batch ON payout (payer, batch_id);
CREATE INDEX ix_payout_held ON payout (card) WHERE state = 'HELD';
CREATE INDEX ix_payout_state ON payout (state) WHERE state IN ('HELD','ACCEPTED','SENT','REJECTED','RETURNED');
COMMENT ON TABLE payout IS 'A reimbursement on its way to a card account. 代付';
CREATE TABLE payout_batch (
    payer TEXT COLLATE "C" NOT NULL,
    batch_id TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    rows BIGINT NOT NULL,
    total_fen BIGINT NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    counted JSONB NOT NULL,
    counted_fen BIGINT NOT NULL,
    accepted_fen BIGINT NOT NULL,
    accepted_nos BIGINT[] NOT NULL,
    last_date DATE NOT NULL,
    CONSTRAINT pk_payout_batch PRIMARY KEY (payer, batch_id)
);
COMMENT ON TABLE payout_batch IS 'A payer''s batch of payouts under one control total.';
CREATE TABLE retention (
    payer TEXT COLLATE "C" NOT NULL,
    institution TEXT COLLATE "C" NOT NULL,
    year TEXT COLLATE "C" NOT NULL,
    retained_fen BIGINT NOT NULL,
    last_date DATE NOT NULL,
    CONSTRAINT pk_retention PRIMARY KEY (payer, institution, year)
);
COMMENT ON TABLE retention IS 'What a payer keeps of a hospital''s claims until the year-end check. 保证金';
CREATE TABLE area_pair (
    treat_area TEXT COLLATE "C" NOT NULL,
    insured_area TEXT COLLATE "C" NOT NULL,
    open_fen BIGINT NOT NULL,
    last_date DATE NOT NULL,
    CONSTRAINT pk_area_pair PRIMARY KEY (treat_area, insured_area)
);
COMMENT ON TABLE area_pair IS 'What the insured area''s fund owes the treat area''s. 异地往来';
CREATE TABLE premium (
    payer TEXT COLLATE "C" NOT NULL,
    scheme_year TEXT COLLATE "C" NOT NULL,
    person TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    amount_fen BIGINT NOT NULL,
    CONSTRAINT pk_premium PRIMARY KEY (payer, scheme_year, person)
);
COMMENT ON TABLE premium IS 'One person''s premium of one year and fund. 参合缴费';
CREATE TABLE order_no (
    institution TEXT COLLATE "C" NOT NULL,
    order_no TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    CONSTRAINT pk_order_no PRIMARY KEY (institution, order_no)
);
COMMENT ON TABLE order_no IS 'An order number of an institution and who has taken it; `source` is empty when it is free again.';
CREATE TABLE bank_ref (
    partner TEXT COLLATE "C" NOT NULL,
    bank_date DATE NOT NULL,
    bank_ref TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    CONSTRAINT pk_bank_ref PRIMARY KEY (partner, bank_date, bank_ref)
);
COMMENT ON TABLE bank_ref IS 'A reference of a partner, used up by one event.';
CREATE TABLE instruction (
    id TEXT COLLATE "C" NOT NULL,
    clearing_date DATE NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    debtor TEXT COLLATE "C" NOT NULL,
    creditor TEXT COLLATE "C" NOT NULL,
    amount_fen BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    value_date DATE NOT NULL,
    replaces TEXT COLLATE "C" NOT NULL,
    CONSTRAINT pk_instruction PRIMARY KEY (id)
);
CREATE INDEX ix_instruction_day ON instruction (clearing_date);
COMMENT ON TABLE instruction IS 'An inter-bank or in-bank instruction of a closed day. 清算指令';
CREATE TABLE members (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    loaded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    loaded_by TEXT COLLATE "C" NOT NULL,
    digest BYTEA NOT NULL,
    document JSONB NOT NULL,
    approved_by TEXT COLLATE "C" NOT NULL,
    approved_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_members PRIMARY KEY (id)
);
COMMENT ON TABLE members IS 'Reference data as it was loaded, each version kept (参与方资料)';
COMMENT ON COLUMN members.id IS 'Running number; the highest approved one is in force.';
COMMENT ON COLUMN members.loaded_at IS 'When it was loaded.';
COMMENT ON COLUMN members.loaded_by IS 'Who loaded it (maker).';
COMMENT ON COLUMN members.digest IS 'SM3 of the file.';
COMMENT ON COLUMN members.document IS 'The whole reference data.';
COMMENT ON COLUMN members.approved_by IS 'Who approved it (checker), not the maker; empty while it waits.';
COMMENT ON COLUMN members.approved_at IS 'When it was approved.';
CREATE TABLE file (
    name TEXT COLLATE "C" NOT NULL,
    clearing_date DATE NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    receiver TEXT COLLATE "C" NOT NULL,
    seq INTEGER NOT NULL,
    version INTEGER NOT NULL,
    profile TEXT COLLATE "C" NOT NULL,
    layout BYTEA NOT NULL,
    members BIGINT NOT NULL,
    size BIGINT NOT NULL,
    records BIGINT NOT NULL,
    amount_total_fen BIGINT NOT NULL,
    hash_total TEXT COLLATE "C" NOT NULL,
    sha256 BYTEA NOT NULL,
    sm3 BYTEA NOT NULL,
    replaces TEXT COLLATE "C" NOT NULL,
    made_on DATE,
    CONSTRAINT pk_file PRIMARY KEY (name),
    CONSTRAINT uq_file_clearing_date_profile_type_receiver_seq_version UNIQUE (clearing_date, profile, type, receiver, seq, version)
);
CREATE INDEX ix_file_receiver ON file (receiver, clearing_date);
COMMENT ON TABLE file IS 'Clearing files as they were rendered (清算文件)';
COMMENT ON COLUMN file.name IS 'File name; it says type, receiver, date, sequence and version.';
COMMENT ON COLUMN file.clearing_date IS 'The day it is of.';
COMMENT ON COLUMN file.type IS 'TXN, SUM, ERR, DEP, NRC, PAY, SWP, REG, MIS...';
COMMENT ON COLUMN file.receiver IS 'Member code of the receiver.';
COMMENT ON COLUMN file.seq IS 'Number in (profile, type, receiver, day), without gaps.';
COMMENT ON COLUMN file.version IS '1, and one more each time it is corrected.';
COMMENT ON COLUMN file.profile IS 'The profile it was written in.';
COMMENT ON COLUMN file.layout IS 'SM3 of that profile''s layout as it then was; `layout` has it.';
COMMENT ON COLUMN file.members IS 'The version of the reference data it was written with.';
COMMENT ON COLUMN file.size IS 'Length in bytes.';
COMMENT ON COLUMN file.records IS 'Detail lines.';
COMMENT ON COLUMN file.amount_total_fen IS 'Control total of the amounts.';
COMMENT ON COLUMN file.hash_total IS 'Control total of the keys.';
COMMENT ON COLUMN file.sha256 IS 'SHA-256 of the bytes.';
COMMENT ON COLUMN file.sm3 IS 'SM3 of the bytes.';
COMMENT ON COLUMN file.replaces IS 'Name of the version it corrects.';
COMMENT ON COLUMN file.made_on IS 'The day that was open when it was kept; a trigger says it.';
CREATE TABLE file_part (
    name TEXT COLLATE "C" NOT NULL,
    no INTEGER NOT NULL,
    content BYTEA NOT NULL,
    CONSTRAINT pk_file_part PRIMARY KEY (name, no)
);
COMMENT ON TABLE file_part IS 'The bytes of clearing files, in parts so that a large one is never held whole (清算文件内容)';
COMMENT ON COLUMN file_part.name IS 'Of which file.';
COMMENT ON COLUMN file_part.no IS 'Its number in the file, from 0: head, lines, tail.';
COMMENT ON COLUMN file_part.content IS 'Whole lines; all parts in order are the file.';
CREATE TABLE layout (
    sm3 BYTEA NOT NULL,
    profile TEXT COLLATE "C" NOT NULL,
    document TEXT COLLATE "C" NOT NULL,
    CONSTRAINT pk_layout PRIMARY KEY (sm3)
);
COMMENT ON TABLE layout IS 'Every layout that a file was written in: what was sent can be made again (文件格式)';
COMMENT ON COLUMN layout.sm3 IS 'SM3 of the document.';
COMMENT ON COLUMN layout.profile IS 'Its profile.';
COMMENT ON COLUMN layout.document IS 'The layout as canonical JSON.';
CREATE TABLE file_seal (
    name TEXT COLLATE "C" NOT NULL,
    alg TEXT COLLATE "C" NOT NULL,
    signer BYTEA NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    key_id TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    envelope_alg TEXT COLLATE "C" NOT NULL,
    envelope_key_id TEXT COLLATE "C" NOT NULL,
    wrapped_key TEXT COLLATE "C" NOT NULL,
    iv BYTEA NOT NULL,
    content_key BYTEA NOT NULL,
    CONSTRAINT pk_file_seal PRIMARY KEY (name)
);
COMMENT ON TABLE file_seal IS 'Signatures and envelopes of clearing files, made with them (签章)';
COMMENT ON COLUMN file_seal.name IS 'The file.';
COMMENT ON COLUMN file_seal.alg IS 'SM2-SM3 or Ed25519; empty when it is not signed.';
COMMENT ON COLUMN file_seal.signer IS 'SubjectPublicKeyInfo of the key that signed.';
COMMENT ON COLUMN file_seal.user_id IS 'SM2 user id in the signature.';
COMMENT ON COLUMN file_seal.key_id IS 'Fingerprint of the key that signed.';
COMMENT ON COLUMN file_seal.value IS 'The signature, base64, in the form the receiver takes.';
COMMENT ON COLUMN file_seal.envelope_alg IS 'SM4-GCM; empty when it goes out plain.';
COMMENT ON COLUMN file_seal.envelope_key_id IS 'Fingerprint of the key of the receiver.';
COMMENT ON COLUMN file_seal.wrapped_key IS 'The content key under that key, base64, in the form the receiver takes.';
COMMENT ON COLUMN file_seal.iv IS 'Of the envelope.';
COMMENT ON COLUMN file_seal.content_key IS 'Of the envelope: the same bytes go out whenever it is sent.';
CREATE TABLE statement_file (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    kind TEXT COLLATE "C" NOT NULL,
    partner TEXT COLLATE "C" NOT NULL,
    clearing_date DATE NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    sha256 BYTEA NOT NULL,
    sm3 BYTEA NOT NULL,
    content BYTEA NOT NULL,
    manifest BYTEA,
    received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_statement_file PRIMARY KEY (id),
    CONSTRAINT uq_statement_file_kind_partner_clearing_date_name_sha256 UNIQUE (kind, partner, clearing_date, name, sha256)
);
COMMENT ON TABLE statement_file IS 'Files of partners as they came (对账单)';
COMMENT ON COLUMN statement_file.id IS 'Running number.';
COMMENT ON COLUMN statement_file.kind IS 'STM, HIS, PYR, RTN, REG...';
COMMENT ON COLUMN statement_file.partner IS 'Member code of the sender.';
COMMENT ON COLUMN statement_file.clearing_date IS 'The day it was given for.';
COMMENT ON COLUMN statement_file.name IS 'Its name as it came.';
COMMENT ON COLUMN statement_file.sha256 IS 'SHA-256 of the bytes.';
COMMENT ON COLUMN statement_file.sm3 IS 'SM3 of the bytes.';
COMMENT ON COLUMN statement_file.content IS 'Its bytes, kept before they are parsed.';
COMMENT ON COLUMN statement_file.manifest IS 'The manifest beside it, where there was one.';
COMMENT ON COLUMN statement_file.received_at IS 'When it came.';
CREATE TABLE reconciliation_run (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    clearing_date DATE NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    inputs JSONB NOT NULL,
    matched BIGINT NOT NULL,
    proof JSONB NOT NULL,
    closed TEXT[] COLLATE "C" NOT NULL,
    open_after JSONB NOT NULL,
    waiting JSONB NOT NULL,
    report JSONB NOT NULL,
    listed TEXT[] COLLATE "C" NOT NULL,
    cleared TEXT[] COLLATE "C" NOT NULL,
    CONSTRAINT pk_reconciliation_run PRIMARY KEY (id)
);
CREATE INDEX ix_reconciliation_run_day ON reconciliation_run (clearing_date);
COMMENT ON TABLE reconciliation_run IS 'Each time a day was reconciled (对账)';
COMMENT ON COLUMN reconciliation_run.id IS 'Running number.';
COMMENT ON COLUMN reconciliation_run.clearing_date IS 'The day that was reconciled.';
COMMENT ON COLUMN reconciliation_run.at IS 'When.';
COMMENT ON COLUMN reconciliation_run.inputs IS 'The files it read, with their digests.';
COMMENT ON COLUMN reconciliation_run.matched IS 'Items without any code in which money moved.';
COMMENT ON COLUMN reconciliation_run.proof IS 'The proof line of each partner.';
COMMENT ON COLUMN reconciliation_run.closed IS 'Breaks of earlier days that people had ended since the day before; they count as cleared.';
COMMENT ON COLUMN reconciliation_run.open_after IS 'The breaks open after the day, with their rows: where the next day begins.';
COMMENT ON COLUMN reconciliation_run.waiting IS 'Rows of its files that belong to a later day.';
COMMENT ON COLUMN reconciliation_run.report IS 'The mismatch report as a model; every rendering is made from it.';
COMMENT ON COLUMN reconciliation_run.listed IS 'The breaks it listed.';
COMMENT ON COLUMN reconciliation_run.cleared IS 'Those of them that it cleared by itself.';
CREATE TABLE taken_row (
    digest UUID NOT NULL,
    run BIGINT NOT NULL
);
CREATE INDEX ix_taken_row_digest ON taken_row (digest);
COMMENT ON TABLE taken_row IS 'The rows of partners'' files that runs have taken in: a repeat is known on any day (已取行)';
COMMENT ON COLUMN taken_row.digest IS '16 bytes of SHA-256 over all cells of the row but line and time.';
COMMENT ON COLUMN taken_row.run IS 'The run that took it in.';

CREATE TABLE break_ (
    id TEXT COLLATE "C" NOT NULL,
    first_run BIGINT NOT NULL,
    last_run BIGINT NOT NULL,
    clearing_date DATE NOT NULL,
    code TEXT COLLATE "C" NOT NULL,
    codes TEXT[] COLLATE "C" NOT NULL,
    vector TEXT COLLATE "C" NOT NULL,
    amount_fen BIGINT NOT NULL,
    difference_fen BIGINT NOT NULL,
    differences JSONB NOT NULL,
    keys JSONB NOT NULL,
    bank TEXT COLLATE "C" NOT NULL,
    institution TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    detail TEXT COLLATE "C" NOT NULL,
    rows JSONB NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    ending TEXT COLLATE "C" NOT NULL,
    CONSTRAINT pk_break_ PRIMARY KEY (id)
);
CREATE INDEX ix_break_state ON break_ (state);
CREATE INDEX ix_break_day ON break_ (clearing_date);
COMMENT ON TABLE break_ IS 'Mismatches and how far each is settled (差错)';
COMMENT ON COLUMN break_.id IS 'Its id, the same however often the day is run.';
COMMENT ON COLUMN break_.first_run IS 'The run that found it first.';
COMMENT ON COLUMN break_.last_run IS 'The last run that listed it.';
COMMENT ON COLUMN break_.clearing_date IS 'The day it was found in.';
COMMENT ON COLUMN break_.code IS 'The lead code.';
COMMENT ON COLUMN break_.codes IS 'All codes.';
COMMENT ON COLUMN break_.vector IS 'Which sides have it: L1B0H1.';
COMMENT ON COLUMN break_.amount_fen IS 'Its amount, unsigned.';
COMMENT ON COLUMN break_.difference_fen IS 'The bank''s difference, else the HIS''s; signed, ledger minus partner.';
COMMENT ON COLUMN break_.differences IS 'Partner to fen, ledger minus partner.';
COMMENT ON COLUMN break_.keys IS 'bank_ref, order_no, entry_id.';
COMMENT ON COLUMN break_.bank IS 'The bank concerned.';
COMMENT ON COLUMN break_.institution IS 'The institution concerned.';
COMMENT ON COLUMN break_.state IS 'Where in its life it is: that of its last step, else what the first run found.';
COMMENT ON COLUMN break_.detail IS 'What a wrong total says.';
COMMENT ON COLUMN break_.rows IS 'The rows of the three sides, with file and line.';
COMMENT ON COLUMN break_.owner IS 'Who works on it; empty while nobody does.';
COMMENT ON COLUMN break_.ending IS 'How it ended; empty while it has not.';
CREATE TABLE break_step (
    break_id TEXT COLLATE "C" NOT NULL,
    no INTEGER NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    ending TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    maker TEXT COLLATE "C" NOT NULL,
    checker TEXT COLLATE "C" NOT NULL,
    why TEXT COLLATE "C" NOT NULL,
    evidence BYTEA,
    proposal INTEGER NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_break_step PRIMARY KEY (break_id, no)
);
COMMENT ON TABLE break_step IS 'Each step in the life of a break (差错处理)';
COMMENT ON COLUMN break_step.break_id IS 'Of which break.';
COMMENT ON COLUMN break_step.no IS 'Number of the step.';
COMMENT ON COLUMN break_step.state IS 'The state it led to.';
COMMENT ON COLUMN break_step.ending IS 'How it ended, where it did.';
COMMENT ON COLUMN break_step.owner IS 'Who works on the break from then on.';
COMMENT ON COLUMN break_step.maker IS 'Who did it.';
COMMENT ON COLUMN break_step.checker IS 'Who approved it, never the maker; empty where no approval is due.';
COMMENT ON COLUMN break_step.why IS 'The reason given.';
COMMENT ON COLUMN break_step.evidence IS 'SM3 of the evidence.';
COMMENT ON COLUMN break_step.proposal IS 'The proposal it makes, approves or refuses; 0 for none.';
COMMENT ON COLUMN break_step.at IS 'When.';
