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
