from __future__ import annotations

import pytest

from saystream.errors import Overloaded
from saystream.server.transport.connections import Connections, Unfinished


class Peer:
    def __init__(self, peer: str = "10.0.0.1") -> None:
        self.peer = peer
        self.made_room = False

    def make_room(self) -> None:
        self.made_room = True


def test_the_longest_idle_one_makes_room_for_a_new_one() -> None:
    connections = Connections(max_connections=3, max_per_peer=None)
    first, second, third = (Peer() for _ in range(3))
    for peer in (first, second, third):
        connections.enter(peer, 0.0)
    connections.busy(first)
    connections.busy(second)
    connections.idle(second)
    connections.enter(Peer(), 0.0)
    assert [peer.made_room for peer in (first, second, third)] == [False, False, True]
    connections.enter(Peer(), 0.0)
    assert second.made_room
    assert len(connections) == 3


def test_one_more_is_refused_if_none_is_idle() -> None:
    connections = Connections(max_connections=1, max_per_peer=None)
    busy, new = Peer(), Peer()
    connections.enter(busy, 0.0)
    connections.busy(busy)
    with pytest.raises(Overloaded, match="all 1 connections"):
        connections.enter(new, 0.0)
    assert connections.is_told(new)
    assert not busy.made_room
    connections.leave(new)
    assert not connections.is_told(new)
    connections.leave(busy)
    connections.leave(busy)
    connections.idle(busy)
    connections.enter(new, 0.0)
    assert len(connections) == 1


def test_only_some_of_the_refused_stay_to_be_told() -> None:
    connections = Connections(max_connections=1, max_per_peer=None)
    busy = Peer()
    connections.enter(busy, 0.0)
    connections.busy(busy)
    refused = [Peer() for _ in range(100)]
    for peer in refused:
        with pytest.raises(Overloaded):
            connections.enter(peer, 0.0)
    assert sum(connections.is_told(peer) for peer in refused) == 64


def test_a_peer_has_no_more_than_its_share() -> None:
    connections = Connections(max_connections=10, max_per_peer=2)
    mine = [Peer("10.0.0.1"), Peer("10.0.0.1")]
    for peer in mine:
        connections.enter(peer, 0.0)
    with pytest.raises(Overloaded, match="your address has 2"):
        connections.enter(Peer("10.0.0.1"), 0.0)
    connections.enter(Peer("10.0.0.2"), 0.0)
    connections.leave(mine[0])
    connections.enter(Peer("10.0.0.1"), 0.0)


def test_lack_of_room_is_logged_once_in_a_while(capsys: pytest.CaptureFixture[str]) -> None:
    connections = Connections(max_connections=1, max_per_peer=None)
    for second in range(25):
        connections.enter(Peer(), float(second))
    assert capsys.readouterr().out.count("for lack of room") == 3


def test_small_unfinished_messages_are_held_even_when_large_ones_fill_the_server() -> None:
    unfinished = Unfinished(1000, always_bytes=100)
    unfinished.hold("a", 950)
    unfinished.hold("b", 100)
    with pytest.raises(Overloaded):
        unfinished.hold("c", 101)
    unfinished.hold("c", 0)
    unfinished.hold("a", 0)
    unfinished.hold("c", 800)
    assert unfinished.num_bytes == 900
    unfinished.hold("c", 0)
    unfinished.hold("b", 0)
    assert unfinished.num_bytes == 0


def test_a_body_is_refused_at_once_if_it_has_no_room_beside_what_is_held() -> None:
    unfinished = Unfinished(1000, always_bytes=100)
    unfinished.hold("a", 800)
    unfinished.check(100)
    unfinished.check(200)
    with pytest.raises(Overloaded):
        unfinished.check(201)
    assert unfinished.num_bytes == 800
