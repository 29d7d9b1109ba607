"""The other side's view: our rows against banks' statements and hospitals' exports. 对账

Pure: values in, values out. `rows` (what each side says) → `matching` (which rows are one item) → `compare`
(what differs) → `breaks` (how it is called and what becomes of it) → `proof` (nothing is left over) →
`report`. `reconcile` is the way in; `statements` turns a partner's bytes into rows.
"""
