"""Kombu's transport for pgmq, whose workers go on after an acknowledgement that did not reach the database."""

from typing import Any

from kombu.transport import pgmq


class Channel(pgmq.Channel):
    """To kombu a message whose acknowledgement failed stays with the worker, which is full and asks for no other.

    Here it is let go: it comes again after the visibility timeout, and a poke may come twice.
    """

    def basic_ack(self, delivery_tag: Any, multiple: bool = False) -> None:
        try:
            super().basic_ack(delivery_tag, multiple)
        except Transport.connection_errors:
            self.qos.ack(delivery_tag)
            raise

    def basic_reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        try:
            super().basic_reject(delivery_tag, requeue)
        except Transport.connection_errors:
            self.qos.reject(delivery_tag, requeue=False)
            raise


class Transport(pgmq.Transport):
    """What `pgmq://` means here; see pushplatform/celery.py."""

    Channel = Channel
