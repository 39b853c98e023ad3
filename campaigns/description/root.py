"""The root of the CRM API, as the description tells of it."""

from typing import Final

from pushplatform.api.description.operations import Answer, Example, Group, Operation
from pushplatform.api.description.shapes import answer, listed, mapping, said, word
from pushplatform.sites.models import Scope

GET: Final = Operation(
    "getRoot",
    "Ask what this installation can do",
    "A good first call: it says whether the key works, of which Site it is, and how much is taken at once.",
    [
        Answer(
            200,
            "Version, features and limits.",
            answer(
                version=said(),
                site=said("`site_…`"),
                scopes=listed(word(Scope.values), "Of the key's client."),
                features=listed(said()),
                limits=mapping({"type": "integer"}, "By name, such as `recipients`, `body_bytes`, `units_per_minute`."),
            ),
            {
                "root": Example(
                    "Of a key that may send",
                    {
                        "version": "0.1.0",
                        "site": "site_2k8m4w",
                        "scopes": ["messages:read", "messages:send"],
                        "features": ["messages", "validate", "deliveries"],
                        "limits": {"recipients": 1000, "body_bytes": 1048576, "units_per_minute": 60000},
                    },
                )
            },
        )
    ],
)

GROUP: Final = Group("Start", "Does the key work, and what is on offer?", {"GET /": GET})
