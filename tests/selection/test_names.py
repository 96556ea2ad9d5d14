"""Looking for many words at once finds what looking for each of them finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosvm.errors import AmbiguousVM, NoSuchVM
from chaosvm.selection import NameMatcher, VMIndex
from chaosvm.vm import VM, PowerState

# Few, so that VMs share them, and one word is a name here and an id there.
WORDS = st.sampled_from(["a", "A", "b", "/dc/a", "vm-1", "50AB", "50ab"])


def vm_of(
    number: int, name: str, vm_id: str, uuid: str | None, path: str | None, aliases: list[str]
) -> VM:
    return VM(
        id=vm_id,
        name=name,
        platform="vsphere",
        power_state=PowerState.POWERED_ON,
        status="poweredOn",
        instance_uuid=uuid,
        path=path,
        aliases=tuple(aliases),
        metadata={"number": number},
    )


VMS = st.lists(
    st.builds(
        vm_of,
        st.integers(),
        WORDS,
        WORDS,
        st.none() | WORDS,
        st.none() | WORDS,
        st.lists(WORDS, max_size=2),
    ),
    max_size=5,
)


@given(VMS, WORDS)
def test_a_directory_knows_what_each_vm_answers_to(vms, word):
    found = VMIndex(vms).find(word)
    expected = [vm for vm in vms if vm.answers_to(word)]
    assert sorted(map(id, found)) == sorted(map(id, expected))
    by_id = [
        vm
        for vm in vms
        if vm.id == word
        or (vm.instance_uuid is not None and vm.instance_uuid.lower() == word.lower())
    ]
    assert sorted(map(id, VMIndex(vms).find(word, by_id=True))) == sorted(map(id, by_id))


@given(VMS, st.lists(WORDS))
def test_a_matcher_matches_what_any_of_its_words_matches(vms, words):
    for vm in vms:
        assert NameMatcher(words).matches(vm) == any(vm.answers_to(word) for word in words)


@given(VMS, st.lists(WORDS))
def test_each_word_must_match_at_most_one_vm(vms, words):
    by_word = {word: [vm for vm in vms if vm.answers_to(word)] for word in words}
    index = VMIndex(vms)
    if any(len(matches) > 1 for matches in by_word.values()):
        with pytest.raises(AmbiguousVM):
            index.resolve(words)
    else:
        expected = dict.fromkeys(vm.id for matches in by_word.values() for vm in matches)
        assert [vm.id for vm in index.resolve(words)] == list(expected)
    if all(by_word.values()):
        index.require(words)
    else:
        with pytest.raises(NoSuchVM):
            index.require(words)
