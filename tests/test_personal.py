import pytest

from include import personal


@pytest.mark.parametrize(
    "text",
    [
        "ada@example.org", "write to ada.b+c@mail.example.co.uk please", "ada [at] example [dot] org",
        "ada (at) example (dot) org", "+44 20 7946 0958", "call 555-123-4567 now", "(0049) 30 1234567",
        "07700 900123", "00 33 1 23 45 67 89", "5551234",
    ],
)  # fmt: skip
def test_addresses_and_numbers_are_found(text: str) -> None:
    assert personal.is_personal(text)


@pytest.mark.parametrize(
    "text",
    ["", "She was born in 1984", "the war of 1914-1918", "1,000,000 people", "3.14159265", "at 10:30", "a dot at noon",
     "room 101, floor 3", "v1.2.3", "a" * 10_000 + "at"],
)  # fmt: skip
def test_other_texts_are_not(text: str) -> None:
    assert not personal.is_personal(text)
