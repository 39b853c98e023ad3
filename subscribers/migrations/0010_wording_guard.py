"""A wording is never changed: people said yes to it as it is. And the newest identity a browser was linked with."""

from django.db import migrations, models

GUARD = """
create function wording_is_never_changed() returns trigger language plpgsql as $$
begin
    raise exception 'a wording is never changed: people said yes to it as it is. A new text is a new version.'
        using errcode = 'restrict_violation';
end $$;
create trigger wording_no_update before update on wording
    for each row execute function wording_is_never_changed();
"""


class Migration(migrations.Migration):
    dependencies = [("subscribers", "0002_partitions_and_ledger")]
    operations = [
        migrations.RunSQL(
            GUARD, "drop trigger wording_no_update on wording; drop function wording_is_never_changed()"
        ),
        migrations.AddField(
            model_name="subscription",
            name="identity_issued_at",
            field=models.BigIntegerField(
                null=True, help_text="Unix seconds of the newest identity taken: after logout it is not taken again."
            ),
        ),
    ]
