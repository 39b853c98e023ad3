"""What a person needs to know of the running demo, on the screen and in a file for programs."""

from __future__ import annotations

import json
from typing import Any

from pushplatform.demo.ports import Ports
from pushplatform.demo.state import Secrets


def facts(ports: Ports, secrets: Secrets, foundation: dict[str, str]) -> dict[str, Any]:
    """The content of var/demo.json."""
    platform = f"http://localhost:{ports.platform}"
    return {
        "base_url": platform,
        "admin_url": f"{platform}/admin/",
        "admin": {"username": "admin", "password": secrets.admin},
        "marketer": {"username": "marketer", "password": secrets.marketer},
        "site_id": foundation["site_id"],
        "shop_url": f"http://localhost:{ports.shop}",
        "api_key": foundation["api_key"],
        "inbox_url": f"http://localhost:{ports.push}/",
    }


def panel(facts: dict[str, Any], file: str, seconds: float) -> str:
    """The same for people."""
    admin, marketer = facts["admin"], facts["marketer"]
    lines = [
        ("Shop", facts["shop_url"], "press “Get news” and allow, as a customer would"),
        ("Admin", facts["admin_url"], f"{marketer['username']} / {marketer['password']}"),
        ("", "", f"{admin['username']} / {admin['password']}  (sees everything)"),
        ("Inbox", facts["inbox_url"], "what the simulated browsers got"),
        ("API", f"{facts['base_url']}/api/v1", f"key {facts['api_key']}"),
        ("", f"{facts['base_url']}/api/v1/docs/", "every call with examples; five minutes: docs/api/quickstart.md"),
    ]
    width = max(len(address) for _, address, _ in lines)
    body = "\n".join(f"  {name:<6} {address:<{width}}  {note}" for name, address, note in lines)
    return (
        f"\nThe demo runs, {seconds:.1f} s after the start.\n\n{body}\n\n"
        f"  Launch the draft “Weekend offer” in the admin, or send from a CRM:\n\n{_curl(facts)}\n\n"
        f"  The same is in {file}. Ctrl-C stops it and keeps its data; `make demo-reset` forgets them.\n"
    )


def _curl(facts: dict[str, Any]) -> str:
    """The line that sends to two of the demo's people, ready to paste."""
    body = {
        "recipients": [{"external_id": "CRM-42", "params": {"order": "1042"}}, {"external_id": "CRM-43"}],
        "purpose": "order_updates",
        "content": {
            "title": "Order {{ params.order }} is on its way",
            "body": "{{ contact.first_name }}, it arrives tomorrow.",
        },
    }
    return (
        f"curl {facts['base_url']}/api/v1/messages -H 'Authorization: Bearer {facts['api_key']}' "
        f"""-H 'Content-Type: application/json' -H "Idempotency-Key: $(date +%s%N)" -d '{json.dumps(body)}'"""
    )
