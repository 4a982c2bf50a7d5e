import pytest

from include import personal


@pytest.mark.parametrize(
    "text",
    [
        "ada@example.org", "write to ada.b+c@mail.example.co.uk please", "ada [at] example [dot] org",
        "ada (at) example (dot) org", "+44 20 7946 0958", "call 555-123-4567 now", "(0049) 30 1234567",
        "07700 900123", "00 33 1 23 45 67 89", "5551234",
        "Call me (555) 123-4567 | 2023", "030 1984 2012", "+49 2019 2020", "555-1984", "020 1984 2001", "555 1984 1234",
        "Interview 2023-11-24, ring 07700 900123", "Hotline 0800 2019 2020", "06 12 34 56 78",
    ],
)  # fmt: skip
def test_addresses_and_numbers_are_found(text: str) -> None:
    assert personal.is_personal(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "She was born in 1984", "the war of 1914-1918", "1,000,000 people", "3.14159265", "at 10:30",
        "a dot at noon", "room 101, floor 3", "v1.2.3", "a" * 10_000 + "at", "News 2023-11-24", "24.11.2023 Abendschau",
        "11/24/2023", "20231124", "Episode 123 2023", "Episode 12 (2019-2021)", "Folge 1234 24.11.2023",
        "2019 2020 2021", "2023-11-24 - 12", "2023 - 117", "Season 3 Episode 14", "#1042 A talk",
        "1080p60 4K", "Top 100 of 2023", "(2019 - 2020)", "1066-1087",
    ],
)  # fmt: skip
def test_other_texts_are_not(text: str) -> None:
    assert not personal.is_personal(text)
