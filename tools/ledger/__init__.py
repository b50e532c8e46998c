"""The ledger: a record of every measured number that the documents state.

``results/claims.json`` holds ``claims``, one record a number, and ``tables``, whose cells name
claims. In README.md, MODEL_CARD.md and ``docs/`` a number stands between ``<!-- claim:ID -->`` and
``<!-- /claim -->``, a table between ``<!-- table:ID -->`` and ``<!-- /table -->``, and a number of
somebody else between ``<!-- cited:SOURCE -->`` and ``<!-- /cited -->``.
"""
