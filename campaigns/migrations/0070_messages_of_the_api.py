import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Now

# Statuses are moved by many statements in many places; none of them may forget it.
TOUCH = """
    update message set updated_at = coalesce(finished_at, created_at);
    create function message_touch() returns trigger language plpgsql as $$
    begin
        new.updated_at := clock_timestamp();
        return new;
    end $$;
    create trigger message_touch before update of status, finished_at on message
        for each row when (old.status is distinct from new.status or old.finished_at is distinct from new.finished_at)
        execute function message_touch();
"""
UNTOUCH = "drop trigger message_touch on message; drop function message_touch();"


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0041_refused_devices")]
    operations = [
        migrations.AddField("message", "updated_at", models.DateTimeField(db_default=Now())),
        migrations.AddField(
            "message",
            "content_from",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="messages_with_its_content",
                to="campaigns.campaign",
            ),
        ),
        migrations.RunSQL(TOUCH, UNTOUCH),
        migrations.AddIndex(
            "message", models.Index(fields=["site", "updated_at", "id"], name="message_updates")
        ),
    ]
