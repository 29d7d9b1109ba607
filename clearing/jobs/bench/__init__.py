"""`clearing bench`: the README's figures, measured on the machine at hand, as ratios within one run. 测速

ingest      file and Kafka → durable, beside a loop of single transactions and a raw COPY
shapes      one hot hospital, records sent again, a long history, beside a uniform day
latency     from a producer's send to the result at its consumer
files       a large file rendered and checked, a large day's close, beside COPY TO
reconcile   three large sides matched, beside a bare join
ways kafka frames stages machine    what they share
"""
