-- Sign-off and archive: three people a member, over one report and one root, and a day that is frozen afterwards.

CREATE TABLE sign_duty (
    run BIGINT NOT NULL,
    member TEXT COLLATE "C" NOT NULL,
    CONSTRAINT pk_sign_duty PRIMARY KEY (run, member)
);
COMMENT ON TABLE sign_duty IS 'Who has to sign a day (应签方)';
COMMENT ON COLUMN sign_duty.run IS 'The reconciliation run that is signed.';
COMMENT ON COLUMN sign_duty.member IS 'Who has to sign it.';
CREATE TABLE sign_off (
    run BIGINT NOT NULL,
    member TEXT COLLATE "C" NOT NULL,
    role TEXT COLLATE "C" NOT NULL,
    clearing_date DATE NOT NULL,
    person TEXT COLLATE "C" NOT NULL,
    report BYTEA NOT NULL,
    root BYTEA NOT NULL,
    alg TEXT COLLATE "C" NOT NULL,
    signer BYTEA NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    signature TEXT COLLATE "C" NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_sign_off PRIMARY KEY (run, member, role)
);
CREATE INDEX ix_sign_off_day ON sign_off (clearing_date);
COMMENT ON TABLE sign_off IS 'Each step of the members'' sign-off of a day (签署)';
COMMENT ON COLUMN sign_off.run IS 'The reconciliation run that is signed.';
COMMENT ON COLUMN sign_off.member IS 'Who signs.';
COMMENT ON COLUMN sign_off.role IS 'prepared, reviewed or approved, by three people.';
COMMENT ON COLUMN sign_off.clearing_date IS 'The day.';
COMMENT ON COLUMN sign_off.person IS 'Who did it.';
COMMENT ON COLUMN sign_off.report IS 'SM3 of the run''s report.';
COMMENT ON COLUMN sign_off.root IS 'The day''s root over all digest chains.';
COMMENT ON COLUMN sign_off.alg IS 'Ed25519 or SM2-SM3; empty where nothing was signed by key.';
COMMENT ON COLUMN sign_off.signer IS 'SubjectPublicKeyInfo of the key.';
COMMENT ON COLUMN sign_off.user_id IS 'SM2 user id in the signature.';
COMMENT ON COLUMN sign_off.signature IS 'Over the text of `day.signing.sign_off_text`, base64.';
COMMENT ON COLUMN sign_off.at IS 'When.';
CREATE TABLE archive (
    clearing_date DATE NOT NULL,
    sm3 BYTEA NOT NULL,
    manifest BYTEA NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_archive PRIMARY KEY (clearing_date)
);
COMMENT ON TABLE archive IS 'What was sealed away of a signed day (归档)';
COMMENT ON COLUMN archive.clearing_date IS 'The day.';
COMMENT ON COLUMN archive.sm3 IS 'SM3 of the manifest of its archive.';
COMMENT ON COLUMN archive.manifest IS 'The manifest.';
COMMENT ON COLUMN archive.at IS 'When it was sealed.';

-- A step of a sign-off: of a reconciled day, over its run that stands, in order, each by somebody else.
CREATE FUNCTION clearing_sign_off() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    stands bigint;
    signed day%ROWTYPE;
    done text[];
