from django.db import migrations

COLUMNS = [f"recent_{kind}" for kind in ("sent", "received", "shown", "clicked", "closed")]


def storage(kind):
    return f"alter table device_stats {', '.join(f'alter column {column} set storage {kind}' for column in COLUMNS)}"


class Migration(migrations.Migration):
    dependencies = [("subscribers", "0910_pages_of_ids")]

    operations = [
        # Ten times at most: never too long for a row. Otherwise each look at one copies the array, a tenth of what a
        # count of everybody's statistics costs, to spare 5 % of the table.
        migrations.RunSQL(storage("plain"), storage("extended"))
    ]
