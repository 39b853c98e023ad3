"""Makes the one key of public ids, so that no transaction that rolls back can take it away again."""

import secrets

from django.db import migrations


def make(apps, schema_editor):
    keys = apps.get_model("sites", "PublicIdKey").objects.using(schema_editor.connection.alias)
    keys.get_or_create(id=1, defaults={"key": secrets.token_bytes(16)})


class Migration(migrations.Migration):
    dependencies = [("sites", "0001_initial")]
    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
