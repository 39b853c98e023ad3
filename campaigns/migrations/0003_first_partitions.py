from django.db import migrations
from django.utils import timezone

from pushplatform.partitions import make_partitions


def make(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        make_partitions(cursor, timezone.now())


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0002_partitions")]
    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
