from __future__ import annotations

from saystream.hosting.playback import Playback


def sounding(until_ms: float) -> Playback:
    playback = Playback(0)
    playback.audio_sent(until_ms, 0)
    return playback


def test_before_the_first_audio_the_lead_is_minus_the_time_waited() -> None:
    assert Playback(1000).lead_ms(1250) == -250


def test_the_lead_is_the_audio_that_the_listener_has_left() -> None:
    playback = Playback(0)
    playback.audio_sent(500, now_ms=100)
    playback.audio_sent(200, now_ms=150)
    assert playback.lead_ms(300) == 500
    assert playback.runs_dry_at_ms == 800


def test_a_listener_that_ran_dry_starts_again_with_the_next_audio() -> None:
    playback = sounding(until_ms=100)
    assert playback.lead_ms(400) == -300
    playback.audio_sent(50, now_ms=400)
    assert playback.lead_ms(400) == 50


def test_an_interrupted_listener_has_nothing_left() -> None:
    playback = sounding(until_ms=8000)
    playback.interrupted(1000)
    assert playback.lead_ms(1000) == 0


def test_an_interruption_does_not_shorten_a_silence() -> None:
    playback = sounding(until_ms=100)
    playback.interrupted(1000)
    assert playback.lead_ms(1000) == -900


def test_a_listener_who_has_heard_nothing_yet_does_not_sound() -> None:
    assert not Playback(0).sounds(0)


def test_a_listener_still_sounds_a_second_after_running_dry() -> None:
    assert sounding(until_ms=100).sounds(1100)
    assert not sounding(until_ms=100).sounds(1101)


def test_a_listener_whose_sound_is_held_back_has_begun_but_does_not_sound() -> None:
    playback = Playback(0)
    assert not playback.has_begun(0)
    playback.audio_made()
    assert playback.has_begun(5000)
    assert not playback.sounds(5000)
    playback.audio_sent(500, 5000)
    assert playback.has_begun(6500)
    assert not playback.has_begun(6501)
    playback.audio_made()
    playback.interrupted(7000)
    assert not playback.has_begun(7000)


def test_a_silent_listener_waits_from_when_there_is_something_to_say_until_it_sounds() -> None:
    playback = Playback(0)
    assert playback.waits_since_ms is None
    playback.begins_to_wait(100)
    playback.begins_to_wait(200)
    assert playback.waits_since_ms == 100
    playback.audio_sent(1000, 300)
    playback.begins_to_wait(400)
    assert playback.waits_since_ms is None
    playback.begins_to_wait(5000)
    assert playback.waits_since_ms == 5000
    playback.interrupted(6000)
    assert playback.waits_since_ms is None
