"""A desktop notification service on a session bus of its own: what a browser shows is recorded, and can be clicked.

Implements the part of the Desktop Notifications Specification 1.2 that browsers use. Headless browsers hand their
notifications to it as they would to GNOME or KDE, so a click here is a person's click as far as the browser can tell.
"""

import asyncio
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusDict, DBusInt32, DBusSignature, DBusStr, DBusUInt32
from dbus_fast.service import ServiceInterface, dbus_method, dbus_signal

BUS_NAME = "org.freedesktop.Notifications"
DISMISSED, CLOSED_BY_APP = 2, 3
A_LOOK_SECONDS = 0.25

BUS_CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <keep_umask/>
  <listen>unix:dir={directory}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""

Strings = Annotated[list[str], DBusSignature("as")]
ServerInformation = Annotated[tuple[str, str, str, str], DBusSignature("ssss")]


@dataclass
class Alert:
    """One notification as the desktop was asked to show it; a replaced one keeps its number and grows `revisions`.

    `alarms` counts how often it was shown with a sound.
    """

    number: int
    app: str
    title: str
    text: str
    buttons: dict[str, str]
    hints: dict[str, Any]
    alarms: int
    revisions: int = 1
    closed: bool = False
    at: float = field(default_factory=time.monotonic)

    @property
    def body(self) -> str:
        """The text without the line naming the origin, which Chromium puts before it."""
        head, gap, rest = self.text.partition("\n\n")
        return rest if gap and ("localhost" in head or "127.0.0.1" in head) else self.text


class _Service(ServiceInterface):
    def __init__(self, desktop: "Desktop") -> None:
        super().__init__(BUS_NAME)
        self._desktop = desktop

    @dbus_method()
    def Notify(
        self,
        app_name: DBusStr,
        replaces_id: DBusUInt32,
        app_icon: DBusStr,
        summary: DBusStr,
        body: DBusStr,
        actions: Strings,
        hints: DBusDict,
        expire_timeout: DBusInt32,
    ) -> DBusUInt32:
        values = {name: value.value for name, value in hints.items()}
        buttons = dict(zip(actions[::2], actions[1::2], strict=True))
        return self._desktop.record(replaces_id, app_name, summary, body, buttons, values)

    @dbus_method()
    def CloseNotification(self, number: DBusUInt32) -> None:
        self._desktop.forget(number)
        self.NotificationClosed(number, CLOSED_BY_APP)

    @dbus_method()
    def GetCapabilities(self) -> Strings:
        return ["actions", "body", "body-markup", "icon-static", "persistence"]

    @dbus_method()
    def GetServerInformation(self) -> ServerInformation:
        return ("Desktop of the tests", "push platform", "1", "1.2")

    @dbus_signal()
    def ActionInvoked(self, number: int, key: str) -> Annotated[tuple[int, str], DBusSignature("us")]:
        return (number, key)

    @dbus_signal()
    def NotificationClosed(self, number: int, reason: int) -> Annotated[tuple[int, int], DBusSignature("uu")]:
        return (number, reason)


class Desktop:
    """A private session bus with a notification service; `address` goes into a browser's DBUS_SESSION_BUS_ADDRESS."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="desktop-"))
        configuration = self._directory / "session.conf"
        configuration.write_text(BUS_CONFIGURATION.format(directory=self._directory))
        self._bus = subprocess.Popen(
            ["dbus-daemon", f"--config-file={configuration}", "--nofork", "--print-address=1"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._bus.stdout is not None
        self.address = self._bus.stdout.readline().strip()
        self.alerts: list[Alert] = []
        self._lock = threading.Lock()
        self._service = _Service(self)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notification service", daemon=True)
        self._thread.start()
        if not self._ready.wait(60):
            raise RuntimeError("the notification service did not come up on its bus within 60 s")

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        connection = await MessageBus(bus_address=self.address).connect()
        connection.export("/org/freedesktop/Notifications", self._service)
        await connection.request_name(BUS_NAME)
        self._ready.set()
        await self._stop.wait()
        connection.disconnect()

    def stop(self) -> None:
        """Leave the bus and end it."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)
        self._bus.terminate()
        self._bus.wait(30)
        shutil.rmtree(self._directory, ignore_errors=True)

    # What browsers do

    def record(
        self, replaces: int, app: str, title: str, text: str, buttons: dict[str, str], hints: dict[str, Any]
    ) -> int:
        """Keep what was shown; a known number is replaced in place, as the specification asks. Returns its number."""
        alarm = 0 if hints.get("suppress-sound", False) else 1
        with self._lock:
            known = self._open(replaces)
            if known is None:
                known = Alert(len(self.alerts) + 1, app, title, text, buttons, hints, alarm)
                self.alerts.append(known)
            else:
                known.title, known.text, known.buttons, known.hints = title, text, buttons, hints
                known.alarms += alarm
                known.revisions += 1
            return known.number

    def forget(self, number: int) -> None:
        """The application took its notification back, or a person sent it away."""
        with self._lock:
            alert = self._open(number)
            if alert is not None:
                alert.closed = True

    def _open(self, number: int) -> Alert | None:
        return next((a for a in self.alerts if a.number == number and not a.closed), None)

    # What a person does

    def click(self, alert: Alert) -> None:
        """Press the notification itself."""
        self._invoke(alert, "default")

    def press(self, alert: Alert, label: str) -> None:
        """Press the button with this label: keys differ between browsers, labels do not."""
        key = next((key for key, text in alert.buttons.items() if text == label and key != "default"), None)
        if key is None:
            raise LookupError(f"no button {label!r} on {alert.title!r}; it has {sorted(alert.buttons.values())}")
        self._invoke(alert, key)

    def dismiss(self, alert: Alert) -> None:
        """Send the notification away without following it."""
        self._after_a_look(alert, None)

    def _invoke(self, alert: Alert, key: str) -> None:
        self._after_a_look(alert, key)

    def _after_a_look(self, alert: Alert, key: str | None) -> None:
        """Act as soon as a person could: a browser has not learned the number yet of what it has just shown."""

        def act() -> None:
            self.forget(alert.number)
            if key is not None:
                self._service.ActionInvoked(alert.number, key)
            self._service.NotificationClosed(alert.number, DISMISSED)

        wait = max(0.0, alert.at + A_LOOK_SECONDS - time.monotonic())
        self._loop.call_soon_threadsafe(self._loop.call_later, wait, act)
