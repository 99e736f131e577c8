"""Putting a consumer together from its settings: handler, failure policy, transaction, lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

from ..client.metadata.topic_ids import TopicIds
from ..client.metadata.topic_sizes import TopicSizes
from ..conf import get_settings
from ..conf.backends import why_unsupported
from ..conf.consumers import ConsumerSettings
from ..conf.problems import sentence
from ..dead_letters.parking import DeadLetters
from ..dead_letters.replay_requests import ReplayRequests
from ..dead_letters.retention import Retention
from ..errors import ConfigurationError, HandlerError
from ..message import Decoding, Message, RawMessage
from ..messages import RawMessages, objects_of
from ..observing.counts import Counts
from ..observing.handler_times import HandlerSeconds
from ..observing.log import Log
from ..observing.measures import Measures
from ..observing.observers import Observers
from ..observing.receivers import Receivers
from ..observing.time_spent import TimeSpent
from ..serialization import load_deserializer
from ..tracing import tracing_of
from .committing.claims import Claiming
from .committing.finished import FinishedOffsets
from .committing.saving import InOrder, NoOffsets, Saving, SideBySide
from .committing.store import OffsetStore
from .coroutines.awaiting import AwaitEachMessage, AwaitWholeBatch
from .coroutines.partition_turns import PartitionTurns
from .coroutines.pool import Coroutines
from .coroutines.work import CoroutineWork
from .failing.ending import Endings
from .failing.failure_policy import FailurePolicy
from .handling.deduplication import Deduplicator
from .handling.invoking import EachMessage, Invoker, WholeBatch
from .handling.loading import Handler, batch_refusal, load_handler
from .handling.measured import MeasuredWork
from .handling.plain import PlainWork
from .handling.tracing import spans_of, traced
from .handling.transactional import TransactionalWork
from .lanes.crew import Crew
from .lanes.event_loop import EventLoop
from .lanes.housekeeping import Housekeeping
from .lanes.lane import Lane
from .lanes.pool import Lanes, Pool
from .lanes.tasks import Tasks
from .lanes.turns import Turns
from .lanes.work import LaneWork, Work
from .replaying.replayer import Replayer
from .replaying.watch import LaneReplays, Ownership, ReplayWatch


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a loop runs with."""

    settings: ConsumerSettings
    counts: Counts
    time_spent: TimeSpent
    observers: Observers
    messages_of: Callable[[list[RawMessage]], Sequence[Message]]
    """What the lanes are given of the client's messages; made of them only when it is needed, where that pays."""
    handler: Handler
    work: Work
    coroutine_work: CoroutineWork | None
    """The same on an event loop, where that can be."""
    claiming: Claiming | None
    make_tasks: Callable[[], Tasks]
    retention: Retention

    def make_pool(self, on_fault: Callable[[BaseException], None], on_room: Callable[[], None]) -> Pool:
        """Who runs its handlers: threads, each for its partitions or all for the shards of all, or coroutines."""
        name, count = self.settings.name, self.settings.concurrency
        if self.coroutine_work is not None:
            return self._make_coroutines(self.coroutine_work, on_fault, on_room)
        if self.settings.ordering != "partition":
            tasks = self.make_tasks()
            return Crew(name, count, self._make_work, on_fault=on_fault, on_room=on_room, tasks=tasks)
        return Lanes(count, lambda number: self._make_lane(f"{name}-{number}", on_fault, on_room))

    def _make_coroutines(
        self, work: CoroutineWork, on_fault: Callable[[BaseException], None], on_room: Callable[[], None]
    ) -> Coroutines:
        settings = self.settings
        return Coroutines(
            settings.name,
            settings.concurrency,
            work,
            PartitionTurns(settings.batch_size) if settings.ordering == "partition" else Turns(),
            make_tasks=self.make_tasks,
            retention=self.retention,
            on_fault=on_fault,
            on_room=on_room,
        )

    def _make_lane(self, name: str, on_fault: Callable[[BaseException], None], on_room: Callable[[], None]) -> Lane:
        return Lane(
            name,
            self._make_work(name),
            batch_size=self.settings.batch_size,
            on_fault=on_fault,
            on_room=on_room,
            tasks=self.make_tasks(),
        )

    def _make_work(self, name: str) -> LaneWork:
        """What a lane does, with what is around that."""
        event_loop = EventLoop(name) if self.handler.is_async else None
        return Housekeeping(self.work, self.retention, event_loop)


