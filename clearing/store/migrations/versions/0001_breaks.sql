-- The life of a break: what follows what, and that two people are two, whoever is at the tables.

CREATE TABLE break_transition (
    before TEXT COLLATE "C" NOT NULL,
    after TEXT COLLATE "C" NOT NULL,
    CONSTRAINT pk_break_transition PRIMARY KEY (before, after)
);
COMMENT ON TABLE break_transition IS 'Which state of a break may follow which (差错状态推进)';
COMMENT ON COLUMN break_transition.before IS 'The state of a break.';
COMMENT ON COLUMN break_transition.after IS 'A state that may follow it.';
CREATE TABLE break_proposal (
    break_id TEXT COLLATE "C" NOT NULL,
    no INTEGER NOT NULL,
    ending TEXT COLLATE "C" NOT NULL,
    maker TEXT COLLATE "C" NOT NULL,
    why TEXT COLLATE "C" NOT NULL,
    evidence BYTEA,
    legs JSONB NOT NULL,
    event TEXT COLLATE "C" NOT NULL,
    approvals INTEGER NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_break_proposal PRIMARY KEY (break_id, no)
);
COMMENT ON TABLE break_proposal IS 'How a break is to end (差错处理申请)';
COMMENT ON COLUMN break_proposal.break_id IS 'Of which break.';
COMMENT ON COLUMN break_proposal.no IS 'Number of the proposal.';
COMMENT ON COLUMN break_proposal.ending IS 'How the break is to end.';
COMMENT ON COLUMN break_proposal.maker IS 'Who proposes it.';
COMMENT ON COLUMN break_proposal.why IS 'The reason given.';
COMMENT ON COLUMN break_proposal.evidence IS 'SM3 of the evidence.';
COMMENT ON COLUMN break_proposal.legs IS 'The lines to be posted, [account, D or C, fen] each; [] where none are.';
COMMENT ON COLUMN break_proposal.event IS 'source/id of the event that moves the money: with legs our own; empty where none moves.';
COMMENT ON COLUMN break_proposal.approvals IS 'How many people besides the maker must agree.';
COMMENT ON COLUMN break_proposal.at IS 'When.';
CREATE TABLE break_approval (
    break_id TEXT COLLATE "C" NOT NULL,
    proposal INTEGER NOT NULL,
    checker TEXT COLLATE "C" NOT NULL,
    why TEXT COLLATE "C" NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_break_approval PRIMARY KEY (break_id, proposal, checker)
);
COMMENT ON TABLE break_approval IS 'Who agreed to a proposal (差错复核)';
COMMENT ON COLUMN break_approval.break_id IS 'Of which break.';
COMMENT ON COLUMN break_approval.proposal IS 'Which proposal.';
COMMENT ON COLUMN break_approval.checker IS 'Who agrees; never its maker, nobody twice.';
COMMENT ON COLUMN break_approval.why IS 'What was said.';
COMMENT ON COLUMN break_approval.at IS 'When.';

-- As in reconciliation/life.py; a test holds the two equal.
INSERT INTO break_transition (before, after)
SELECT before, unnest(string_to_array(after, ' ')) FROM (VALUES
    ('OPEN',             'SUSPECT CONFIRMED ASSIGNED AUTO_CLEARED'),
    ('SUSPECT',          'OPEN CONFIRMED ASSIGNED AUTO_CLEARED'),
    ('CONFIRMED',        'ASSIGNED AUTO_CLEARED REOPENED'),
    ('ASSIGNED',         'ASSIGNED PENDING_APPROVAL AUTO_CLEARED REOPENED'),
    ('PENDING_APPROVAL', 'RESOLVED AUTO_CLEARED REOPENED'),
    ('AUTO_CLEARED',     'REOPENED'),
    ('RESOLVED',         'CLOSED REOPENED'),
    ('CLOSED',           'REOPENED'),
    ('REOPENED',         'OPEN SUSPECT CONFIRMED ASSIGNED AUTO_CLEARED')
) AS life(before, after);

ALTER TABLE break_ ADD CONSTRAINT ck_break__state CHECK (state IN ('OPEN', 'SUSPECT', 'CONFIRMED', 'ASSIGNED',
    'PENDING_APPROVAL', 'AUTO_CLEARED', 'RESOLVED', 'CLOSED', 'REOPENED'));
ALTER TABLE break_step ADD CONSTRAINT ck_break_step_somebody CHECK (btrim(maker) <> '' AND btrim(why) <> '');
ALTER TABLE break_proposal
    ADD CONSTRAINT ck_break_proposal_somebody CHECK (btrim(maker) <> '' AND btrim(why) <> ''),
    ADD CONSTRAINT ck_break_proposal_approvals CHECK (approvals = CASE ending WHEN 'WRITE_OFF' THEN 2 ELSE 1 END),
    ADD CONSTRAINT ck_break_proposal_ending CHECK (ending IN ('MANUAL_MATCH', 'ADJUST', 'REFUND', 'REVERSE',
        'BOOK_MISSING', 'CLAIM', 'WRITE_OFF', 'DUP_VOID', 'FILE_CORRECTED', 'FORCE_MATCH', 'NOT_OURS')),
    ADD CONSTRAINT ck_break_proposal_money CHECK (
        (event <> '' OR ending NOT IN ('ADJUST', 'REFUND', 'REVERSE', 'BOOK_MISSING'))
        AND (event <> '' OR legs = '[]'));

-- A step follows the last one, and leads where the table allows. RESOLVED needs a proposal to which enough people
-- have agreed, none of them its maker, and the entry of the event that moves its money.
CREATE FUNCTION clearing_break_step() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was text;
    last integer;
    proposed break_proposal%ROWTYPE;
    agreed integer;
