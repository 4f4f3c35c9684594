from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmdbg.errors import UserError
from vmdbg.x86.cpu_models import CHANGEABLE, MODELS, find_model, is_model
from vmdbg.x86.cpuid import build_table

CHANGES = st.lists(st.tuples(st.sampled_from("+-"), st.sampled_from(sorted(CHANGEABLE))), max_size=6)


def test_features_are_added_and_taken() -> None:
    model = find_model("x86-64,+popcnt,-rdtscp")
    assert model.features == (MODELS["x86-64"].features | {"popcnt"}) - {"rdtscp"}
    assert (model.name, model.brand) == ("x86-64", MODELS["x86-64"].brand)
    assert "popcnt" in build_table(model).features()


def test_a_feature_brings_what_it_needs_and_goes_with_it() -> None:
    assert {"sse", "sse2", "sse3", "fxsr"} <= find_model("i586,+sse3").features
    assert not {"sse3", "ssse3", "sse4_1", "sse4_2", "aes", "lm"} & find_model("base,-sse2").features


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("z80", "there are: 486, pentium"),
        ("base,+avx512f", r"no CPU feature '\+avx512f'.*sse4_2"),
        ("base,sse", "neither"),
        ("base,", "neither"),
        ("base,+", "no CPU feature"),
        ("", "no CPU model"),
    ],
)
def test_what_is_none_is_refused_in_words(text: str, says: str) -> None:
    assert not is_model(text)
    with pytest.raises(UserError, match=says):
        find_model(text)


@given(st.sampled_from(sorted(MODELS)), CHANGES)
def test_whatever_is_changed_last_holds(name: str, changes: list[tuple[str, str]]) -> None:
    text = ",".join([name, *(sign + feature for sign, feature in changes)])
    model = find_model(text)
    assert is_model(text.upper())
    for sign, feature in changes[-1:]:
        assert (feature in model.features) == (sign == "+")
