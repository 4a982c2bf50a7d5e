-- Begin a release. Its moment is now, under the merges' lock: not when the transaction began to wait for that.
-- Not before the last merge either, whatever the clock says: the labels rest on that.
insert into catalog.release (version, parent, vocabulary_version, frozen_at)
values (
    %(version)s,
    %(parent)s,
    %(vocabulary_version)s,
    greatest(clock_timestamp(), (select max(merged_at) from catalog.annotation))
)
