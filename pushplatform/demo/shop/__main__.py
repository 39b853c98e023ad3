"""`python -m pushplatform.demo.shop`: serve the shop until it is stopped."""

import argparse
import json
import os
import sys

import uvicorn

from pushplatform.demo.shop.site import DEFAULT_PEOPLE, Person, Shop


def parse_people(text: str) -> tuple[Person, ...]:
    """`[{"external_id": "CRM-1", "name": "Anna Nowak", "email": "…"}, …]`; ArgumentTypeError names what is wrong."""
    try:
        people = tuple(
            Person(str(one["external_id"]), str(one["name"]), str(one.get("email", ""))) for one in json.loads(text)
        )
    except (json.JSONDecodeError, TypeError, AttributeError) as error:
        raise argparse.ArgumentTypeError(
            f'must be a JSON list of {{"external_id", "name", "email"}}: {error}'
        ) from error
    except KeyError as error:
        raise argparse.ArgumentTypeError(f"a person lacks {error}") from error
    if not people:
        raise argparse.ArgumentTypeError("names nobody; give at least one person, or leave the option out")
    return people


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pushplatform.demo.shop", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on localhost")
    parser.add_argument("--platform", required=True, help="the platform's public address, e.g. http://localhost:8000")
    parser.add_argument("--site", required=True, help="the Site's id at the platform, site_…")
    parser.add_argument("--people", type=parse_people, default=DEFAULT_PEOPLE, help="who may sign in, as JSON")
    options = parser.parse_args()
    secret = os.environ.get("IDENTITY_SECRET", "")
    if not secret:
        sys.exit("IDENTITY_SECRET is not set: it is the Site's identity secret, shown by the platform's admin")
    shop = Shop(platform=options.platform.rstrip("/"), site=options.site, people=options.people, secret=secret)
    uvicorn.run(shop, host="127.0.0.1", port=options.port, log_level="warning", lifespan="off")


if __name__ == "__main__":
    main()
