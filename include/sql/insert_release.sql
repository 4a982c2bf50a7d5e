-- Begin a release. Its moment is now, under the merges' lock: not when the transaction began to wait for that.
insert into catalog.release (version, parent, vocabulary_version, frozen_at)
values (%(version)s, %(parent)s, %(vocabulary_version)s, clock_timestamp())
