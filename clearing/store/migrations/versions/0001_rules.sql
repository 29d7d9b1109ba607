-- What the tables promise by themselves: balanced entries, days that only go forward, history that stays.

-- An entry balances inside money and inside memo (accounts whose code begins with 9).
-- Measured per entry of four postings: 1.5 µs where all is money, 9 µs where memo accounts are looked at.
CREATE FUNCTION clearing_balanced(accounts text[], fens bigint[]) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    total bigint := 0;
    memo bigint := 0;
    fen bigint;
BEGIN
    FOREACH fen IN ARRAY fens LOOP
        total := total + fen;
    END LOOP;
    IF total <> 0 THEN
        RETURN false;
    END IF;
    IF '9' COLLATE "C" <= ANY (accounts) THEN
        FOR i IN 1 .. cardinality(fens) LOOP
            IF accounts[i] COLLATE "C" >= '9' THEN
                memo := memo + fens[i];
            END IF;
        END LOOP;
    END IF;
    RETURN memo = 0;
END $$;

ALTER TABLE entry
    ADD CONSTRAINT ck_entry_shape CHECK (
        cardinality(accounts) > 0 AND cardinality(fens) = cardinality(accounts)
        AND length(legs) = cardinality(accounts) AND array_position(accounts, NULL) IS NULL
        AND array_position(fens, NULL) IS NULL),
    ADD CONSTRAINT ck_entry_no_zero CHECK (0 <> ALL (fens)),
    ADD CONSTRAINT ck_entry_balanced CHECK (clearing_balanced(accounts, fens)),
    ADD CONSTRAINT ck_entry_id CHECK (
        left(id::text, 8)::integer = extract(year FROM clearing_date)::integer * 10000
        + extract(month FROM clearing_date)::integer * 100 + extract(day FROM clearing_date)::integer);

CREATE VIEW posting WITH (security_invoker = true) AS
SELECT entry.id AS entry_id, entry.clearing_date, line.no, line.account, line.fen,
       substr(entry.legs, line.no::integer, 1) AS leg, entry.type, entry.source, entry.event_id
FROM entry, LATERAL unnest(entry.accounts, entry.fens) WITH ORDINALITY AS line(account, fen, no);

ALTER TABLE event
    ADD CONSTRAINT ck_event_sm3 CHECK (octet_length(sm3) = 32),
    ADD CONSTRAINT ck_event_outcome CHECK (outcome IN ('posted', 'noted', 'rejected', 'parked'));
ALTER TABLE woken ADD CONSTRAINT ck_woken_outcome CHECK (outcome IN ('posted', 'noted', 'rejected'));
ALTER TABLE repeat ADD CONSTRAINT ck_repeat_outcome CHECK (outcome IN ('duplicate', 'rejected'));
ALTER TABLE stream ADD CONSTRAINT ck_stream_digest CHECK (octet_length(digest) = 32);
-- A share of a day and account has room for 10^15 yuan, a hundred of the largest amounts: so whatever comes, the shares of
-- all lanes together fit a bigint, and a day can be netted. Lane 31000 is the jobs', where whole positions are rolled up.
ALTER TABLE balance ADD CONSTRAINT ck_balance_room CHECK (lane = 31000 OR abs(fen) <= 100000000000000000);
ALTER TABLE members ADD CONSTRAINT ck_members_two_people
    CHECK (lower(btrim(approved_by)) <> lower(btrim(loaded_by)) OR approved_by = '');
ALTER TABLE break_step ADD CONSTRAINT ck_break_step_two_people CHECK (checker <> maker OR checker = '');
ALTER TABLE day ADD CONSTRAINT ck_day_state
    CHECK (state IN ('open', 'cut', 'netted', 'filed', 'reconciled', 'signed'));

-- Days follow each other without a gap and go forward one step at a time; a signed one never moves.
CREATE FUNCTION clearing_day_forward() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    states CONSTANT text[] := ARRAY['open', 'cut', 'netted', 'filed', 'reconciled', 'signed'];
    last date;
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'day %: a day is never removed', OLD.clearing_date USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'INSERT' THEN
        SELECT max(clearing_date) INTO last FROM day;
        IF NEW.state <> 'open' OR NEW.clearing_date <> last + 1 THEN
            RAISE EXCEPTION 'day %: days are opened one after another, the next is %', NEW.clearing_date, last + 1
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.state = 'signed' AND NEW IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION 'day %: a signed day never moves', OLD.clearing_date USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.clearing_date <> OLD.clearing_date
        OR array_position(states, NEW.state) NOT IN
            (array_position(states, OLD.state), array_position(states, OLD.state) + 1) THEN
        RAISE EXCEPTION 'day %: a day goes forward one step at a time, not from % to %',
            OLD.clearing_date, OLD.state, NEW.state USING ERRCODE = 'restrict_violation';
    END IF;
    IF (OLD.cut_at, OLD.cut_batch) IS DISTINCT FROM (NEW.cut_at, NEW.cut_batch) AND OLD.state <> 'open'
        OR OLD.root IS DISTINCT FROM NEW.root AND OLD.root IS NOT NULL
        OR OLD.heads IS DISTINCT FROM NEW.heads AND OLD.heads IS NOT NULL THEN
        RAISE EXCEPTION 'day %: what its cut wrote stays', OLD.clearing_date USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state = 'open' AND NEW.state = 'cut'
        AND EXISTS (SELECT 1 FROM day WHERE state = 'open' AND clearing_date < OLD.clearing_date) THEN
        RAISE EXCEPTION 'day %: days are cut in order', OLD.clearing_date USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER day_forward BEFORE INSERT OR UPDATE OR DELETE ON day
    FOR EACH ROW EXECUTE FUNCTION clearing_day_forward();

