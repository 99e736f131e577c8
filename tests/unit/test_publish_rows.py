"""``@publishes`` where the truth is hard to tell: hidden rows, stale rows, parents, an own ``save_base``."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, models, transaction
from django.db.models import F, Value
from django.db.models.signals import post_save, pre_delete
from django.test.utils import CaptureQueriesContext

from kafka_integration import ConfigurationError, InvalidMessageError, publish_instances, publishes
from kafka_integration.models import OutboxMessage
from tests.waiting import wait_for
from tests.warehouse.models import (
    Amphibian,
    Anvil,
    Boat,
    Box,
    Car,
    ColdPallet,
    Crate,
    FrozenPallet,
    Item,
    Leaf,
    Mark,
    Marking,
    OwnSaving,
    Pallet,
    Place,
    Tracked,
    Twig,
)

pytestmark = pytest.mark.usefixtures("warehouse")


def take_events() -> list[tuple[str, Any]]:
    rows = list(OutboxMessage.objects.order_by("id"))
    OutboxMessage.objects.all().delete()
    return [(dict(row.headers)["ce_type"], json.loads(bytes(row.value))) for row in rows]


def everything(model: Any) -> Any:
    """Past the managers of the model."""
    return models.QuerySet(model)


# --- Rows that a manager hides, and rows that aren't there


def test_a_row_that_the_base_manager_hides_is_told_of_all_the_same() -> None:
    box = Box.objects.create(name="a")
    box.name, box.deleted = "never saved", True
    box.save(update_fields=["deleted"])
    everything(Box).only("pk").get().delete()

    assert take_events() == [
        ("warehouse.box.created", {"name": "a", "deleted": False}),
        ("warehouse.box.updated", {"name": "a", "deleted": True}),
        ("warehouse.box.deleted", {"name": "a", "deleted": True}),
    ]


def test_an_expression_is_what_it_became() -> None:
    crate = Crate.objects.create(name=Value("y"))

    assert crate.shape == "Y"
    assert ("warehouse.crate.created", {"name": "y"}) in take_events()


def test_a_deletion_tells_what_the_database_had_and_not_what_was_assigned_since() -> None:
    pallet = Pallet.objects.create(name="a")
    take_events()

    pallet.name = "never saved"
    pallet.delete()

    assert take_events() == [("warehouse.pallet.deleted", {"name": "a"})]


def test_a_deletion_after_an_expression_is_told_of() -> None:
    pallet = Pallet.objects.create(name="a")
    take_events()

    pallet.name = F("name")
    pallet.delete()

    assert take_events() == [("warehouse.pallet.deleted", {"name": "a"})]


def test_two_deletions_of_one_row_are_told_of_once() -> None:
    Pallet.objects.create(name="a")
    first, second = Pallet.objects.get(), Pallet.objects.get()
    take_events()

    first.delete()
    second.delete()

    assert [event for event, _ in take_events()] == ["warehouse.pallet.deleted"]


def test_what_a_receiver_saves_before_the_deletion_is_what_was_deleted() -> None:
    def rename(instance: Any, **kwargs: Any) -> None:
        instance.name = "farewell"
        instance.save()

    pallet = Pallet.objects.create(name="a")
    pre_delete.connect(rename, sender=Pallet)
    take_events()
    try:
        pallet.delete()
    finally:
        pre_delete.disconnect(rename, sender=Pallet)

    assert take_events() == [
        ("warehouse.pallet.updated", {"name": "farewell"}),
        ("warehouse.pallet.deleted", {"name": "farewell"}),
    ]


def test_a_deletion_leaves_nothing_on_the_instance() -> None:
    pallet = ColdPallet.objects.create(name="a")
    before = set(vars(pallet))

    pallet.save()
    pallet.delete()

    assert set(vars(pallet)) == before


@pytest.mark.django_db(transaction=True)
def test_a_row_that_cant_be_read_is_an_error_and_its_save_is_undone() -> None:
    def remove(instance: Any, **kwargs: Any) -> None:
        everything(Pallet).filter(pk=instance.pk)._raw_delete("default")

    receivers = list(post_save.receivers)
    post_save.receivers.clear()
    post_save.connect(remove, sender=Pallet)
    post_save.receivers += receivers
    post_save.sender_receivers_cache.clear()
    try:
        with pytest.raises(InvalidMessageError, match=r"warehouse\.Pallet with the primary key \d+ can't be read"):
            Pallet.objects.create(name="a")
    finally:
        post_save.disconnect(remove, sender=Pallet)

    assert not everything(Pallet).exists()
    assert take_events() == []


# --- By hand


def test_bulk_create_is_published_as_the_database_has_it() -> None:
    crates = Crate.objects.bulk_create([Crate(name=Value("a")), Crate(name="b")])

    publish_instances(crates, event="created")

    assert [value for _, value in take_events() if "shape" in value] == [{"shape": "A"}, {"shape": "B"}]


def test_rows_are_read_with_one_query_for_each_declaration() -> None:
    pallets = Pallet.objects.bulk_create([Pallet(name=str(n)) for n in range(200)])

    with CaptureQueriesContext(connection) as queries:
        publish_instances([*pallets, *pallets[:100]])

    assert len([query for query in queries if query["sql"].startswith("SELECT")]) == 1
    assert len(take_events()) == 300


def test_a_row_is_found_by_a_primary_key_as_it_was_assigned() -> None:
    pallet = Pallet.objects.create(name="a")
    take_events()

    publish_instances([Pallet(pk=str(pallet.pk))])

    assert take_events() == [("warehouse.pallet.updated", {"name": "a"})]


def test_a_row_is_found_by_a_primary_key_that_is_an_expression() -> None:
    pallet = Pallet(pk=Value(4711), name="a")
    pallet.save()
    publish_instances([Pallet(pk=Value(4711))])
    pallet.delete()

    value = {"name": "a"}
    assert take_events() == [(f"warehouse.pallet.{event}", value) for event in ("created", "updated", "deleted")]


@pytest.mark.parametrize("event", ["created", "updated"])
def test_a_row_that_isnt_there_is_not_published(event: str) -> None:
    with pytest.raises(InvalidMessageError, match=r"warehouse\.Pallet with the primary key 700000 can't be read"):
        publish_instances([Pallet.objects.create(name="a"), Pallet(pk=700_000, name="guessed")], event=event)

    assert [event for event, _ in take_events()] == ["warehouse.pallet.created"]


def test_a_row_that_is_deleted_already_is_published_as_it_was_loaded() -> None:
    Pallet.objects.create(name="a")
    loaded = list(Pallet.objects.all())
    everything(Pallet).all()._raw_delete("default")
    take_events()

    publish_instances(loaded, event="deleted")

    assert take_events() == [("warehouse.pallet.deleted", {"name": "a"})]


def test_a_row_that_is_deleted_already_and_was_never_loaded_is_refused() -> None:
    Pallet.objects.create(name="a")
    loaded = list(Pallet.objects.only("pk"))
    everything(Pallet).all()._raw_delete("default")

    with pytest.raises(InvalidMessageError, match="before it is deleted"):
        publish_instances(loaded, event="deleted")


# --- One act, one event in a topic


def test_an_abstract_model_may_declare_the_topic_of_its_abstract_base_anew() -> None:
    anvil = Anvil.objects.create(name="a", weight=3)
    anvil.delete()

    assert take_events() == [
        ("warehouse.anvil.created", {"name": "a", "weight": 3}),
        ("warehouse.anvil.deleted", {"name": "a", "weight": 3}),
    ]


@pytest.mark.parametrize("model", [ColdPallet, FrozenPallet])
@pytest.mark.parametrize("deleted_as", [Pallet, ColdPallet])
def test_a_child_that_declares_its_parents_topic_is_told_of_once(model: Any, deleted_as: Any) -> None:
    pallet = model.objects.create(name="a", degrees=3)
    pallet.save()
    deleted_as.objects.get().delete()

    value = {"name": "a", "degrees": 3}
    assert take_events() == [(f"warehouse.coldpallet.{event}", value) for event in ("created", "updated", "deleted")]


@pytest.mark.parametrize("deleted_as", [Amphibian, Car, Boat])
def test_a_child_of_two_parents_that_declare_one_topic_is_told_of_once(deleted_as: Any) -> None:
    amphibian = Amphibian.objects.create()
    amphibian.save()
    deleted_as.objects.get().delete()

    value = {"wheels": 4}
    assert take_events() == [(f"warehouse.car.{event}", value) for event in ("created", "updated", "deleted")]


def test_a_parent_without_a_child_is_told_of_as_itself() -> None:
    Pallet.objects.create(name="a").delete()

    assert [event for event, _ in take_events()] == ["warehouse.pallet.created", "warehouse.pallet.deleted"]


def test_a_model_may_declare_a_topic_twice_for_different_events() -> None:
    crate = Crate.objects.create(name="a")
    pk = crate.pk
    crate.delete()

    assert take_events() == [
        ("warehouse.crate.created", {"shape": "A"}),
        ("warehouse.crate.created", {"name": "a"}),
        ("warehouse.crate.deleted", {"id": pk}),
    ]


def test_a_model_that_declares_one_event_of_a_topic_twice_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="@publishes on Crate: topic 'crates' has created twice"):
        publishes("crates", fields=("id",), on=("created", "updated"))(Crate)


# --- Children and parents


def test_a_child_attached_to_an_existing_parent_updates_it() -> None:
    twig = Twig.objects.create(name="a")
    Leaf(twig_ptr=twig, name="b", colour="green").save()

    assert take_events() == [("warehouse.twig.created", {"name": "a"}), ("warehouse.twig.updated", {"name": "b"})]


def test_a_child_made_with_its_parent_creates_both() -> None:
    leaf = Leaf.objects.create(name="a", colour="green")
    leaf.save()
    Leaf(pk=4711, name="b", colour="red").save()

    assert [event for event, _ in take_events()] == [
        "warehouse.twig.created",
        "warehouse.twig.updated",
        "warehouse.twig.created",
    ]


# --- What Django writes without signals


def test_what_django_updates_for_set_null_is_left_to_publish_instances() -> None:
    owner = Twig.objects.create(name="a")
    marking = Marking.objects.create(item=Item.objects.create(), mark=Mark.objects.create(name="m"), owner=owner)
    take_events()

    owner.delete()
    publish_instances([marking])

    assert take_events() == [
        ("warehouse.twig.deleted", {"name": "a"}),
        ("warehouse.marking.updated", {"item": marking.item_id, "mark": marking.mark_id, "owner": None}),
    ]


def test_of_a_through_model_only_what_is_removed_is_told() -> None:
    item, mark = Item.objects.create(), Mark.objects.create(name="m")

    item.marks.add(mark)
    item.marks.remove(mark)
    item.marks.set([mark])
    item.marks.clear()

    assert [event for event, _ in take_events()] == ["warehouse.marking.deleted"] * 2


# --- A primary key of several columns


def test_a_row_with_a_composite_primary_key_is_told_of() -> None:
    place = Place.objects.create(aisle="A", number="1", name=Value("x"))
    place.name = "never saved"
    publish_instances([place, Place(pk=("A", 1))])
    place.delete()

    value = {"aisle": "A", "name": "x"}
    events = ("created", "updated", "updated", "deleted")
    assert take_events() == [(f"warehouse.place.{event}", value) for event in events]


# --- A row that may be deleted and not updated


@pytest.mark.server_database
def test_a_deletion_is_told_of_where_a_policy_forbids_updates() -> None:
    pallet = Pallet.objects.create(name="a")
    take_events()

    # All of it is undone with the test's transaction.
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE kafka_clerk")
        cursor.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO kafka_clerk")
        cursor.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO kafka_clerk")
        cursor.execute("ALTER TABLE warehouse_pallet ENABLE ROW LEVEL SECURITY")
        cursor.execute("CREATE POLICY seen ON warehouse_pallet FOR SELECT USING (true)")
        cursor.execute("CREATE POLICY deleted ON warehouse_pallet FOR DELETE USING (true)")
        cursor.execute("SET LOCAL ROLE kafka_clerk")
    pallet.delete()

    assert not everything(Pallet).exists()
    assert take_events() == [("warehouse.pallet.deleted", {"name": "a"})]


# --- Two at a time


@pytest.mark.server_database
@pytest.mark.django_db(transaction=True)
def test_two_transactions_that_delete_one_row_tell_of_it_once() -> None:
    Pallet.objects.create(name="a")
    take_events()
    mine, theirs = Pallet.objects.get(), Pallet.objects.get()

    with ThreadPoolExecutor(1) as another:
        with transaction.atomic():
            mine.delete()
            late = another.submit(_delete, theirs)
            wait_for(_somebody_waits_for_a_lock, 30, "the other deletion waits")
        late.result(30)

    assert [event for event, _ in take_events()] == ["warehouse.pallet.deleted"]


def _delete(instance: Any) -> None:
    try:
        instance.delete()
    finally:
        connection.close()


def _somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


# --- `save_base` of the model's own


def test_a_model_whose_save_base_takes_names_can_be_saved() -> None:
    saved = OwnSaving.objects.create(name="a")
    saved.save(update_fields=["name"])

    assert [event for event, _ in take_events()] == ["warehouse.ownsaving.created", "warehouse.ownsaving.updated"]


def test_what_tracks_changes_sees_what_a_save_was_asked_to_save() -> None:
    row = Tracked.objects.create(name="a")

    row.save(update_fields=["note"])

    assert row.seen == ((), frozenset({"note"}))


def test_save_base_called_by_position_is_passed_on_by_position() -> None:
    row = Tracked(name="a")

    row.save_base(False, True, False, "default")

    assert row.seen[0] == (False, True, False, "default")
    assert [event for event, _ in take_events()] == ["warehouse.tracked.created"]


def test_a_fixture_by_position_publishes_nothing() -> None:
    Tracked(name="a").save_base(True)

    assert take_events() == []


# --- What it costs


def test_a_save_and_a_deletion_read_the_row_once(django_assert_num_queries: Callable[..., Any]) -> None:
    with django_assert_num_queries(3):
        pallet = Pallet.objects.create(name="a")

    with CaptureQueriesContext(connection) as queries:
        everything(Crate).filter(pk=Crate.objects.create(name="b").pk).get().delete()

    assert pallet.pk
    # One for both topics at the creation, one of the test's own, one before the deletion.
    assert len([query for query in queries if query["sql"].startswith("SELECT")]) == 3
