-- Begin a release; whatever an earlier try of the same version left goes with its row.
insert into catalog.release (version, parent, vocabulary_version)
values (%(version)s, %(parent)s, %(vocabulary_version)s)