-- Reference data is approved once, and otherwise stays as it was loaded.
CREATE FUNCTION clearing_members_approve() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.approved_by <> '' OR (NEW.id, NEW.loaded_at, NEW.loaded_by, NEW.digest, NEW.document)
        IS DISTINCT FROM (OLD.id, OLD.loaded_at, OLD.loaded_by, OLD.digest, OLD.document) THEN
        RAISE EXCEPTION 'members %: a version is approved once and never changed', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER members_approve BEFORE UPDATE ON members FOR EACH ROW EXECUTE FUNCTION clearing_members_approve();

-- Locks on names, separated by U+001F, as 32-bit hashes in ascending order (class 7202). Whoever takes more than
-- its share of the server's lock table takes the one lock on everything (class 7201) instead; all others hold
-- that one shared. Every client agrees, since the server hashes and counts. With `day` the cutover's lock (class 7204)
-- is taken shared before any of them. Out: whether all were got.
CREATE FUNCTION clearing_lock(names text, shared text, wait boolean, day boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    share CONSTANT bigint := current_setting('max_locks_per_transaction')::bigint
        * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint) / 8;
    hashes integer[];
    alone boolean[];
BEGIN
    IF day THEN
        PERFORM pg_advisory_xact_lock_shared(7204, 0);
    END IF;
    SELECT array_agg(hash ORDER BY hash), array_agg(own ORDER BY hash) INTO hashes, alone FROM (
        SELECT hash, bool_or(own) AS own FROM (
            SELECT hashtext(name COLLATE "C") AS hash, true AS own FROM unnest(string_to_array(names, E'\x1f')) AS name
            UNION ALL
            SELECT hashtext(name COLLATE "C"), false FROM unnest(string_to_array(shared, E'\x1f')) AS name
        ) AS both_ways GROUP BY hash
    ) AS named;
    IF hashes IS NULL THEN
        RETURN true;
    ELSIF cardinality(hashes) > share THEN
        IF NOT wait THEN
            RETURN pg_try_advisory_xact_lock(7201, 0);
        END IF;
        PERFORM pg_advisory_xact_lock(7201, 0);
    ELSIF wait THEN
        PERFORM pg_advisory_xact_lock_shared(7201, 0);
        PERFORM CASE WHEN own THEN pg_advisory_xact_lock(7202, hash)
                     ELSE pg_advisory_xact_lock_shared(7202, hash) END
            FROM unnest(hashes, alone) AS one(hash, own);
    ELSE
        RETURN pg_try_advisory_xact_lock_shared(7201, 0)
            AND (SELECT coalesce(bool_and(CASE WHEN own THEN pg_try_advisory_xact_lock(7202, hash)
                                               ELSE pg_try_advisory_xact_lock_shared(7202, hash) END), true)
                 FROM unnest(hashes, alone) AS one(hash, own));
    END IF;
    RETURN true;
END $$;

-- Kept as it is sent: to compress a line takes the server longer than to make it took us.
ALTER TABLE file_part ALTER COLUMN content SET STORAGE EXTERNAL;

-- History stays: for everybody, the owner of the tables too.
CREATE FUNCTION clearing_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: % refused, this table only grows', TG_TABLE_NAME, lower(TG_OP)
        USING ERRCODE = 'restrict_violation';
END $$;
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['event', 'woken', 'repeat', 'quarantine', 'entry', 'batch', 'bank_ref', 'file',
        'file_part', 'file_seal', 'layout', 'statement_file', 'reconciliation_run', 'taken_row', 'break_step'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
            FOR EACH STATEMENT EXECUTE FUNCTION clearing_refuse()', name || '_grows', name);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO clearing_app', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['day', 'members'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %I
            FOR EACH STATEMENT EXECUTE FUNCTION clearing_refuse()', name || '_stays', name);
    END LOOP;
    CREATE TRIGGER members_stay BEFORE DELETE ON members FOR EACH STATEMENT EXECUTE FUNCTION clearing_refuse();
    FOREACH name IN ARRAY ARRAY['day', 'stream', 'balance', 'break_', 'card', 'alias', 'terminal', 'undo',
        'timeout', 'tombstone', 'stay', 'settlement', 'payout', 'payout_batch', 'retention', 'area_pair',
        'premium', 'order_no', 'instruction'] LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO clearing_app', name);
    END LOOP;
    GRANT SELECT, INSERT, UPDATE, DELETE ON parked TO clearing_app;
    GRANT SELECT, INSERT, UPDATE (approved_by, approved_at) ON members TO clearing_app;
    GRANT SELECT ON posting, alembic_version TO clearing_app;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO clearing_app', current_schema());
END $$;
