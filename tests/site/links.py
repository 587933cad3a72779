"""Do the links that lead out of the built site still lead somewhere? `python3 run.py links`: weekly, never in the gate.

A page elsewhere may be down, moved or shy of programs, and none of that is a fault of a change here. So 401, 403, 405, 429
and 999 count as answers; only an address that does not exist, or does not answer twice, is reported.
"""

import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pages

SITE = Path(__file__).parents[2] / "site"
SHY = {401, 403, 405, 429, 999}


def outward(site: Path) -> dict[str, list[str]]:
    """Every address outside that a page links to, with the pages that do."""
    found = defaultdict(list)
    for name, page in pages.read(site).items():
        for link in dict.fromkeys(link.split("#")[0] for link in page.links):
            if link.startswith(("http://", "https://")):
                found[link].append(name)
    return dict(found)


def fault(address: str, tries: int = 2, wait: float = 5) -> str:
    """Why an address cannot be reached; empty if it answers."""
    request = urllib.request.Request(address, headers={"User-Agent": "Mozilla/5.0 (teachdiff's weekly link check)"})
    said = ""
    for attempt in range(tries):
        if attempt:
            time.sleep(wait)
        try:
            with urllib.request.urlopen(request, timeout=30):
                return ""
        except urllib.error.HTTPError as error:
            if error.code in SHY:
                return ""
            said = f"answers {error.code}"
        except (OSError, ValueError) as error:
            said = f"does not answer ({error})"
    return said


def main() -> int:
    if not (SITE / "index.html").exists():
        sys.exit("there is no built site: `python3 run.py site` makes it.")
    links = outward(SITE)
    with ThreadPoolExecutor(8) as pool:
        faults = dict(zip(links, pool.map(fault, links), strict=True))
    for address, said in faults.items():
        if said:
            print(f"{address} {said}; linked from {', '.join(links[address][:3])}")
    print(f"{sum(not said for said in faults.values())} of {len(links)} outside addresses answer.")
    return 1 if any(faults.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
