"""Events wait to be told, the most important first, and not for ever."""

from __future__ import annotations

from commentator_lib.commentary.event_queue import EventQueue, Noticed
from commentator_lib.events import Event


def noticed(number, importance, captured_s):
    return Noticed(number, Event("thing", captured_s, captured_s, importance), captured_s)


def test_the_most_important_come_first_and_of_these_the_oldest():
    queue = EventQueue()
    queue.add([noticed(0, 1, 1.0), noticed(1, 3, 2.0), noticed(2, 1, 0.5), noticed(3, 3, 1.5)])
    assert queue.importance(2.0) == 3
    assert [n.number for n in queue.take(2.0)] == [3, 1, 2, 0]
    assert queue.importance(2.0) == -1 and queue.take(2.0) == ()


def test_an_event_that_is_given_back_waits_once():
    queue = EventQueue()
    queue.add([noticed(0, 2, 1.0)])
    told = queue.take(1.0)
    queue.add(told)
    queue.add(told)
    assert len(queue.take(1.5)) == 1


def test_old_news_is_dropped_the_sooner_the_less_important():
    queue = EventQueue()
    queue.add([noticed(k, k, 0.0) for k in range(4)])
    left = {at_s: queue.importance(at_s) for at_s in (2.0, 4.0, 6.0, 10.0, 13.0)}
    assert left == {2.0: 3, 4.0: 3, 6.0: 3, 10.0: 3, 13.0: -1}
    queue.add([noticed(k, k, 20.0) for k in range(4)])
    assert [n.number for n in queue.take(26.0)] == [3, 2]


def test_the_queue_is_bounded():
    queue = EventQueue()
    queue.add(noticed(k, 3, 0.0) for k in range(1000))
    assert len(queue.take(0.0)) <= 6
    assert queue.take(0.0) == ()
