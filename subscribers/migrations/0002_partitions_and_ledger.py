"""What Django's schema editor has no words for: partitions, the ledger's triggers, fill factors."""

from django.db import migrations

from pushplatform.sql import partitioned

LEDGER = """
create function consent_record_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the consent ledger is append-only: % refused. A correction is a new line.', tg_op
        using errcode = 'restrict_violation';
end $$;
create trigger consent_record_no_change before update or delete on consent_record
    for each row execute function consent_record_is_append_only();
create trigger consent_record_no_truncate before truncate on consent_record
    for each statement execute function consent_record_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("subscribers", "0001_initial")]
    operations = [
        migrations.RunSQL(partitioned("consent_record", "recorded_at"), migrations.RunSQL.noop),
        migrations.RunSQL(partitioned("behaviour", "occurred_at"), migrations.RunSQL.noop),
        migrations.RunSQL(LEDGER, migrations.RunSQL.noop),
        migrations.RunSQL(
            # A person's page reads the ledger by subject.
            "create index consent_record_subject on consent_record (scope, subject_id, id);"
            "alter table device set (fillfactor = 85)",
            migrations.RunSQL.noop,
        ),
    ]
