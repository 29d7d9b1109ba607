-- What became of files on their way out and in, as of revision 0001, frozen; `store.delivery_tables` says the same.
CREATE TABLE delivery_attempt (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    file TEXT COLLATE "C" NOT NULL,
    target TEXT COLLATE "C" NOT NULL,
    place TEXT COLLATE "C" NOT NULL,
    attempt INTEGER NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    result TEXT COLLATE "C" NOT NULL,
    bytes BIGINT NOT NULL,
    sent BIGINT NOT NULL,
    resumed_from BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    manifest BYTEA,
    receipt JSONB,
    message TEXT COLLATE "C" NOT NULL,
    next_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_delivery_attempt PRIMARY KEY (id)
);
CREATE UNIQUE INDEX ix_delivery_attempt_file ON delivery_attempt (file, target, attempt);
CREATE UNIQUE INDEX ix_delivery_attempt_once ON delivery_attempt (file, target) WHERE result IN ('DELIVERED', 'ALREADY');
COMMENT ON TABLE delivery_attempt IS 'Every attempt to bring a file to a receiver (交付记录)';
COMMENT ON COLUMN delivery_attempt.id IS 'Running number.';
COMMENT ON COLUMN delivery_attempt.file IS 'Name of the clearing file.';
COMMENT ON COLUMN delivery_attempt.target IS 'Name of the target, as partners.toml has it.';
COMMENT ON COLUMN delivery_attempt.place IS 'Where that was: machine and folder.';
COMMENT ON COLUMN delivery_attempt.attempt IS 'Number of the attempt for this file and target, from 1.';
COMMENT ON COLUMN delivery_attempt.started_at IS 'When it began.';
COMMENT ON COLUMN delivery_attempt.ended_at IS 'When it ended; null while it runs.';
COMMENT ON COLUMN delivery_attempt.result IS 'STARTED, DELIVERED, ALREADY (it stood there), FAILED, REFUSED or BROKEN (we were killed).';
COMMENT ON COLUMN delivery_attempt.bytes IS 'Length of the file.';
COMMENT ON COLUMN delivery_attempt.sent IS 'Bytes sent by this attempt.';
COMMENT ON COLUMN delivery_attempt.resumed_from IS 'Bytes that an earlier attempt had left there.';
COMMENT ON COLUMN delivery_attempt.sha256 IS 'SHA-256 of the file.';
COMMENT ON COLUMN delivery_attempt.manifest IS 'The manifest that went with it.';
COMMENT ON COLUMN delivery_attempt.receipt IS 'What the other side let us see of it.';
COMMENT ON COLUMN delivery_attempt.message IS 'Why it failed or was refused; empty when it did not.';
COMMENT ON COLUMN delivery_attempt.next_at IS 'Not tried again before; null when there is nothing to try.';
CREATE TABLE dispatch (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    kind TEXT COLLATE "C" NOT NULL,
    "window" TEXT COLLATE "C" NOT NULL,
    bank TEXT COLLATE "C" NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    clearing_date DATE NOT NULL,
    files INTEGER NOT NULL,
    rows BIGINT NOT NULL,
    total_fen BIGINT NOT NULL,
    CONSTRAINT pk_dispatch PRIMARY KEY (id)
);
CREATE UNIQUE INDEX ix_dispatch_window ON dispatch (kind, "window", bank) WHERE "window" <> '';
COMMENT ON TABLE dispatch IS 'Payment orders handed to a bank, under one control total (代付发送)';
COMMENT ON COLUMN dispatch.id IS 'Running number.';
COMMENT ON COLUMN dispatch.kind IS 'PAYOUT; IN_BANK or INTER_BANK for instructions of a closed day.';
COMMENT ON COLUMN dispatch."window" IS 'Window it is of, or the day whose instructions it has; empty for one that somebody asked for.';
COMMENT ON COLUMN dispatch.bank IS 'The bank that is to pay.';
COMMENT ON COLUMN dispatch.at IS 'When.';
COMMENT ON COLUMN dispatch.clearing_date IS 'The first day that was not cut then: it went out before that one''s cut.';
COMMENT ON COLUMN dispatch.files IS 'PAY files it made.';
COMMENT ON COLUMN dispatch.rows IS 'Control count: rows of all its files.';
COMMENT ON COLUMN dispatch.total_fen IS 'Control total: the sum of all its files.';
CREATE TABLE pay_line (
    pay_id TEXT COLLATE "C" NOT NULL,
    pay_ref TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    bank TEXT COLLATE "C" NOT NULL,
    amount_fen BIGINT NOT NULL,
    dispatch BIGINT NOT NULL,
    file TEXT COLLATE "C" NOT NULL,
    sent INTEGER NOT NULL,
    result TEXT COLLATE "C" NOT NULL,
    bank_ref TEXT COLLATE "C" NOT NULL,
    bank_date DATE,
    reason_code TEXT COLLATE "C" NOT NULL,
    answered_at TIMESTAMP WITH TIME ZONE,
    answered_date DATE,
    asked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_pay_line PRIMARY KEY (pay_id)
);
CREATE UNIQUE INDEX ix_pay_line_ref ON pay_line (pay_ref);
CREATE INDEX ix_pay_line_open ON pay_line (bank, result) WHERE result IN ('', 'U', 'AGAIN');
COMMENT ON TABLE pay_line IS 'Every payment order and what the bank said of it (代付明细)';
COMMENT ON COLUMN pay_line.pay_id IS 'Payout and attempt, or the instruction.';
COMMENT ON COLUMN pay_line.pay_ref IS 'The same in 35 characters, as ISO 20022 has room for; the id itself where it is no longer.';
COMMENT ON COLUMN pay_line.kind IS 'PAYOUT, IN_BANK or INTER_BANK.';
COMMENT ON COLUMN pay_line.bank IS 'The bank that is to pay.';
COMMENT ON COLUMN pay_line.amount_fen IS 'How much.';
COMMENT ON COLUMN pay_line.dispatch IS 'The dispatch it went out with last.';
COMMENT ON COLUMN pay_line.file IS 'The PAY file it went out in last.';
COMMENT ON COLUMN pay_line.sent IS 'How often it went out: more than once only after the bank said that it was busy.';
COMMENT ON COLUMN pay_line.result IS 'S paid, F not paid, U unknown, AGAIN goes out once more, R came back; empty: no answer yet.';
COMMENT ON COLUMN pay_line.bank_ref IS 'The bank''s reference of that.';
COMMENT ON COLUMN pay_line.bank_date IS 'The bank''s date of that.';
COMMENT ON COLUMN pay_line.reason_code IS 'Why it was not paid or came back.';
COMMENT ON COLUMN pay_line.answered_at IS 'When the last answer was taken in.';
COMMENT ON COLUMN pay_line.answered_date IS 'The first day that was not cut then.';
COMMENT ON COLUMN pay_line.asked_at IS 'When the bank was last asked what became of it.';
CREATE TABLE instruction_again (
    id TEXT COLLATE "C" NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    clearing_date DATE NOT NULL,
    by_whom TEXT COLLATE "C" NOT NULL,
    CONSTRAINT pk_instruction_again PRIMARY KEY (id)
);
COMMENT ON TABLE instruction_again IS 'Who instructed a settlement again (重新指令)';
COMMENT ON COLUMN instruction_again.id IS 'Id of an instruction that took the place of one that had failed.';
COMMENT ON COLUMN instruction_again.at IS 'When.';
COMMENT ON COLUMN instruction_again.clearing_date IS 'The first day that was not cut then.';
COMMENT ON COLUMN instruction_again.by_whom IS 'Who.';
CREATE TABLE inbox_file (
    partner TEXT COLLATE "C" NOT NULL,
    place TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    size BIGINT NOT NULL,
    modified BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    settled BOOLEAN NOT NULL,
    CONSTRAINT pk_inbox_file PRIMARY KEY (partner, place, name)
);
COMMENT ON TABLE inbox_file IS 'How files lay in inboxes: one that was changed after it was judged is noticed (收件箱)';
COMMENT ON COLUMN inbox_file.partner IS 'Whose inbox.';
COMMENT ON COLUMN inbox_file.place IS 'Where that is: machine and folder.';
COMMENT ON COLUMN inbox_file.name IS 'The file, or its manifest.';
COMMENT ON COLUMN inbox_file.size IS 'Its length in bytes when it was read.';
COMMENT ON COLUMN inbox_file.modified IS 'When it was last changed, by the other side''s clock and in its unit.';
COMMENT ON COLUMN inbox_file.sha256 IS 'SHA-256 of what was read.';
COMMENT ON COLUMN inbox_file.since IS 'When this was first read so.';
COMMENT ON COLUMN inbox_file.settled IS 'Whether it was read so again some seconds later: then the stamp is enough.';
CREATE TABLE verdict (
    file BIGINT NOT NULL,
    no INTEGER NOT NULL,
    number BIGINT GENERATED ALWAYS AS IDENTITY,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    verdict TEXT COLLATE "C" NOT NULL,
    records BIGINT NOT NULL,
    taken BIGINT NOT NULL,
    faults JSONB NOT NULL,
    ack TEXT COLLATE "C" NOT NULL,
    by_whom TEXT COLLATE "C" NOT NULL,
    why TEXT COLLATE "C" NOT NULL,
    CONSTRAINT pk_verdict PRIMARY KEY (file, no)
);
COMMENT ON TABLE verdict IS 'What was said of each file that came in (回执)';
COMMENT ON COLUMN verdict.file IS 'Number of the partner''s file.';
COMMENT ON COLUMN verdict.no IS '1, and one more each time it is judged.';
COMMENT ON COLUMN verdict.number IS 'Running number over all files: they are judged one at a time.';
COMMENT ON COLUMN verdict.at IS 'When.';
COMMENT ON COLUMN verdict.verdict IS 'ACPT, PART or RJCT; HELD while a file before it is missing.';
COMMENT ON COLUMN verdict.records IS 'Detail lines it has.';
COMMENT ON COLUMN verdict.taken IS 'How many of them were taken.';
COMMENT ON COLUMN verdict.faults IS 'Every fault: [line, field, column, expected, got, code].';
COMMENT ON COLUMN verdict.ack IS 'Name of the ACK file that says so; empty where none is due.';
COMMENT ON COLUMN verdict.by_whom IS 'Who released or rejected a file that was held; empty when the rules decided.';
COMMENT ON COLUMN verdict.why IS 'Why.';
CREATE TABLE file_again (
    file TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    first_no BIGINT NOT NULL,
    last_no BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    by_whom TEXT COLLATE "C" NOT NULL,
    why TEXT COLLATE "C" NOT NULL,
    CONSTRAINT pk_file_again PRIMARY KEY (file)
);
COMMENT ON TABLE file_again IS 'Files that were made again, by whom and why (重出文件)';
COMMENT ON COLUMN file_again.file IS 'Name of a file of ours that a person had made after the day''s own.';
COMMENT ON COLUMN file_again.kind IS 'VERSION: a day''s file anew. USES: uses of cards, asked for again by number.';
COMMENT ON COLUMN file_again.source IS 'The file that it replaces, or whose lines it has.';
COMMENT ON COLUMN file_again.first_no IS 'Of USES, the first number; else 0.';
COMMENT ON COLUMN file_again.last_no IS 'Of USES, the last number; else 0.';
COMMENT ON COLUMN file_again.at IS 'When.';
COMMENT ON COLUMN file_again.by_whom IS 'Who.';
COMMENT ON COLUMN file_again.why IS 'Why.';
CREATE TABLE file_report (
    file TEXT COLLATE "C" NOT NULL,
    run BIGINT NOT NULL,
    before BIGINT NOT NULL,
    CONSTRAINT pk_file_report PRIMARY KEY (file)
);
COMMENT ON TABLE file_report IS 'Which run a member''s mismatch report is of: it can be made again (分户差错报告)';
COMMENT ON COLUMN file_report.file IS 'Name of a MIS file.';
COMMENT ON COLUMN file_report.run IS 'The reconciliation run whose report it is.';
COMMENT ON COLUMN file_report.before IS 'The run of the day before that stood then; 0 for none.';
CREATE TABLE acknowledgement (
    file TEXT COLLATE "C" NOT NULL,
    partner TEXT COLLATE "C" NOT NULL,
    received BIGINT NOT NULL,
    verdict TEXT COLLATE "C" NOT NULL,
    records BIGINT NOT NULL,
    taken BIGINT NOT NULL,
    faults JSONB NOT NULL,
    CONSTRAINT pk_acknowledgement PRIMARY KEY (file, partner, received)
);
COMMENT ON TABLE acknowledgement IS 'What receivers said of our files (对方回执)';
COMMENT ON COLUMN acknowledgement.file IS 'Name of our file.';
COMMENT ON COLUMN acknowledgement.partner IS 'Who says so.';
COMMENT ON COLUMN acknowledgement.received IS 'Number of the ACK file.';
COMMENT ON COLUMN acknowledgement.verdict IS 'ACPT, PART or RJCT.';
COMMENT ON COLUMN acknowledgement.records IS 'Detail lines the partner found.';
COMMENT ON COLUMN acknowledgement.taken IS 'How many of them it took.';
COMMENT ON COLUMN acknowledgement.faults IS 'Every fault: [line, field, column, expected, got, code].';

