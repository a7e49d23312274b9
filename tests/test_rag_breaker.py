"""The circuit breaker against its definition, whatever happens in whatever order, and in many threads."""

from concurrent.futures import ThreadPoolExecutor

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from rag.breaker import Breaker, State, Ticket

FAILURES, REST = 3, 30.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Machine(RuleBasedStateMachine):
    """Requests go out and end as they like; what the breaker may do follows from what was told since it changed."""

    tickets = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = Breaker(FAILURES, REST, self.clock)
        self.row = 0  # failures in a row that count
        self.opened: float | None = None  # if it is open: when it may be tried
        self.trial: float | None = None  # if it is being tried: when that trial is taken for lost
        self.valid: set[int] = set()  # tickets whose outcome counts, by identity
        self.kept: list[Ticket] = []  # so that no identity is used twice

    @rule(seconds=st.sampled_from([0.0, 0.1, REST / 2, REST, 2 * REST]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(target=tickets)
    def ask(self) -> Ticket | None:
        ticket = self.breaker.enter()
        if self.opened is None and self.trial is None:
            assert ticket is not None
            assert not ticket.trial
        else:
            until = self.opened if self.trial is None else self.trial
            assert until is not None
            assert (ticket is not None) == (self.clock.now >= until)
            if ticket is not None:
                assert ticket.trial
                self.opened, self.trial = None, self.clock.now + REST
        if ticket is not None:
            self.valid.add(id(ticket))
            self.kept.append(ticket)
        return ticket

    @rule(ticket=consumes(tickets))
    def succeed(self, ticket: Ticket | None) -> None:
        if ticket is None:
            return
        self.breaker.succeeded(ticket)
        if id(ticket) in self.valid:
            self.row = 0
            if ticket.trial:
                self.trial, self.valid = None, set()

    @rule(ticket=consumes(tickets))
    def fail(self, ticket: Ticket | None) -> None:
        if ticket is None:
            return
        self.breaker.failed(ticket)
        if id(ticket) in self.valid:
            self.row += 1
            if ticket.trial or self.row == FAILURES:
                self.opened, self.trial, self.valid = self.clock.now + REST, None, set()

    @rule(ticket=consumes(tickets))
    def leave(self, ticket: Ticket | None) -> None:
        if ticket is None:
            return
        self.breaker.abandoned(ticket)
        if id(ticket) in self.valid and ticket.trial:
            self.opened, self.trial, self.valid = self.clock.now, None, set()

    @invariant()
    def it_says_what_it_does(self) -> None:
        waits = self.breaker.seconds()
        assert 0 <= waits <= REST
        state = State.TRYING if self.trial is not None else State.OPEN if self.opened is not None else State.CLOSED
        assert self.breaker.state is state
        if state is State.CLOSED:
            assert waits == 0


TestBreaker = Machine.TestCase
TestBreaker.settings = settings(deadline=None, stateful_step_count=40)


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(FAILURES, REST, clock)
    for _ in range(FAILURES):
        ticket = breaker.enter()
        assert ticket is not None
        breaker.failed(ticket)
    return breaker


def test_it_opens_at_the_last_failure_and_closes_after_one_trial() -> None:
    clock = Clock()
    breaker = opened(clock)
    assert breaker.enter() is None
    assert breaker.seconds() == REST
    clock.now += REST
    trial = breaker.enter()
    assert trial is not None
    assert trial.trial
    assert breaker.enter() is None
    breaker.succeeded(trial)
    assert breaker.state is State.CLOSED
    assert breaker.enter() is not None


def test_an_answer_to_an_old_request_does_not_close_it() -> None:
    clock = Clock()
    breaker = Breaker(FAILURES, REST, clock)
    slow = breaker.enter()
    assert slow is not None
    for _ in range(FAILURES):
        ticket = breaker.enter()
        assert ticket is not None
        breaker.failed(ticket)
    breaker.succeeded(slow)
    assert breaker.state is State.OPEN


def test_a_trial_that_never_tells_is_followed_by_another() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += REST
    lost = breaker.enter()
    clock.now += REST
    second = breaker.enter()
    assert lost is not None
    assert second is not None
    breaker.succeeded(lost)  # it was only slow: a server that takes longer than that still answers
    assert breaker.state is State.CLOSED


def test_of_many_threads_one_makes_the_trial() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += REST
    with ThreadPoolExecutor(16) as threads:
        tickets = list(threads.map(lambda _: breaker.enter(), range(200)))
    assert sum(ticket is not None for ticket in tickets) == 1
