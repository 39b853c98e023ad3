"""When beat sends something that is to be done again and again."""

from datetime import datetime

from celery.schedules import schedule


class Every(schedule):
    """Every so often, also after the clock was set back: what was last sent "in the future" is due now.

    Celery's own would send nothing until the clock has caught up.
    """

    def is_due(self, last_run_at: datetime) -> tuple[bool, datetime]:
        """Whether it is due, and in how many seconds to look again."""
        if self.maybe_make_aware(last_run_at) > self.maybe_make_aware(self.now()):
            last_run_at = self.now() - self.run_every
        return super().is_due(last_run_at)
