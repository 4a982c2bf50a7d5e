insert into catalog.annotation_block (n_rows, content) values (%(n_rows)s, %(content)s)
