-- What became of a day and when, and what was said of it, as of revision 0001, frozen; `store.day_tables` says the same.

CREATE TABLE day_step (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    clearing_date DATE NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    announced BOOLEAN NOT NULL,
    CONSTRAINT pk_day_step PRIMARY KEY (id)
);
CREATE UNIQUE INDEX ix_day_step_once ON day_step (clearing_date, state);
CREATE INDEX ix_day_step_untold ON day_step (id) WHERE NOT announced;
COMMENT ON TABLE day_step IS 'Every state that a day has passed, written by a trigger on `day` (日状态历史)';
COMMENT ON COLUMN day_step.id IS 'Running number: the order in which days moved.';
COMMENT ON COLUMN day_step.clearing_date IS 'The day.';
COMMENT ON COLUMN day_step.state IS 'The state that it reached.';
COMMENT ON COLUMN day_step.at IS 'When, by the database''s clock.';
COMMENT ON COLUMN day_step.announced IS 'Whether members were told.';
CREATE TABLE crossing (
    clearing_date DATE NOT NULL,
    bank TEXT COLLATE "C" NOT NULL,
    no INTEGER NOT NULL,
    over BOOLEAN NOT NULL,
    net_fen BIGINT NOT NULL,
    cap_fen BIGINT,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    announced BOOLEAN NOT NULL,
    CONSTRAINT pk_crossing PRIMARY KEY (clearing_date, bank, no)
);
CREATE INDEX ix_crossing_untold ON crossing (at) WHERE NOT announced;
COMMENT ON TABLE crossing IS 'When a bank''s running net went over its net cap or back (日间敞口预警)';
COMMENT ON COLUMN crossing.clearing_date IS 'The day.';
COMMENT ON COLUMN crossing.bank IS 'The bank.';
COMMENT ON COLUMN crossing.no IS 'Its number for this bank and day, from 1.';
COMMENT ON COLUMN crossing.over IS 'True: its net has risen over the cap; false: it is within it again.';
COMMENT ON COLUMN crossing.net_fen IS 'The running net when that was seen, positive pays.';
COMMENT ON COLUMN crossing.cap_fen IS 'The cap; null where it was lifted.';
COMMENT ON COLUMN crossing.at IS 'When that was seen, by the database''s clock.';
COMMENT ON COLUMN crossing.announced IS 'Whether members were told.';

-- A day cannot move without its step being kept, whoever moves it.
CREATE FUNCTION clearing_day_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO day_step (clearing_date, state, announced) VALUES (NEW.clearing_date, NEW.state, false);
    RETURN NULL;
END $$;
CREATE TRIGGER day_opened AFTER INSERT ON day FOR EACH ROW EXECUTE FUNCTION clearing_day_step();
CREATE TRIGGER day_moved AFTER UPDATE ON day FOR EACH ROW WHEN (NEW.state <> OLD.state)
    EXECUTE FUNCTION clearing_day_step();

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['day_step', 'crossing'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE DELETE OR TRUNCATE ON %I
            FOR EACH STATEMENT EXECUTE FUNCTION clearing_refuse()', name || '_stays', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE (announced) ON %I TO clearing_app', name);
    END LOOP;
END $$;