BEGIN
    SELECT * INTO signed FROM day WHERE clearing_date = NEW.clearing_date FOR UPDATE;
    SELECT max(id) INTO stands FROM reconciliation_run WHERE clearing_date = NEW.clearing_date;
    SELECT coalesce(array_agg(role ORDER BY at, role), '{}') INTO done FROM sign_off
    WHERE run = NEW.run AND member = NEW.member;
    IF signed.state IS DISTINCT FROM 'reconciled' OR NEW.run IS DISTINCT FROM stands
        OR NEW.root IS DISTINCT FROM signed.root OR octet_length(NEW.report) <> 32
        OR NEW.role IS DISTINCT FROM (ARRAY['prepared', 'reviewed', 'approved'])[cardinality(done) + 1]
        OR btrim(NEW.person) = ''
        OR EXISTS (SELECT 1 FROM sign_off s WHERE s.run = NEW.run AND s.report <> NEW.report)
        OR EXISTS (SELECT 1 FROM sign_off s WHERE s.run = NEW.run AND s.member = NEW.member
            AND lower(btrim(s.person)) = lower(btrim(NEW.person)))
        OR NOT EXISTS (SELECT 1 FROM sign_duty d WHERE d.run = NEW.run AND d.member = NEW.member) THEN
        RAISE EXCEPTION 'day %: % cannot be % by % now', NEW.clearing_date, NEW.member, NEW.role, NEW.person
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER sign_off_by_three BEFORE INSERT ON sign_off FOR EACH ROW EXECUTE FUNCTION clearing_sign_off();

-- A day is signed when everybody who has to has approved the run that stands.
CREATE FUNCTION clearing_day_signed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    stands bigint;
BEGIN
    IF NEW.state = 'signed' AND OLD.state <> 'signed' THEN
        SELECT max(id) INTO stands FROM reconciliation_run WHERE clearing_date = NEW.clearing_date;
        IF NOT EXISTS (SELECT 1 FROM sign_duty WHERE run = stands)
            OR EXISTS (SELECT 1 FROM sign_duty d WHERE d.run = stands AND NOT EXISTS (
                SELECT 1 FROM sign_off s WHERE s.run = d.run AND s.member = d.member AND s.role = 'approved')) THEN
            RAISE EXCEPTION 'day %: not everybody who has to has signed', NEW.clearing_date
                USING ERRCODE = 'restrict_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER day_signed BEFORE UPDATE ON day FOR EACH ROW EXECUTE FUNCTION clearing_day_signed();

-- What was signed stands: no other run of the day, no other version of its files.
-- Whoever gives the last signature has the day's row: he is waited for, and what he made of it is seen.
CREATE FUNCTION clearing_run_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    SELECT state INTO found FROM day WHERE clearing_date = NEW.clearing_date FOR SHARE;
    IF found = 'signed' THEN
        RAISE EXCEPTION 'day %: it is signed, its % stands', NEW.clearing_date, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
-- The files that a day's entries give. Others bear its date and come later: orders, questions, notices, verdicts,
-- reports, and uses of cards asked for again (the day's own are number 1).
CREATE FUNCTION clearing_file_of_day(type text, seq integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT type IN ('TXN', 'SUM', 'ERR', 'DEP', 'NRC') OR (type = 'SWP' AND seq = 1)
$$;
CREATE FUNCTION clearing_file_made_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.made_on := (SELECT min(clearing_date) FROM day WHERE state = 'open');
    RETURN NEW;
END $$;
CREATE TRIGGER file_made_on BEFORE INSERT ON file FOR EACH ROW EXECUTE FUNCTION clearing_file_made_on();
CREATE TRIGGER file_frozen BEFORE INSERT ON file FOR EACH ROW WHEN (clearing_file_of_day(NEW.type, NEW.seq))
    EXECUTE FUNCTION clearing_run_frozen();
CREATE TRIGGER reconciliation_run_frozen BEFORE INSERT ON reconciliation_run
    FOR EACH ROW EXECUTE FUNCTION clearing_run_frozen();
CREATE FUNCTION clearing_archive_of_signed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM day WHERE clearing_date = NEW.clearing_date AND state = 'signed') THEN
        RAISE EXCEPTION 'day %: only a signed day is sealed', NEW.clearing_date USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER archive_of_signed BEFORE INSERT ON archive
    FOR EACH ROW EXECUTE FUNCTION clearing_archive_of_signed();

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['sign_duty', 'sign_off', 'archive'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
            FOR EACH STATEMENT EXECUTE FUNCTION clearing_refuse()', name || '_grows', name);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO clearing_app', name);
    END LOOP;
END $$;
