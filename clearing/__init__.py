"""A clearing engine between banks and hospitals. 银医清算

Nouns compute, verbs act: `ledger`, `day`, `files` and `reconciliation` are values in, values out;
`store`, `jobs` and `console` touch the world.
"""

__version__ = "0.1.0"
