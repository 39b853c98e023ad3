"""What Django's schema editor has no words for: partitions and fill factors."""

from django.db import migrations

from pushplatform.sql import partitioned


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0001_initial"), ("subscribers", "0002_partitions_and_ledger")]
    operations = [
        migrations.RunSQL(partitioned("recipient", "message_id"), migrations.RunSQL.noop),
        migrations.RunSQL(partitioned("delivery", "message_id"), migrations.RunSQL.noop),
        migrations.RunSQL(partitioned("receipt", "message_id"), migrations.RunSQL.noop),
        migrations.RunSQL(
            # A person's page reads its deliveries; anonymous devices (contact 0) have none.
            "create index delivery_contact on delivery (contact_id, message_id) where contact_id <> 0;"
            "alter table batch set (fillfactor = 50);",
            migrations.RunSQL.noop,
        ),
    ]
