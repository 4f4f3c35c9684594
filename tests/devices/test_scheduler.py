from hypothesis import given
from hypothesis import strategies as st

from devices.scheduler import Event, Move, Scheduler


def popped(scheduler: Scheduler, now: int) -> list[tuple[str, str]]:
    events = []
    while event := scheduler.pop_due(now):
        events.append((event.owner, event.name))
    return events


def test_events_come_by_due_time_then_by_order_of_scheduling():
    scheduler = Scheduler()
    scheduler.schedule("b", "later", 20)
    scheduler.schedule("z", "first", 10)
    scheduler.schedule("a", "second", 10)
    assert scheduler.next_due() == 10
    assert popped(scheduler, 9) == []
    assert popped(scheduler, 20) == [("z", "first"), ("a", "second"), ("b", "later")]
    assert scheduler.next_due() is None


def test_scheduling_a_pending_name_moves_it_behind_others_due_at_the_same_time():
    scheduler = Scheduler()
    timer = scheduler.timer("pit")
    timer.schedule("out", 10)
    scheduler.schedule("rtc", "alarm", 10)
    timer.schedule("out", 10)
    assert popped(scheduler, 10) == [("rtc", "alarm"), ("pit", "out")]


def test_moving_the_first_event_back_uncovers_the_next():
    scheduler = Scheduler()
    scheduler.schedule("a", "x", 10)
    scheduler.schedule("b", "y", 15)
    scheduler.schedule("a", "x", 30)
    assert scheduler.next_due() == 15


def test_cancelling_an_unknown_name_does_nothing():
    scheduler = Scheduler()
    scheduler.cancel("a", "x")
    scheduler.schedule("a", "x", 10)
    scheduler.timer("b").cancel("x")
    assert scheduler.next_due() == 10
    scheduler.timer("a").cancel("x")
    assert scheduler.next_due() is None


def test_on_scheduled_hears_of_every_deadline_that_is_set():
    heard: list[Event] = []
    scheduler = Scheduler(heard.append)
    scheduler.schedule("a", "x", 10)
    scheduler.schedule("b", "y", 20)
    scheduler.schedule("b", "y", 5)
    assert heard == [Event(10, 0, "a", "x"), Event(20, 1, "b", "y"), Event(5, 2, "b", "y")]


def test_no_deadline_comes_before_not_before():
    heard: list[Event] = []
    scheduler = Scheduler(heard.append)
    scheduler.not_before = 100
    scheduler.schedule("a", "x", 10)
    scheduler.schedule("b", "y", 150)
    assert [event.due for event in scheduler.events()] == [100, 150]
    assert [event.due for event in heard] == [100, 150]


def test_first_deadline_besides_others():
    scheduler = Scheduler()
    assert scheduler.next_due_besides({("a", "x")}) is None
    scheduler.schedule("a", "x", 10)
    assert scheduler.next_due_besides({("a", "x")}) is None
    scheduler.schedule("b", "y", 20)
    scheduler.schedule("c", "x", 30)
    assert scheduler.next_due_besides({("a", "x")}) == 20
    assert scheduler.next_due_besides({("b", "y")}) == 10
    assert scheduler.next_due_besides({("a", "y")}) == 10
    assert scheduler.next_due_besides({("a", "x"), ("b", "y")}) == 30


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 50)), max_size=8), st.sets(st.sampled_from("ab")))
def test_deadlines_that_moved_elsewhere_are_as_if_they_had_come_and_been_set_here(sets, stops):
    here, elsewhere = Scheduler(), Scheduler()
    for scheduler in (here, elsewhere):
        for owner in "abc":
            scheduler.schedule(owner, "x", 10)
    last = {}
    for number, (owner, due) in enumerate(sets, 1):
        here.schedule(owner, "x", due)
        last[owner] = (number, due)
    for owner in stops:
        here.cancel(owner, "x")
        last[owner] = (last.get(owner, (0, 0))[0], None)
    moves = [Move(owner, "x", *last.get(owner, (0, 10))) for owner in "ab"]
    elsewhere.moved(len(sets), *moves)
    assert elsewhere.save() == here.save()
    assert elsewhere.next_due() == here.next_due()


steps = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.one_of(st.none(), st.integers(0, 50))),
    max_size=30,
)


@given(steps)
def test_the_first_deadline_is_always_the_least(script):
    scheduler = Scheduler()
    model: dict[tuple[str, str], int] = {}
    for owner, name, due in script:
        if due is None:
            scheduler.cancel(owner, name)
            model.pop((owner, name), None)
        else:
            scheduler.schedule(owner, name, due)
            model[owner, name] = due
        assert scheduler.next_due() == min(model.values(), default=None)


@given(steps)
def test_a_restored_scheduler_goes_on_in_the_same_way(script):
    first, second = Scheduler(), Scheduler()
    for owner, name, due in script:
        first.schedule(owner, name, due or 0)
    second.restore(first.save())
    for scheduler in (first, second):
        scheduler.schedule("d", "z", 25)
    assert first.save() == second.save()
    assert popped(first, 100) == popped(second, 100)
