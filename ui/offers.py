"""What is offered once an answer stands: questions to go on with, or after a refusal some that can be answered.

They are made after the answer was shown, a check at a time, and each waits for its turn at the model: who asks
something meanwhile waits for one check at most, and nothing of an earlier answer is offered any more.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Iterator

from corpus.errors import FootnotedError
from corpus.filters import Filter
from corpus.insight import Insight
from rag.datatypes import Answer, Status
from ui import asking_view as view
from ui.handlers import Desk, Switch, Talk
from ui.record import number
from ui.suggest import candidates, checking, suggestions

NEAR = 3  # neighbours of each cited insight that questions are made of
MADE_OF = 12  # insights at most

log = logging.getLogger(__name__)


async def offers(desk: Desk, talk: Talk, switch: Switch, filters: Filter) -> AsyncGenerator[str, None]:
    """The offers under the last answer as HTML, growing: first none, so that those of the answer before are gone."""
    yield ""
    exchange = talk.exchanges[-1] if talk.exchanges else None
    if exchange is None or exchange.answer is None or not exchange.done or switch.busy:
        return
    answer, run, gone = exchange.answer, switch.run, threading.Event()
    refused = answer.status is Status.NOT_IN_LIBRARY

    def stopped() -> bool:
        return gone.is_set() or switch.run != run

    def check(question: str, insight: Insight) -> bool:
        with desk.model(stopped) as held:
            return held and not stopped() and checking(desk.engine.quoted, filters)(question, insight)

    made = candidates(_insights(desk, answer, refused))
    asked = [earlier.question for earlier in talk.exchanges]
    questions = suggestions(made, asked, check)
    found: list[str] = []
    try:
        while (question := await asyncio.to_thread(_next, questions)) and not stopped():
            found.append(question)
            yield view.offers(found, refused, exchange.question)
    except FootnotedError:
        log.warning("no questions are offered", exc_info=True)
    except Exception:  # they are an extra: the answer stands
        log.exception("offering questions failed")
    finally:
        gone.set()


def _next(questions: Iterator[str]) -> str:
    return next(questions, "")


def _insights(desk: Desk, answer: Answer, refused: bool) -> Iterator[Insight]:
    """After a refusal the nearest ones; after an answer the neighbours of what it cites, then what was also read."""
    cited = set(number(answer)) if not refused else set[str]()
    given: set[str] = set(cited)
    hits = [*answer.nearest, *answer.hits] if refused else []
    for insight_id in cited:
        hits += desk.engine.related(insight_id, NEAR)
    for hit in [*hits, *answer.hits]:
        if hit.insight.insight_id not in given and len(given) < MADE_OF + len(cited):
            given.add(hit.insight.insight_id)
            yield hit.insight