-- An attempt is begun, and ends once.
CREATE FUNCTION clearing_attempt_ends_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.result <> 'STARTED' THEN
        RAISE EXCEPTION 'delivery_attempt %: what has ended stays', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER delivery_attempt_ends_once BEFORE UPDATE ON delivery_attempt
    FOR EACH ROW EXECUTE FUNCTION clearing_attempt_ends_once();
ALTER TABLE delivery_attempt ADD CONSTRAINT ck_delivery_attempt_result
    CHECK (result IN ('STARTED', 'DELIVERED', 'ALREADY', 'FAILED', 'REFUSED', 'BROKEN'));
CREATE TRIGGER delivery_attempt_stays BEFORE DELETE OR TRUNCATE ON delivery_attempt
    FOR EACH STATEMENT EXECUTE FUNCTION clearing_refuse();
GRANT SELECT, INSERT, UPDATE (ended_at, result, sent, resumed_from, receipt, message, next_at)
    ON delivery_attempt TO clearing_app;

-- What was dispatched, judged and acknowledged stays; a payment order hears its answer.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['dispatch', 'instruction_again', 'verdict', 'acknowledgement', 'file_again',
        'file_report'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
            FOR EACH STATEMENT EXECUTE FUNCTION clearing_refuse()', name || '_grows', name);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO clearing_app', name);
    END LOOP;
END $$;
CREATE TRIGGER pay_line_stays BEFORE DELETE OR TRUNCATE ON pay_line
    FOR EACH STATEMENT EXECUTE FUNCTION clearing_refuse();
GRANT SELECT, INSERT, UPDATE ON pay_line TO clearing_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON inbox_file TO clearing_app;
ALTER TABLE verdict ADD CONSTRAINT ck_verdict_verdict CHECK (verdict IN ('ACPT', 'PART', 'RJCT', 'HELD'));
ALTER TABLE pay_line ADD CONSTRAINT ck_pay_line_result CHECK (result IN ('', 'S', 'F', 'U', 'AGAIN', 'R'));
