select
    version,
    word,
    coalesce(current_word, word) as today,
    family
from catalog.vocabulary
