"""The three sides of a day in duckdb: read set-wise, split into what is clean and what the passes must see. 三方数据

Scratch, not books: a database file in a folder of the run, thrown away with it. `tables` holds entries and
partners' files (`plain_files` reads them), `our_rows` makes rows of entries, `splitting` finds what agrees in
everything, `rest` gives the other rows back as values.
Why the two ways do not disturb each other is told and tested in `reconciliation.clean`.
"""
