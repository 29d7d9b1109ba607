-- What the server runs for a batch. Made by: python -m clearing.store.functions

-- Locks names as `clearing_lock` does, then reads what is under keys. Each statement sees what was committed when it
-- began, so nothing is read before it is locked. Out: a kind and its rows as a JSON list, null where there are none;
-- '_busy' alone when a name was not to be had; with `day` the first day that is not cut.
CREATE FUNCTION clearing_look(names text, shared text, wait boolean, day boolean, keys text[])
RETURNS TABLE (kind text, found text) LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_memoize = off SET jit = off AS $$
BEGIN
    IF (day OR names <> '' OR shared <> '') AND NOT clearing_lock(names, shared, wait, day) THEN
        RETURN QUERY SELECT '_busy', NULL::text;
        RETURN;
    END IF;
    IF day THEN
        RETURN QUERY SELECT '_open_day', to_json(min(d.clearing_date))::text FROM day d WHERE d.state = 'open';
    END IF;
    IF keys[1] IS NOT NULL THEN
        RETURN QUERY SELECT 'card', json_agg(json_build_array(t.token, t.bank, t.person, t.guardian, t.card_class, t.account_class, t.area, t.issuer, t.issue_mode, t.registrations, t.steps, t.changes, t.replaced_by, t.root))::text FROM unnest(string_to_array(keys[1], E'\x1f')) AS k(token) CROSS JOIN LATERAL (SELECT * FROM card s WHERE s.token = k.token COLLATE "C" OFFSET 0) t;
    END IF;
    IF keys[2] IS NOT NULL THEN
        RETURN QUERY SELECT 'alias', json_agg(json_build_array(t.token, t.kind, t.institution, t.card, t.cards))::text FROM unnest(string_to_array(keys[2], E'\x1f')) AS k(token) CROSS JOIN LATERAL (SELECT * FROM alias s WHERE s.token = k.token COLLATE "C" OFFSET 0) t;
    END IF;
    IF keys[3] IS NOT NULL THEN
        RETURN QUERY SELECT 'terminal', json_agg(json_build_array(t.terminal, t.sam, t.institution, t.kind, t.acquirer, t.steps))::text FROM unnest(string_to_array(keys[3], E'\x1f')) AS k(terminal) CROSS JOIN LATERAL (SELECT * FROM terminal s WHERE s.terminal = k.terminal COLLATE "C" OFFSET 0) t;
    END IF;
    IF keys[4] IS NOT NULL THEN
        RETURN QUERY SELECT 'undo', json_agg(json_build_array(t.source, t.id, t.spent, t.refunded_fen, t.fee_returned, t.fee_adjusted, t.persons_refunded, t.last_date))::text FROM unnest(string_to_array(keys[4], E'\x1f'), string_to_array(keys[5], E'\x1f')) AS k(source, id) CROSS JOIN LATERAL (SELECT * FROM undo s WHERE s.source = k.source COLLATE "C" AND s.id = k.id COLLATE "C" OFFSET 0) t;
    END IF;
    IF keys[6] IS NOT NULL THEN
        RETURN QUERY SELECT 'timeout', json_agg(json_build_array(t.source, t.id, t.state, t.institution, t.amount_fen, t.debited, t.occurred_at, t.confirmed_source, t.confirmed_id, t.last_date))::text FROM unnest(string_to_array(keys[6], E'\x1f'), string_to_array(keys[7], E'\x1f')) AS k(source, id) CROSS JOIN LATERAL (SELECT * FROM timeout s WHERE s.source = k.source COLLATE "C" AND s.id = k.id COLLATE "C" OFFSET 0) t;
    END IF;
    IF keys[8] IS NOT NULL THEN
        RETURN QUERY SELECT 'tombstone', json_agg(json_build_array(t.source, t.id, t.reversals, t.senders, t.institutions, t.amounts_fen))::text FROM unnest(string_to_array(keys[8], E'\x1f'), string_to_array(keys[9], E'\x1f')) AS k(source, id) CROSS JOIN LATERAL (SELECT * FROM tombstone s WHERE s.source = k.source COLLATE "C" AND s.id = k.id COLLATE "C" OFFSET 0) t;
    END IF;
    IF keys[10] IS NOT NULL THEN
        RETURN QUERY SELECT 'stay', json_agg(json_build_array(t.institution, t.admission_no, t.card, t.state, t.admitted_at, t.discharged_at, t.deposit_fen, t.arrears_fen, t.cards, t.routes, t.settlements, t.last_date))::text FROM unnest(string_to_array(keys[10], E'\x1f'), string_to_array(keys[11], E'\x1f')) AS k(institution, admission_no) CROSS JOIN LATERAL (SELECT * FROM stay s WHERE s.institution = k.institution COLLATE "C" AND s.admission_no = k.admission_no COLLATE "C" OFFSET 0) t;
    END IF;
    IF keys[12] IS NOT NULL THEN
        RETURN QUERY SELECT 'settlement', json_agg(json_build_array(t.payer, t.settlement_id, t.institution, t.kind, t.advanced_fen, t.treat_area, t.insured_area, t.settled, t.discharge, t.live, t.paid, t.last_date))::text FROM unnest(string_to_array(keys[12], E'\x1f'), string_to_array(keys[13], E'\x1f')) AS k(payer, settlement_id) CROSS JOIN LATERAL (SELECT * FROM settlement s WHERE s.payer = k.payer COLLATE "C" AND s.settlement_id = k.settlement_id COLLATE "C" OFFSET 0) t;
    END IF;
    IF keys[14] IS NOT NULL THEN
        RETURN QUERY SELECT 'payout', json_agg(json_build_array(t.source, t.id, t.state, t.payer, t.settlement_id, t.kind, t.amount_fen, t.card, t.bank, t.root, t.attempt, t.attempts, t.batch_id, t.row_no, t.treat_area, t.insured_area, t.last_date))::text FROM unnest(string_to_array(keys[14], E'\x1f'), string_to_array(keys[15], E'\x1f')) AS k(source, id) CROSS JOIN LATERAL (SELECT * FROM payout s WHERE s.source = k.source COLLATE "C" AND s.id = k.id COLLATE "C" OFFSET 0) t;
    END IF;
    IF keys[16] IS NOT NULL THEN
        RETURN QUERY SELECT 'batch', json_agg(json_build_array(t.payer, t.batch_id, t.kind, t.rows, t.total_fen, t.digest, t.state, t.counted, t.counted_fen, t.accepted_fen, t.accepted_nos, t.last_date))::text FROM unnest(string_to_array(keys[16], E'\x1f'), string_to_array(keys[17], E'\x1f')) AS k(payer, batch_id) CROSS JOIN LATERAL (SELECT * FROM payout_batch s WHERE s.payer = k.payer COLLATE "C" AND s.batch_id = k.batch_id COLLATE "C" OFFSET 0) t;
    END IF;
    IF keys[18] IS NOT NULL THEN
        RETURN QUERY SELECT 'retention', json_agg(json_build_array(t.payer, t.institution, t.year, t.retained_fen, t.last_date))::text FROM unnest(string_to_array(keys[18], E'\x1f'), string_to_array(keys[19], E'\x1f'), string_to_array(keys[20], E'\x1f')) AS k(payer, institution, year) CROSS JOIN LATERAL (SELECT * FROM retention s WHERE s.payer = k.payer COLLATE "C" AND s.institution = k.institution COLLATE "C" AND s.year = k.year COLLATE "C" OFFSET 0) t;
    END IF;
    IF keys[21] IS NOT NULL THEN
        RETURN QUERY SELECT 'area', json_agg(json_build_array(t.treat_area, t.insured_area, t.open_fen, t.last_date))::text FROM unnest(string_to_array(keys[21], E'\x1f'), string_to_array(keys[22], E'\x1f')) AS k(treat_area, insured_area) CROSS JOIN LATERAL (SELECT * FROM area_pair s WHERE s.treat_area = k.treat_area COLLATE "C" AND s.insured_area = k.insured_area COLLATE "C" OFFSET 0) t;
    END IF;
    IF keys[23] IS NOT NULL THEN
        RETURN QUERY SELECT 'premium', json_agg(json_build_array(t.payer, t.scheme_year, t.person, t.source, t.id, t.amount_fen))::text FROM unnest(string_to_array(keys[23], E'\x1f'), string_to_array(keys[24], E'\x1f'), string_to_array(keys[25], E'\x1f')) AS k(payer, scheme_year, person) CROSS JOIN LATERAL (SELECT * FROM premium s WHERE s.payer = k.payer COLLATE "C" AND s.scheme_year = k.scheme_year COLLATE "C" AND s.person = k.person COLLATE "C" OFFSET 0) t;
    END IF;
    IF keys[26] IS NOT NULL THEN
        RETURN QUERY SELECT 'order', json_agg(json_build_array(t.institution, t.order_no, t.source, t.id))::text FROM unnest(string_to_array(keys[26], E'\x1f'), string_to_array(keys[27], E'\x1f')) AS k(institution, order_no) CROSS JOIN LATERAL (SELECT * FROM order_no s WHERE s.institution = k.institution COLLATE "C" AND s.order_no = k.order_no COLLATE "C" OFFSET 0) t;
    END IF;
    IF keys[28] IS NOT NULL THEN
        RETURN QUERY SELECT 'bank_ref', json_agg(json_build_array(t.partner, t.bank_date, t.bank_ref, t.source, t.id))::text FROM unnest(string_to_array(keys[28], E'\x1f'), string_to_array(keys[29], E'\x1f')::date[], string_to_array(keys[30], E'\x1f')) AS k(partner, bank_date, bank_ref) CROSS JOIN LATERAL (SELECT * FROM bank_ref s WHERE s.partner = k.partner COLLATE "C" AND s.bank_date = k.bank_date AND s.bank_ref = k.bank_ref COLLATE "C" OFFSET 0) t;
    END IF;
    IF keys[31] IS NOT NULL THEN
        RETURN QUERY SELECT 'instruction', json_agg(json_build_array(t.id, t.clearing_date, t.kind, t.debtor, t.creditor, t.amount_fen, t.state, t.value_date, t.replaces))::text FROM unnest(string_to_array(keys[31], E'\x1f')) AS k(id) CROSS JOIN LATERAL (SELECT * FROM instruction s WHERE s.id = k.id COLLATE "C" OFFSET 0) t;
    END IF;
    IF keys[32] IS NOT NULL THEN
        RETURN QUERY SELECT 'seen', json_agg(json_build_array(e.source, e.id, e.type, encode(e.sm3, 'hex'), coalesce(w.outcome, e.outcome),
            coalesce(w.reason, e.reason), coalesce(w.entry_id, e.entry_id),
            coalesce(w.clearing_date, e.clearing_date), coalesce(w.late, e.late), coalesce(p.waits_for, ''),
            CASE WHEN w.outcome IS NULL THEN 1 ELSE 2 END))::text FROM unnest(string_to_array(keys[32], E'\x1f'), string_to_array(keys[33], E'\x1f')) AS k(source, id) CROSS JOIN LATERAL (SELECT * FROM event s WHERE s.source = k.source COLLATE "C" AND s.id = k.id COLLATE "C" OFFSET 0) e
            LEFT JOIN LATERAL (SELECT * FROM woken s WHERE s.source = e.source AND s.id = e.id AND e.outcome = 'parked' OFFSET 0) w ON true LEFT JOIN LATERAL (SELECT * FROM parked s WHERE s.source = e.source AND s.id = e.id AND e.outcome = 'parked' OFFSET 0) p ON true;
    END IF;
    IF keys[34] IS NOT NULL THEN
        RETURN QUERY SELECT 'original', json_agg(json_build_array(k.source, k.id, encode(e.raw, 'hex'), CASE WHEN n.id IS NOT NULL
            THEN json_build_array(n.id, n.clearing_date, n.type, n.source, n.event_id, n.accounts, n.fens, n.legs, n.occurred_at, n.late, n.amount_fen, n.status, n.institution, n.bank, n.payer, n.route, n.partner, n.bank_ref, n.bank_date, n.order_no, n.receipt_no, n.admission_no, n.terminal, n.access, n.card, n.card_last4, n.app_area, n.original_id, n.original_date, n.text) END))::text FROM unnest(string_to_array(keys[34], E'\x1f'), string_to_array(keys[35], E'\x1f')) AS k(source, id) CROSS JOIN LATERAL (SELECT * FROM event s WHERE s.source = k.source COLLATE "C" AND s.id = k.id COLLATE "C" OFFSET 0) e
            LEFT JOIN LATERAL (SELECT * FROM woken s WHERE s.source = e.source AND s.id = e.id AND e.outcome = 'parked' OFFSET 0) w ON true LEFT JOIN LATERAL (SELECT * FROM entry s WHERE s.id = coalesce(w.entry_id, e.entry_id) OFFSET 0) n ON true;
    END IF;
    IF keys[36] IS NOT NULL THEN
        RETURN QUERY SELECT 'payouts_of', json_agg(json_build_array(p.root, p.source, p.id, p.attempts #>> '{-1,3}', p.amount_fen) ORDER BY p.source, p.id)::text FROM unnest(string_to_array(keys[36], E'\x1f')) AS k(root) CROSS JOIN LATERAL (SELECT * FROM payout s WHERE s.root = k.root COLLATE "C" AND s.state IN ('HELD','ACCEPTED','SENT','PAID') OFFSET 0) p;
    END IF;
    IF keys[37] IS NOT NULL THEN
        RETURN QUERY SELECT 'held', json_agg(json_build_array(p.card, p.source, p.id) ORDER BY p.source, p.id)::text FROM unnest(string_to_array(keys[37], E'\x1f')) AS k(card) CROSS JOIN LATERAL (SELECT * FROM payout s WHERE s.card = k.card COLLATE "C" AND s.state = 'HELD' OFFSET 0) p;
    END IF;
    IF keys[38] IS NOT NULL THEN
        RETURN QUERY SELECT 'aliases_of', json_agg(json_build_array(a.card, a.token) ORDER BY a.token)::text FROM unnest(string_to_array(keys[38], E'\x1f')) AS k(card) CROSS JOIN LATERAL (SELECT * FROM alias s WHERE s.card = k.card COLLATE "C" OFFSET 0) a;
    END IF;
    IF keys[39] IS NOT NULL THEN
        RETURN QUERY SELECT 'line', json_agg(json_build_array(p.name, p.arrival, p.source, p.id, p.waits_for, p.adds) ORDER BY p.arrival)::text FROM unnest(string_to_array(keys[39], E'\x1f')) AS k(line) CROSS JOIN LATERAL (
            SELECT line AS name, arrival, source, id, waits_for, adds FROM parked
            WHERE line <> '' AND line = k.line COLLATE "C"
            UNION ALL SELECT feeds, arrival, source, id, waits_for, true FROM parked
            WHERE feeds <> '' AND feeds = k.line COLLATE "C") p;
    END IF;
    IF keys[40] IS NOT NULL THEN
        RETURN QUERY SELECT '_waiting', json_agg(json_build_array(p.source, p.id, p.arrival, p.waits_for, p.since, p.limit_days, encode(e.raw, 'hex')) ORDER BY p.arrival)::text FROM unnest(string_to_array(keys[40], E'\x1f')) AS k(waits_for) CROSS JOIN LATERAL (SELECT * FROM parked s WHERE s.waits_for = k.waits_for COLLATE "C" OFFSET 0) p CROSS JOIN LATERAL (SELECT * FROM event s WHERE s.source = p.source AND s.id = p.id OFFSET 0) e;
    END IF;
END $$;

-- Moves the positions of stream partitions from where they were loaded and writes a row of `batch` each. Rows are
-- locked and put in by name: two that move the same ones, one of them to be fenced, never wait in a ring.
-- Out: the batches' numbers in the order given; null when any had moved.
CREATE FUNCTION clearing_advance(names text[], partitions integer[], froms bigint[], tos bigint[], records integer[],
    previous bytea[], digests bytea[]) RETURNS bigint[] LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_memoize = off SET jit = off AS $$
DECLARE
    numbers bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(names)]);
    place integer;
    number bigint;
