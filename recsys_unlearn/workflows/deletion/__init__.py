"""A deletion on its way: one file for each part of the road from a request to its receipt.

::

    intake       who is meant, who is gone already; received
    planning     rows of the data                             planned
    erasing      out of the store, on to the suppression list  data_erased
    candidate    unlearned tables, and an index over them      model_updated, index_rebuilt
    serving      audited, published, promoted                  verified
    clearing     superseded versions purged                    purged
    receipts     what was done, for the person who asked       receipted
    carrying     the road itself: every step in its order

Each step is durable before the ledger says so, and harmless to do twice.
"""