BEGIN
    SELECT state INTO was FROM break_ WHERE id = NEW.break_id FOR UPDATE;
    SELECT coalesce(max(no), 0) INTO last FROM break_step WHERE break_id = NEW.break_id;
    IF was IS NULL OR NEW.no <> last + 1 THEN
        RAISE EXCEPTION 'break %: step % is not the next one of a break', NEW.break_id, NEW.no
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NOT EXISTS (SELECT 1 FROM break_transition t WHERE t.before = was AND t.after = NEW.state) THEN
        RAISE EXCEPTION 'break %: no step leads from % to %', NEW.break_id, was, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.state NOT IN ('PENDING_APPROVAL', 'RESOLVED') THEN
        RETURN NEW;
    END IF;
    SELECT * INTO proposed FROM break_proposal WHERE break_id = NEW.break_id ORDER BY no DESC LIMIT 1;
    IF (proposed.no, proposed.ending, proposed.maker) IS DISTINCT FROM (NEW.proposal, NEW.ending, NEW.maker) THEN
        RAISE EXCEPTION 'break %: % without its last proposal', NEW.break_id, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.state = 'RESOLVED' THEN
        SELECT count(DISTINCT lower(btrim(checker))) INTO agreed FROM break_approval
        WHERE break_id = NEW.break_id AND proposal = NEW.proposal
            AND lower(btrim(checker)) <> lower(btrim(proposed.maker));
        IF agreed < proposed.approvals THEN
            RAISE EXCEPTION 'break %: % of % approvals by others than its maker', NEW.break_id, agreed,
                proposed.approvals USING ERRCODE = 'restrict_violation';
        END IF;
        IF proposed.event <> '' AND NOT EXISTS (SELECT 1 FROM entry
            WHERE source = split_part(proposed.event, '/', 1) AND event_id = split_part(proposed.event, '/', 2)) THEN
            RAISE EXCEPTION 'break %: event % has no entry', NEW.break_id, proposed.event
                USING ERRCODE = 'restrict_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER break_step_follows BEFORE INSERT ON break_step FOR EACH ROW EXECUTE FUNCTION clearing_break_step();

-- A break stands where its last step has brought it.
CREATE FUNCTION clearing_break_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state NOT IN ('OPEN', 'SUSPECT', 'CONFIRMED', 'AUTO_CLEARED') OR NEW.owner <> '' OR NEW.ending <> '' THEN
        RAISE EXCEPTION 'break %: a life does not begin as %', NEW.id, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER break_begins AFTER INSERT ON break_ FOR EACH ROW EXECUTE FUNCTION clearing_break_begins();
CREATE FUNCTION clearing_break_lives() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.first_run, NEW.clearing_date) <> (OLD.id, OLD.first_run, OLD.clearing_date)
        OR (NEW.state, NEW.owner, NEW.ending) <> (OLD.state, OLD.owner, OLD.ending)
        AND NOT EXISTS (SELECT 1 FROM (SELECT state, owner, ending FROM break_step WHERE break_id = NEW.id
                ORDER BY no DESC LIMIT 1) AS last
            WHERE (last.state, last.owner, last.ending) = (NEW.state, NEW.owner, NEW.ending)) THEN
        RAISE EXCEPTION 'break %: it moves only by its steps, not from % to %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER break_lives BEFORE UPDATE ON break_ FOR EACH ROW EXECUTE FUNCTION clearing_break_lives();
CREATE TRIGGER break_stays BEFORE DELETE OR TRUNCATE ON break_ FOR EACH STATEMENT EXECUTE FUNCTION clearing_refuse();

-- Proposals are numbered; one is approved while it waits, by others than its maker.
CREATE FUNCTION clearing_break_proposal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.no <> 1 + (SELECT coalesce(max(no), 0) FROM break_proposal WHERE break_id = NEW.break_id) THEN
        RAISE EXCEPTION 'break %: proposal % is not the next one', NEW.break_id, NEW.no
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER break_proposal_follows BEFORE INSERT ON break_proposal
    FOR EACH ROW EXECUTE FUNCTION clearing_break_proposal();
CREATE FUNCTION clearing_break_approval() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    made_by text;
    waits boolean;
BEGIN
    SELECT maker INTO made_by FROM break_proposal WHERE break_id = NEW.break_id AND no = NEW.proposal;
    SELECT state = 'PENDING_APPROVAL' AND proposal = NEW.proposal INTO waits FROM break_step
    WHERE break_id = NEW.break_id ORDER BY no DESC LIMIT 1;
    IF waits IS NOT TRUE OR btrim(NEW.checker) = '' OR lower(btrim(NEW.checker)) = lower(btrim(made_by))
        OR EXISTS (SELECT 1 FROM break_approval a WHERE a.break_id = NEW.break_id AND a.proposal = NEW.proposal
            AND lower(btrim(a.checker)) = lower(btrim(NEW.checker))) THEN
        RAISE EXCEPTION 'break %: proposal % cannot be approved by its maker, twice by one person, or when it does not wait',
            NEW.break_id, NEW.proposal USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER break_approval_by_others BEFORE INSERT ON break_approval
    FOR EACH ROW EXECUTE FUNCTION clearing_break_approval();

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['break_proposal', 'break_approval', 'break_transition'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
            FOR EACH STATEMENT EXECUTE FUNCTION clearing_refuse()', name || '_grows', name);
        EXECUTE format('GRANT SELECT ON %I TO clearing_app', name);
    END LOOP;
    CREATE TRIGGER break_transition_stays BEFORE INSERT ON break_transition
        FOR EACH STATEMENT EXECUTE FUNCTION clearing_refuse();
    GRANT INSERT ON break_proposal, break_approval TO clearing_app;
END $$;