BEGIN
    FOR place IN SELECT t.place FROM unnest(names, partitions) WITH ORDINALITY AS t(name, partition, place)
        ORDER BY t.name COLLATE "C", t.partition LOOP
        IF froms[place] IS NULL THEN
            INSERT INTO stream (name, partition, position, digest, announced)
                VALUES (names[place], partitions[place], tos[place], digests[place], 0) ON CONFLICT DO NOTHING;
        ELSE
            UPDATE stream s SET position = tos[place], digest = digests[place]
                WHERE s.name = names[place] AND s.partition = partitions[place] AND s.position = froms[place]
                AND s.digest = previous[place];
        END IF;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
        INSERT INTO batch (stream, partition, position_from, position_to, records, previous, digest)
            VALUES (names[place], partitions[place], froms[place], tos[place], records[place], previous[place],
                digests[place]) RETURNING id INTO number;
        numbers[place] := number;
    END LOOP;
    RETURN numbers;
END $$;

-- Writes what a batch changed, each parameter a JSON list of rows, null where there are none. Rows of the batch's own
-- tables name their batch by its place in `numbers`, from 1; without numbers nothing is written.
CREATE FUNCTION clearing_put(numbers bigint[], new text[], known text[], lane smallint, balances text, waits text,
    moved text, gone text) RETURNS void LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_memoize = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    one record;
