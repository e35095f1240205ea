"""URLs per CPU second: our normal form with host and registered domain, and beside it what the parts cost in the usual libraries.

    python benchmarks/corpus/urls.py [--repeats 5] [--urls 200000]

*plain*: URLs as most of a crawl are, a hundred pages per host. *queries*: each with a query to sort, a tracking key and a percent code.
*urlsplit*: the standard library, which only parts the plain ones. *tldextract*: the registered domain of the plain ones, without our cache
of hosts. CPU seconds, medians of turns.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tldextract
from common import cpu_seconds, medians, report

from reasonforge.corpus.urls import normalise


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--urls", type=int, default=200_000)
    options = parser.parse_args()
    hosts = max(options.urls // 100, 1)
    plain = [f"https://www.site{number % hosts}.com/questions/{number}/how-is-it-done" for number in range(options.urls)]
    queries = [f"http://site{number % hosts}.co.uk/index.php?id={number}&utm_source=a&b=%7e" for number in range(options.urls)]
    extract = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())
    variants = {
        "plain": lambda: [normalise(url) for url in plain],
        "queries": lambda: [normalise(url) for url in queries],
        "urlsplit": lambda: [urlsplit(url) for url in plain],
        "tldextract": lambda: [extract(url).top_domain_under_public_suffix for url in plain],
    }
    taken = medians(cpu_seconds(variants, repeats=options.repeats))
    rates = {name: round(options.urls / seconds) for name, seconds in taken.items()}
    report("corpus_urls", {"urls": options.urls, "hosts": hosts, "urls_per_cpu_second": rates}, packages=("tldextract",))


if __name__ == "__main__":
    main()
