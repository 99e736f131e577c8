"""The processes of consumers and relays, with what they can be asked to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import DELETION
from django.core.exceptions import BadRequest
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from ...conf import get_settings
from ...models import Process, ProcessCommand
from ...operating.presence.asking import Answer, Order, ask, ask_all, process_of
from ...operating.presence.listing import list_processes
from ...operating.presence.row import database_of_processes, forget_lost
from ...operating.typed import is_number
from ...tables import has_table
from ..links import has_permission
from .consequences import consequences_of_stopping
from .operation import Done, Operation
from .page import Page
from .standings import COMMANDS

CONTROL = "control_processes"
MOST_COMMANDS = 10
ASKED = {
    "pause": ngettext_lazy(
        "%(count)d process was asked to pause.", "%(count)d processes were asked to pause.", "count"
    ),
    "resume": ngettext_lazy(
        "%(count)d process was asked to resume.", "%(count)d processes were asked to resume.", "count"
    ),
    "quiet": ngettext_lazy(
        "%(count)d process was asked to quiet.", "%(count)d processes were asked to quiet.", "count"
    ),
    "trace": ngettext_lazy(
        "%(count)d process was asked for a trace.", "%(count)d processes were asked for a trace.", "count"
    ),
    "stop": ngettext_lazy("%(count)d process was asked to stop.", "%(count)d processes were asked to stop.", "count"),
}


class ProcessesPage(Page):
    name = "processes"
    title = _("Processes")
    template_name = "admin/kafka_integration/pages/processes_trace.html"
    live_template = "admin/kafka_integration/pages/processes.html"
    operations = {
        **{name: Operation(label=COMMANDS[name], permission=CONTROL) for name in ASKED},
        # Translators: of a process that is lost, which is no longer shown.
        "forget": Operation(label=_("Forget"), permission=CONTROL),
    }

    def context(self) -> dict[str, Any]:
        alias = database_of_processes()
        if not has_table(alias, Process):
            text = gettext("Database “%(alias)s” has no table of these: run manage.py migrate --database %(alias)s.")
            return {"obstacle": text % {"alias": alias}}
        operations = get_settings().operations
        commands = ProcessCommand.objects.using(alias).defer("answer").order_by("-id")[:MOST_COMMANDS]
        processes = list_processes(operations)
        return {
            "processes": [(process, consequences_of_stopping(process, processes)) for process in processes],
            "writes_rows": operations.rows,
            "commands": commands,
            "trace": self._trace(alias),
        }

    # A partition is named by both, its consumer is paused in all processes.

    def pause(self) -> Done:
        return self._ask_consumer("pause")

    def resume(self) -> Done:
        return self._ask_consumer("resume")

    def quiet(self) -> Done:
        return self._ask_process("quiet")

    def stop(self) -> Done:
        return self._ask_process("stop")

    def trace(self) -> Done:
        return self._ask_process("trace")

    def forget(self) -> Done:
        row = forget_lost(_number(self.parameter("process")), get_settings().operations)
        text = gettext("Process %(id)d is forgotten.") % {"id": row.pk}
        return Done(text=text, subject=row, logged="forgot it, as it was lost", flag=DELETION)

    def _ask_consumer(self, name: str) -> Done:
        consumer, topic, number = self.parameter("consumer"), self.parameter("topic"), self.parameter("partition")
        arguments: dict[str, Any] = {"consumer": consumer, "topic": topic or None, "partition": None}
        if number:
            arguments["partition"] = _number(number)
        place = f" {topic}[{number}]" if number else f" {topic}" if topic else ""
        answers = ask_all(self._order(name, arguments), consumer, get_settings().operations)
        return self._done(name, answers, subject=gettext("consumer %(name)s") % {"name": f"{consumer}{place}"})

    def _ask_process(self, name: str) -> Done:
        process = process_of(_number(self.parameter("process")), get_settings().operations)
        answers = ask(self._order(name), [process])
        row = Process(pk=process.id, kind=process.kind, host=process.host, pid=process.pid)
        return self._done(name, answers, subject=row)

    def _order(self, name: str, arguments: dict[str, Any] | None = None) -> Order:
        return Order(name=name, arguments=arguments or {}, requested_by=self.request.user.get_username())

    def _done(self, name: str, answers: Sequence[Answer], *, subject: Process | str) -> Done:
        for answer in answers:
            if not answer.is_done:
                text = gettext("Process %(id)d: %(answer)s") % {"id": answer.process.id, "answer": answer.text}
                messages.add_message(self.request, messages.WARNING if answer.is_open else messages.ERROR, text)
        url = ""
        if name == "trace":
            url = f"{self.url_of(self.name)}?trace={answers[0].command_id}"
        failed = sum(not (answer.is_done or answer.is_open) for answer in answers)
        logged = f"asked {len(answers)} process(es) to {name}, {failed} did not"
        return Done(text=ASKED[name] % {"count": len(answers)}, subject=subject, logged=logged, url=url)

    def _trace(self, alias: str) -> ProcessCommand | None:
        asked = self.parameter("trace")
        if not asked or not has_permission(self.request, CONTROL):
            return None
        return ProcessCommand.objects.using(alias).filter(pk=_number(asked), name="trace").first()


def _number(text: str) -> int:
    if not is_number(text):
        raise BadRequest("no number")
    return int(text)