BEGIN
    IF numbers IS NULL THEN
        RETURN;
    END IF;
    IF new[1] IS NOT NULL THEN
        INSERT INTO event (source, id, type, sm3, outcome, reason, detail, entry_id, clearing_date, late, waits_for, occurred_at, raw, position, no, batch)
            SELECT source, id, type, sm3, outcome, reason, detail, entry_id, clearing_date, late, waits_for, occurred_at, raw, position, no, numbers[batch] FROM json_populate_recordset(NULL::event, new[1]::json);
    END IF;
    IF new[2] IS NOT NULL THEN
        INSERT INTO woken (source, id, outcome, reason, detail, entry_id, clearing_date, late, no, batch)
            SELECT source, id, outcome, reason, detail, entry_id, clearing_date, late, no, numbers[batch] FROM json_populate_recordset(NULL::woken, new[2]::json);
    END IF;
    IF new[3] IS NOT NULL THEN
        INSERT INTO repeat (source, id, type, outcome, reason, detail, sm3, position, raw, no, batch)
            SELECT source, id, type, outcome, reason, detail, sm3, position, raw, no, numbers[batch] FROM json_populate_recordset(NULL::repeat, new[3]::json);
    END IF;
    IF new[4] IS NOT NULL THEN
        INSERT INTO quarantine (stream, partition, position, where_, what, source, id, type, sm3, length, raw, no, batch)
            SELECT stream, partition, position, where_, what, source, id, type, sm3, length, raw, no, numbers[batch] FROM json_populate_recordset(NULL::quarantine, new[4]::json);
    END IF;
    IF new[5] IS NOT NULL THEN
        INSERT INTO entry (id, clearing_date, type, source, event_id, accounts, fens, legs, occurred_at, late, amount_fen, status, institution, bank, payer, route, partner, bank_ref, bank_date, order_no, receipt_no, admission_no, terminal, access, card, card_last4, app_area, original_id, original_date, text, no, batch)
            SELECT id, clearing_date, type, source, event_id, accounts, fens, legs, occurred_at, late, amount_fen, status, institution, bank, payer, route, partner, bank_ref, bank_date, order_no, receipt_no, admission_no, terminal, access, card, card_last4, app_area, original_id, original_date, text, no, numbers[batch] FROM json_populate_recordset(NULL::entry, new[5]::json);
    END IF;
    IF new[6] IS NOT NULL THEN
        INSERT INTO card (token, bank, person, guardian, card_class, account_class, area, issuer, issue_mode, registrations, steps, changes, replaced_by, root)
            SELECT token, bank, person, guardian, card_class, account_class, area, issuer, issue_mode, registrations, steps, changes, replaced_by, root FROM json_populate_recordset(NULL::card, new[6]::json);
    END IF;
    IF new[7] IS NOT NULL THEN
        INSERT INTO alias (token, kind, institution, card, cards)
            SELECT token, kind, institution, card, cards FROM json_populate_recordset(NULL::alias, new[7]::json);
    END IF;
    IF new[8] IS NOT NULL THEN
        INSERT INTO terminal (terminal, sam, institution, kind, acquirer, steps)
            SELECT terminal, sam, institution, kind, acquirer, steps FROM json_populate_recordset(NULL::terminal, new[8]::json);
    END IF;
    IF new[9] IS NOT NULL THEN
        INSERT INTO undo (source, id, spent, refunded_fen, fee_returned, fee_adjusted, persons_refunded, last_date)
            SELECT source, id, spent, refunded_fen, fee_returned, fee_adjusted, persons_refunded, last_date FROM json_populate_recordset(NULL::undo, new[9]::json);
    END IF;
    IF new[10] IS NOT NULL THEN
        INSERT INTO timeout (source, id, state, institution, amount_fen, debited, occurred_at, confirmed_source, confirmed_id, last_date)
            SELECT source, id, state, institution, amount_fen, debited, occurred_at, confirmed_source, confirmed_id, last_date FROM json_populate_recordset(NULL::timeout, new[10]::json);
    END IF;
    IF new[11] IS NOT NULL THEN
        INSERT INTO tombstone (source, id, reversals, senders, institutions, amounts_fen)
            SELECT source, id, reversals, senders, institutions, amounts_fen FROM json_populate_recordset(NULL::tombstone, new[11]::json);
    END IF;
    IF new[12] IS NOT NULL THEN
        INSERT INTO stay (institution, admission_no, card, state, admitted_at, discharged_at, deposit_fen, arrears_fen, cards, routes, settlements, last_date)
            SELECT institution, admission_no, card, state, admitted_at, discharged_at, deposit_fen, arrears_fen, cards, routes, settlements, last_date FROM json_populate_recordset(NULL::stay, new[12]::json);
    END IF;
    IF new[13] IS NOT NULL THEN
        INSERT INTO settlement (payer, settlement_id, institution, kind, advanced_fen, treat_area, insured_area, settled, discharge, live, paid, last_date)
            SELECT payer, settlement_id, institution, kind, advanced_fen, treat_area, insured_area, settled, discharge, live, paid, last_date FROM json_populate_recordset(NULL::settlement, new[13]::json);
    END IF;
    IF new[14] IS NOT NULL THEN
        INSERT INTO payout (source, id, state, payer, settlement_id, kind, amount_fen, card, bank, root, attempt, attempts, batch_id, row_no, treat_area, insured_area, last_date)
            SELECT source, id, state, payer, settlement_id, kind, amount_fen, card, bank, root, attempt, attempts, batch_id, row_no, treat_area, insured_area, last_date FROM json_populate_recordset(NULL::payout, new[14]::json);
    END IF;
    IF new[15] IS NOT NULL THEN
        INSERT INTO payout_batch (payer, batch_id, kind, rows, total_fen, digest, state, counted, counted_fen, accepted_fen, accepted_nos, last_date)
            SELECT payer, batch_id, kind, rows, total_fen, digest, state, counted, counted_fen, accepted_fen, accepted_nos, last_date FROM json_populate_recordset(NULL::payout_batch, new[15]::json);
    END IF;
    IF new[16] IS NOT NULL THEN
        INSERT INTO retention (payer, institution, year, retained_fen, last_date)
            SELECT payer, institution, year, retained_fen, last_date FROM json_populate_recordset(NULL::retention, new[16]::json);
    END IF;
    IF new[17] IS NOT NULL THEN
        INSERT INTO area_pair (treat_area, insured_area, open_fen, last_date)
            SELECT treat_area, insured_area, open_fen, last_date FROM json_populate_recordset(NULL::area_pair, new[17]::json);
    END IF;
    IF new[18] IS NOT NULL THEN
        INSERT INTO premium (payer, scheme_year, person, source, id, amount_fen)
            SELECT payer, scheme_year, person, source, id, amount_fen FROM json_populate_recordset(NULL::premium, new[18]::json);
    END IF;
    IF new[19] IS NOT NULL THEN
        INSERT INTO order_no (institution, order_no, source, id)
            SELECT institution, order_no, source, id FROM json_populate_recordset(NULL::order_no, new[19]::json);
    END IF;
    IF new[20] IS NOT NULL THEN
        INSERT INTO bank_ref (partner, bank_date, bank_ref, source, id)
            SELECT partner, bank_date, bank_ref, source, id FROM json_populate_recordset(NULL::bank_ref, new[20]::json);
    END IF;
    IF new[21] IS NOT NULL THEN
        INSERT INTO instruction (id, clearing_date, kind, debtor, creditor, amount_fen, state, value_date, replaces)
            SELECT id, clearing_date, kind, debtor, creditor, amount_fen, state, value_date, replaces FROM json_populate_recordset(NULL::instruction, new[21]::json);
    END IF;
    IF known[1] IS NOT NULL THEN
        INSERT INTO card (token, bank, person, guardian, card_class, account_class, area, issuer, issue_mode, registrations, steps, changes, replaced_by, root)
            SELECT token, bank, person, guardian, card_class, account_class, area, issuer, issue_mode, registrations, steps, changes, replaced_by, root FROM json_populate_recordset(NULL::card, known[1]::json)
            ON CONFLICT ON CONSTRAINT pk_card DO UPDATE SET bank = excluded.bank, person = excluded.person, guardian = excluded.guardian, card_class = excluded.card_class, account_class = excluded.account_class, area = excluded.area, issuer = excluded.issuer, issue_mode = excluded.issue_mode, registrations = excluded.registrations, steps = excluded.steps, changes = excluded.changes, replaced_by = excluded.replaced_by, root = excluded.root;
    END IF;
    IF known[2] IS NOT NULL THEN
        INSERT INTO alias (token, kind, institution, card, cards)
            SELECT token, kind, institution, card, cards FROM json_populate_recordset(NULL::alias, known[2]::json)
            ON CONFLICT ON CONSTRAINT pk_alias DO UPDATE SET kind = excluded.kind, institution = excluded.institution, card = excluded.card, cards = excluded.cards;
    END IF;
    IF known[3] IS NOT NULL THEN
        INSERT INTO terminal (terminal, sam, institution, kind, acquirer, steps)
            SELECT terminal, sam, institution, kind, acquirer, steps FROM json_populate_recordset(NULL::terminal, known[3]::json)
            ON CONFLICT ON CONSTRAINT pk_terminal DO UPDATE SET sam = excluded.sam, institution = excluded.institution, kind = excluded.kind, acquirer = excluded.acquirer, steps = excluded.steps;
    END IF;
    IF known[4] IS NOT NULL THEN
        INSERT INTO undo (source, id, spent, refunded_fen, fee_returned, fee_adjusted, persons_refunded, last_date)
            SELECT source, id, spent, refunded_fen, fee_returned, fee_adjusted, persons_refunded, last_date FROM json_populate_recordset(NULL::undo, known[4]::json)
            ON CONFLICT ON CONSTRAINT pk_undo DO UPDATE SET spent = excluded.spent, refunded_fen = excluded.refunded_fen, fee_returned = excluded.fee_returned, fee_adjusted = excluded.fee_adjusted, persons_refunded = excluded.persons_refunded, last_date = excluded.last_date;
    END IF;
    IF known[5] IS NOT NULL THEN
        INSERT INTO timeout (source, id, state, institution, amount_fen, debited, occurred_at, confirmed_source, confirmed_id, last_date)
            SELECT source, id, state, institution, amount_fen, debited, occurred_at, confirmed_source, confirmed_id, last_date FROM json_populate_recordset(NULL::timeout, known[5]::json)
            ON CONFLICT ON CONSTRAINT pk_timeout DO UPDATE SET state = excluded.state, institution = excluded.institution, amount_fen = excluded.amount_fen, debited = excluded.debited, occurred_at = excluded.occurred_at, confirmed_source = excluded.confirmed_source, confirmed_id = excluded.confirmed_id, last_date = excluded.last_date;
    END IF;
    IF known[6] IS NOT NULL THEN
        INSERT INTO tombstone (source, id, reversals, senders, institutions, amounts_fen)
            SELECT source, id, reversals, senders, institutions, amounts_fen FROM json_populate_recordset(NULL::tombstone, known[6]::json)
            ON CONFLICT ON CONSTRAINT pk_tombstone DO UPDATE SET reversals = excluded.reversals, senders = excluded.senders, institutions = excluded.institutions, amounts_fen = excluded.amounts_fen;
    END IF;
    IF known[7] IS NOT NULL THEN
        INSERT INTO stay (institution, admission_no, card, state, admitted_at, discharged_at, deposit_fen, arrears_fen, cards, routes, settlements, last_date)
            SELECT institution, admission_no, card, state, admitted_at, discharged_at, deposit_fen, arrears_fen, cards, routes, settlements, last_date FROM json_populate_recordset(NULL::stay, known[7]::json)
            ON CONFLICT ON CONSTRAINT pk_stay DO UPDATE SET card = excluded.card, state = excluded.state, admitted_at = excluded.admitted_at, discharged_at = excluded.discharged_at, deposit_fen = excluded.deposit_fen, arrears_fen = excluded.arrears_fen, cards = excluded.cards, routes = excluded.routes, settlements = excluded.settlements, last_date = excluded.last_date;
    END IF;
    IF known[8] IS NOT NULL THEN
        INSERT INTO settlement (payer, settlement_id, institution, kind, advanced_fen, treat_area, insured_area, settled, discharge, live, paid, last_date)
            SELECT payer, settlement_id, institution, kind, advanced_fen, treat_area, insured_area, settled, discharge, live, paid, last_date FROM json_populate_recordset(NULL::settlement, known[8]::json)
            ON CONFLICT ON CONSTRAINT pk_settlement DO UPDATE SET institution = excluded.institution, kind = excluded.kind, advanced_fen = excluded.advanced_fen, treat_area = excluded.treat_area, insured_area = excluded.insured_area, settled = excluded.settled, discharge = excluded.discharge, live = excluded.live, paid = excluded.paid, last_date = excluded.last_date;
    END IF;
    IF known[9] IS NOT NULL THEN
        INSERT INTO payout (source, id, state, payer, settlement_id, kind, amount_fen, card, bank, root, attempt, attempts, batch_id, row_no, treat_area, insured_area, last_date)
            SELECT source, id, state, payer, settlement_id, kind, amount_fen, card, bank, root, attempt, attempts, batch_id, row_no, treat_area, insured_area, last_date FROM json_populate_recordset(NULL::payout, known[9]::json)
            ON CONFLICT ON CONSTRAINT pk_payout DO UPDATE SET state = excluded.state, payer = excluded.payer, settlement_id = excluded.settlement_id, kind = excluded.kind, amount_fen = excluded.amount_fen, card = excluded.card, bank = excluded.bank, root = excluded.root, attempt = excluded.attempt, attempts = excluded.attempts, batch_id = excluded.batch_id, row_no = excluded.row_no, treat_area = excluded.treat_area, insured_area = excluded.insured_area, last_date = excluded.last_date;
    END IF;
    IF known[10] IS NOT NULL THEN
        INSERT INTO payout_batch (payer, batch_id, kind, rows, total_fen, digest, state, counted, counted_fen, accepted_fen, accepted_nos, last_date)
            SELECT payer, batch_id, kind, rows, total_fen, digest, state, counted, counted_fen, accepted_fen, accepted_nos, last_date FROM json_populate_recordset(NULL::payout_batch, known[10]::json)
            ON CONFLICT ON CONSTRAINT pk_payout_batch DO UPDATE SET kind = excluded.kind, rows = excluded.rows, total_fen = excluded.total_fen, digest = excluded.digest, state = excluded.state, counted = excluded.counted, counted_fen = excluded.counted_fen, accepted_fen = excluded.accepted_fen, accepted_nos = excluded.accepted_nos, last_date = excluded.last_date;
    END IF;
    IF known[11] IS NOT NULL THEN
        INSERT INTO retention (payer, institution, year, retained_fen, last_date)
            SELECT payer, institution, year, retained_fen, last_date FROM json_populate_recordset(NULL::retention, known[11]::json)
            ON CONFLICT ON CONSTRAINT pk_retention DO UPDATE SET retained_fen = excluded.retained_fen, last_date = excluded.last_date;
    END IF;
    IF known[12] IS NOT NULL THEN
        INSERT INTO area_pair (treat_area, insured_area, open_fen, last_date)
            SELECT treat_area, insured_area, open_fen, last_date FROM json_populate_recordset(NULL::area_pair, known[12]::json)
            ON CONFLICT ON CONSTRAINT pk_area_pair DO UPDATE SET open_fen = excluded.open_fen, last_date = excluded.last_date;
    END IF;
    IF known[13] IS NOT NULL THEN
        INSERT INTO premium (payer, scheme_year, person, source, id, amount_fen)
            SELECT payer, scheme_year, person, source, id, amount_fen FROM json_populate_recordset(NULL::premium, known[13]::json)
            ON CONFLICT ON CONSTRAINT pk_premium DO UPDATE SET source = excluded.source, id = excluded.id, amount_fen = excluded.amount_fen;
    END IF;
    IF known[14] IS NOT NULL THEN
        INSERT INTO order_no (institution, order_no, source, id)
            SELECT institution, order_no, source, id FROM json_populate_recordset(NULL::order_no, known[14]::json)
            ON CONFLICT ON CONSTRAINT pk_order_no DO UPDATE SET source = excluded.source, id = excluded.id;
    END IF;
    IF known[15] IS NOT NULL THEN
        INSERT INTO instruction (id, clearing_date, kind, debtor, creditor, amount_fen, state, value_date, replaces)
            SELECT id, clearing_date, kind, debtor, creditor, amount_fen, state, value_date, replaces FROM json_populate_recordset(NULL::instruction, known[15]::json)
            ON CONFLICT ON CONSTRAINT pk_instruction DO UPDATE SET clearing_date = excluded.clearing_date, kind = excluded.kind, debtor = excluded.debtor, creditor = excluded.creditor, amount_fen = excluded.amount_fen, state = excluded.state, value_date = excluded.value_date, replaces = excluded.replaces;
    END IF;
    IF balances IS NOT NULL THEN
        INSERT INTO balance (clearing_date, account, lane, fen)
            SELECT d, a, lane, f FROM json_to_recordset(balances::json) AS delta(d date, a text, f bigint)
            ON CONFLICT ON CONSTRAINT pk_balance DO UPDATE SET fen = balance.fen + excluded.fen;
    END IF;
    IF waits IS NOT NULL THEN
        INSERT INTO parked (source, id, waits_for, since, detail, limit_days, line, adds, feeds)
            SELECT w.source, w.id, w.waits_for, w.since, w.detail, w.limit_days, w.line, w.adds, w.feeds
            FROM ROWS FROM (json_to_recordset(waits::json) AS (source text, id text, waits_for text, since date, detail text, limit_days integer, line text,
                adds boolean, feeds text)) WITH ORDINALITY
                AS w(source, id, waits_for, since, detail, limit_days, line, adds, feeds, no) ORDER BY w.no;
    END IF;
    IF moved IS NOT NULL THEN
        FOR one IN SELECT * FROM json_to_recordset(moved::json) AS w(source text, id text, waits_for text, since date, detail text, limit_days integer, line text,
                adds boolean, feeds text) LOOP
            UPDATE parked p SET waits_for = one.waits_for, since = coalesce(p.since, one.since),
                limit_days = one.limit_days, detail = one.detail, line = one.line, adds = one.adds,
                feeds = one.feeds
                WHERE p.source = one.source COLLATE "C" AND p.id = one.id COLLATE "C";
        END LOOP;
    END IF;
    IF gone IS NOT NULL THEN
        FOR one IN SELECT * FROM json_to_recordset(gone::json) AS w(source text, id text) LOOP
            DELETE FROM parked p
                WHERE p.source = one.source COLLATE "C" AND p.id = one.id COLLATE "C";
        END LOOP;
    END IF;
END $$;
