-- What became of quarantined records that were tried again.

CREATE TABLE quarantine_retry (
    sm3 BYTEA NOT NULL,
    no INTEGER NOT NULL,
    maker TEXT COLLATE "C" NOT NULL,
    mended BOOLEAN NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_quarantine_retry PRIMARY KEY (sm3, no)
);
COMMENT ON TABLE quarantine_retry IS 'Quarantined records that were tried again and could be read (待处理重试)';
COMMENT ON COLUMN quarantine_retry.sm3 IS 'Digest of the quarantined record''s bytes.';
COMMENT ON COLUMN quarantine_retry.no IS 'Number of the try.';
COMMENT ON COLUMN quarantine_retry.maker IS 'Who tried it again.';
COMMENT ON COLUMN quarantine_retry.mended IS 'Whether other bytes were taken than those quarantined.';
COMMENT ON COLUMN quarantine_retry.source IS 'Of the event that it is.';
COMMENT ON COLUMN quarantine_retry.id IS 'Of the event that it is.';
COMMENT ON COLUMN quarantine_retry.outcome IS 'The event''s last outcome then.';
COMMENT ON COLUMN quarantine_retry.reason IS 'Why it was refused.';
COMMENT ON COLUMN quarantine_retry.at IS 'When.';
CREATE TRIGGER quarantine_retry_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON quarantine_retry
    FOR EACH STATEMENT EXECUTE FUNCTION clearing_refuse();
GRANT SELECT, INSERT ON quarantine_retry TO clearing_app;
