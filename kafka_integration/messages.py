"""``Messages``: what a batch handler is given, and what it is made of when somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, overload

from .message import Decoding, Message, RawMessage
from .placed_message import kind_of, message_of


class Messages(list[Message]):
    """The messages of a batch, as ``handle_messages`` gets them: a list, and the handler's own to change.

    Of its columns ``values()``, ``keys()`` and ``offsets()`` make no ``Message`` objects while nobody has looked at
    one, which is quicker by half. A test may make one of any messages. It belongs to the handler and is not locked.
    """

    __slots__ = ("_raws",)

    _raws: RawMessages
    """What an ``_Unread`` one is made of."""

    def values(self) -> list[Any]:
        """The decoded values, None for a tombstone; ``DecodeError`` if the deserializer can't read one."""
        return [message.value for message in self]

    def keys(self) -> list[Any]:
        """The decoded keys, None where there is none; ``DecodeError`` if the deserializer can't read one."""
        return [message.key for message in self]

    def offsets(self) -> list[int]:
        """Their offsets, ascending as long as nobody has reordered them."""
        return [message.offset for message in self]


class RawMessages(Sequence[Message]):
    """Consecutive messages as the client handed them out: objects are made when somebody looks, each once.

    One at a time is at work with it: the loop, and then the lane.
    """

    __slots__ = ("_decoding", "_made", "_raws", "_seen")

    def __init__(self, raws: list[RawMessage], decoding: Decoding) -> None:
        self._raws = raws
        self._decoding = decoding
        self._made: list[Message] | None = None
        self._seen: dict[int, Message] = {}

    def __len__(self) -> int:
        return len(self._raws)

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | Sequence[Message]:
        if self._made is not None:
            return self._made[index]
        if isinstance(index, slice):
            return RawMessages(self._raws[index], self._decoding)
        place = range(len(self._raws))[index]
        if place not in self._seen:
            self._seen[place] = message_of(self._raws[place], self._decoding)
        return self._seen[place]

    def made(self) -> list[Message]:
        """An object for each: those that were looked at before are the same ones."""
        if self._made is None:
            self._made = objects_of(self._raws, self._decoding)
            for place, message in self._seen.items():
                self._made[place] = message
        return self._made

    def joined(self, other: RawMessages) -> Sequence[Message]:
        """These and then those, of the same consumer."""
        if self._made is None and other._made is None:
            return RawMessages(self._raws + other._raws, self._decoding)
        return self.made() + other.made()

    def values(self) -> list[Any]:
        if self._made is not None or self._decoding.is_placed:
            return [message.value for message in self.made()]
        values = _column(self._raws, "value")
        try:
            return _decoded(values, self._decoding.value)  # type: ignore[arg-type]  # no PlacedCodec
        except Exception:  # noqa: BLE001 - a deserializer may raise whatever it likes, and a message can tell of it
            return [message.value for message in self.made()]

    def keys(self) -> list[Any]:
        if self._made is not None or self._decoding.is_placed:
            return [message.key for message in self.made()]
        keys = _column(self._raws, "key")
        try:
            return _decoded(keys, self._decoding.key)  # type: ignore[arg-type]  # no PlacedCodec
        except Exception:  # noqa: BLE001 - as above
            return [message.key for message in self.made()]

    def offsets(self) -> list[int]:
        return _column(self._raws, "offset")


class _Unread(Messages):
    """One of which nobody has looked at a message yet; whoever does makes a plain ``Messages`` of it, in place.

    What C code does with lists behind their methods would find it empty: it is for handlers, which are Python.
    """

    __slots__ = ()

    def __len__(self) -> int:
        return len(self._raws)

    def fill(self) -> None:
        raws = self._raws
        del self._raws
        # It has the same layout, and list's own quick methods.
        self.__class__ = Messages  # type: ignore[assignment]  # what it is from now on
        self.extend(raws.made())

    def __radd__(self, other: list[Any]) -> list[Any]:
        # list's own + would look into this one behind its methods.
        return [*other, *self]

    def values(self) -> list[Any]:
        return self._raws.values()

    def keys(self) -> list[Any]:
        return self._raws.keys()

    def offsets(self) -> list[int]:
        return self._raws.offsets()


def objects_of(raws: Iterable[RawMessage], decoding: Decoding) -> list[Message]:
    """A ``Message`` for each of the client's."""
    kind = kind_of(decoding)
    return [kind(raw, decoding) for raw in raws]


def joined(first: Sequence[Message], second: Sequence[Message]) -> Sequence[Message]:
    """The messages of both, with no more objects made than there were."""
    if isinstance(first, RawMessages) and isinstance(second, RawMessages):
        return first.joined(second)
    return [*first, *second]


def for_handler(messages: Sequence[Message]) -> Messages:
    """A list of a handler's own: it may empty it, and ours says what is finished. The messages in it are the same."""
    if not isinstance(messages, RawMessages):
        return Messages(messages)
    unread = _Unread()
    unread._raws = messages
    return unread


def _column(raws: list[RawMessage], method: str) -> list[Any]:
    """What a method of each gives."""
    try:
        # Called by C, on messages of one class, which takes half as long.
        return list(map(getattr(type(raws[0]), method), raws))
    except (AttributeError, TypeError):
        return [getattr(raw, method)() for raw in raws]


def _decoded(items: list[Any], decode: Callable[[bytes], Any]) -> list[Any]:
    if decode is bytes:
        return items
    return [None if item is None else decode(item) for item in items]


def _looking(name: str) -> Callable[..., Any]:
    method = getattr(list, name)

    def look(self: _Unread, *args: Any, **options: Any) -> Any:
        self.fill()
        return method(self, *args, **options)

    return look


_LOOKS = (
    *("__add__", "__contains__", "__delitem__", "__eq__", "__ge__", "__getitem__", "__gt__", "__iadd__", "__imul__"),
    *("__iter__", "__le__", "__lt__", "__mul__", "__ne__", "__reduce_ex__", "__repr__", "__reversed__", "__rmul__"),
    *("__setitem__", "append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse"),
    "sort",
)
for _name in _LOOKS:
    setattr(_Unread, _name, _looking(_name))
