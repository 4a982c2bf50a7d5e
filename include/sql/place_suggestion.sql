update catalog.suggestion
set address = %(address)s, address_url = %(address_url)s, outcome = 'waiting'
where suggestion_id = %(suggestion_id)s
