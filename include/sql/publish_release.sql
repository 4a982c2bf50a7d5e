update catalog.release
set state = 'published', manifest_sha256 = %(manifest_sha256)s, promoted_at = now()
where version = %(version)s
