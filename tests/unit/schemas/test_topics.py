"""Names of topics, dead letters and subjects, with and without a prefix."""

from __future__ import annotations

import re

import pytest

from schemas import records, topics


@pytest.mark.parametrize(
    ("prefix", "name", "whole"),
    [
        ("", "patterns.requested", "patterns.requested"),
        ("mill", "patterns.requested", "mill.patterns.requested"),
        ("a.b", "registry.events", "a.b.registry.events"),
    ],
)
def test_a_prefix_goes_on_and_comes_off(prefix: str, name: str, whole: str) -> None:
    """The prefix is put before the name with a dot, and taken off again."""
    assert topics.prefixed(prefix, name) == whole
    assert topics.unprefixed(prefix, whole) == name


@pytest.mark.parametrize("name", ["patterns.requested", "mills.patterns.requested", "mill"])
def test_another_installations_topic_is_refused(name: str) -> None:
    """A name under another prefix, or under none, is not ours."""
    with pytest.raises(ValueError, match="mill"):
        topics.unprefixed("mill", name)


def test_dead_letters_and_subjects_follow_the_topic() -> None:
    """Both are made from the whole name."""
    whole = topics.prefixed("mill", "patterns.requested")
    assert topics.dead_letter(whole, "route") == "mill.patterns.requested.route.dlq"
    assert topics.subject(whole) == "mill.patterns.requested-value"


def test_intake_topics_hold_requests() -> None:
    """`patterns.requested.<source>` is an intake topic; a name that only looks like one is not."""
    assert topics.topic_of("patterns.requested.shop") is topics.REQUESTED
    assert topics.topic_of("patterns.generated") is topics.GENERATED
    for name in ("patterns.requestedshop", "patterns", ""):
        with pytest.raises(KeyError):
            topics.topic_of(name)


def test_prompts_are_kept_a_short_time() -> None:
    """Exactly the topics whose records hold prompts are marked so, and keep them three days."""
    holders = {records.PatternRequested, records.PatternRouted}
    for topic in topics.TOPICS:
        assert topic.holds_prompts == (topic.record in holders), topic.name
        if topic.holds_prompts:
            assert topic.retention_ms == topics.PROMPT_RETENTION_MS


def test_every_record_has_its_topic() -> None:
    """Each record travels, names are legal and used once, compacted topics keep for ever."""
    assert {topic.record for topic in topics.TOPICS} == set(records.RECORDS)
    names = [topic.name for topic in topics.TOPICS]
    assert len(set(names)) == len(names)
    for topic in topics.TOPICS:
        assert re.fullmatch(r"[a-z.-]{1,100}", topic.name)
        assert topic.compacted == (topic.retention_ms == -1)
        assert topic.writers
        assert topic.readers
        assert topic.bytes_max <= topics.RECORD_BYTES_MAX
    assert set(topics.ROUTED) == set(topics.TIERS)