def assemble(settings: ConsumerSettings, measures: Measures | None = None) -> Parts:
    """The parts of one consumer; ``HandlerError`` if its handler can't be loaded, ``ConfigurationError`` if it has no
    database that can keep what it has to keep. With ``measures`` these are told what it does."""
    if (settings.offset_storage == "database" or settings.deduplicate) and (
        reason := why_unsupported(settings.database)
    ):
        raise ConfigurationError(
            [f'consumer {settings.name}: its database is "{settings.database}", {sentence(reason)}']
        )
    counts = Counts() if measures is None else measures.counts
    time_spent = TimeSpent() if measures is None else measures
    tracing = tracing_of(wanted=settings.tracing)
    spans = None if tracing is None else spans_of(settings, tracing)
    listening = [each for each in (measures, spans) if each is not None]
    observers = Observers(counts, *listening, Receivers(settings.name), Log(settings.name, settings.consumer_group))
    store, claiming = None, None
    topic_ids = TopicIds(settings.connection)
    if settings.offset_storage == "database":
        store = offset_store_of(settings)
        claiming = Claiming(consumer=settings.name, store=store, topic_ids=topic_ids)
    decoding = decoding_of(settings)
    handler = load_handler(settings.message_handler)
    if tracing is not None:
        handler = traced(handler, settings, tracing)
    if handler.takes_batch and settings.ordering != "partition":
        raise HandlerError(batch_refusal(settings.ordering, handler.path))
    work = make_work(
        settings, handler=handler, store=store, observers=observers, topic_ids=topic_ids, time_spent=time_spent
    )
    return Parts(
        settings=settings,
        counts=counts,
        time_spent=time_spent,
        observers=observers,
        messages_of=partial(RawMessages if handler.takes_batch else objects_of, decoding=decoding),
        handler=handler,
        work=MeasuredWork(work, time_spent) if isinstance(work, TransactionalWork) else work,
        coroutine_work=_coroutine_work(settings, handler, work, time_spent.handler_times, decoding.is_placed),
        claiming=claiming,
        make_tasks=_replays(settings, observers, store, handler, decoding),
        retention=Retention(settings, get_settings()),
    )


def decoding_of(settings: ConsumerSettings) -> Decoding:
    """How the consumer's keys and values are read."""
    return Decoding(
        key=load_deserializer(settings.key_deserializer), value=load_deserializer(settings.value_deserializer)
    )


def offset_store_of(settings: ConsumerSettings) -> OffsetStore:
    """Where a consumer with ``"offset_storage": "database"`` keeps its offsets."""
    lanes = 0 if settings.ordering == "partition" else settings.concurrency
    return OffsetStore(database=settings.database, group=settings.consumer_group, lanes=lanes)


def make_work(
    settings: ConsumerSettings,
    *,
    handler: Handler,
    store: OffsetStore | None,
    observers: Observers,
    topic_ids: TopicIds | None = None,
    time_spent: TimeSpent | None = None,
) -> PlainWork | TransactionalWork:
    """What the consumer's lanes do with messages."""
    times = None if time_spent is None else time_spent.handler_times
    is_plain = store is None and not settings.deduplicate
    endings = Endings(
        consumer=settings.name,
        group=settings.consumer_group,
        policy=FailurePolicy.of(settings),
        parking=DeadLetters(settings),
        observers=observers,
        topic_ids=topic_ids,
        writing=nullcontext if time_spent is None or not is_plain else partial(time_spent.spending, "database"),
    )
    if is_plain:
        return PlainWork(
            invoker=_invoker(handler, handler.call, settings.ordering == "partition", times),
            endings=endings,
            observers=observers,
        )
    call, deduplicator = handler.call, None
    if settings.deduplicate:
        deduplicator = Deduplicator(
            database=settings.database, group=settings.consumer_group, observers=observers, topic_ids=topic_ids
        )
        call = deduplicator.batch(call) if handler.takes_batch else deduplicator.each(call)
    return TransactionalWork(
        invoker=_invoker(handler, call, False, times),
        endings=endings,
        observers=observers,
        database=settings.database,
        saving=_saving(settings, store),
        shares=settings.transaction == "batch",
        deduplicator=deduplicator,
    )


def _coroutine_work(
    settings: ConsumerSettings,
    handler: Handler,
    work: PlainWork | TransactionalWork,
    times: HandlerSeconds,
    reads_ahead: bool,
) -> CoroutineWork | None:
    """None where a handler isn't async, or its effects are in a transaction of ours, which is a thread's."""
    if handler.begin is None or not isinstance(work, PlainWork):
        return None
    shape = AwaitWholeBatch if handler.takes_batch else AwaitEachMessage
    awaiter = shape(handler.begin, path=handler.path, may_hold_back=settings.ordering == "partition", times=times)
    return CoroutineWork(path=handler.path, plain=work, awaiter=awaiter, reads_ahead=reads_ahead)


def _saving(settings: ConsumerSettings, store: OffsetStore | None) -> Saving:
    if store is None:
        return NoOffsets(settings.database)
    return InOrder(store) if settings.ordering == "partition" else SideBySide(FinishedOffsets(store))


def _replays(
    settings: ConsumerSettings, observers: Observers, store: OffsetStore | None, handler: Handler, decoding: Decoding
) -> Callable[[], Tasks]:
    """What makes the tasks of a lane: all lanes look for replays as one, and each does its own."""
    group, name = settings.consumer_group, settings.name
    others = {other.name for other in get_settings().consumers.values() if other.consumer_group == group} - {name}
    requests = ReplayRequests(database=settings.database, group=group, others=others)
    is_plain = store is None and not settings.deduplicate
    deduplicator = None
    if settings.deduplicate:
        deduplicator = Deduplicator(database=settings.database, group=group, observers=observers)
    replayer = Replayer(
        consumer=name,
        requests=requests,
        invoker=_invoker(handler, handler.call, is_plain and settings.ordering == "partition"),
        decoding=decoding,
        observers=observers,
        database=None if is_plain else settings.database,
        store=store,
        deduplicator=deduplicator,
    )
    watch = ReplayWatch(name, requests, Ownership(settings.topics, TopicSizes(settings.connection)))
    return lambda: LaneReplays(requests, replayer, watch)


def _invoker(
    handler: Handler, call: Callable[..., object], may_hold_back: bool, times: HandlerSeconds | None = None
) -> Invoker:
    shape = WholeBatch if handler.takes_batch else EachMessage
    return shape(call, path=handler.path, may_hold_back=may_hold_back, times=times)
